"""A trail that was changed says so, and where; one that was only torn says that."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.chain import (
    GENESIS,
    TORN,
    Batches,
    Head,
    Walk,
    fragment,
    link,
    link_line,
    linked,
    sealed,
    unsealed,
    walk_records,
)


def records(count):
    """So many records as lines."""
    lines, head = [], Head()
    for number in range(1, count + 1):
        line, head = sealed(head, b'{"number":%d,"act":"a","object":"x%d"}' % (number, number))
        lines.append(line)
    return lines


def walked(lines):
    walk = Walk()
    bodies = list(walk_records(walk, "f", lines))
    return walk, bodies, [(each.line, each.kind) for each in sorted(walk.findings)]


def test_a_link_is_the_digest_of_what_is_before_and_what_comes():
    assert link(GENESIS, b"a") != link(GENESIS, b"b") != link(link(GENESIS, b"a"), b"b")
    assert len(link(GENESIS, b"")) == 32


def test_a_sealed_record_is_json_and_opens_to_what_it_was():
    line, head = sealed(Head(), b'{"number":1}')
    assert msgspec.json.decode(line) == {"number": 1, "digest": head.digest.hex()}
    assert unsealed(line) == (b'{"number":1}', head.digest)
    assert [unsealed(bad) for bad in (b"", b"{}", line[:-3], b"x" + b"\n")] == [None] * 4


@pytest.mark.parametrize("torn", [False, True])
def test_a_link_line_says_its_head(torn):
    head = Head(7, link(GENESIS, b"x"))
    assert linked(link_line(head, torn=torn)) == (head, torn)
    assert linked(link_line(head, torn=torn)[:-1]) is None


def test_a_trail_that_nobody_touched_holds():
    lines = records(20)
    walk, bodies, findings = walked(lines)
    assert (findings, len(bodies), walk.head.number) == ([], 20, 20)
    assert walk.seen == set()  # as many as were asked for, whatever the length of the trail
    wanted = {GENESIS, unsealed(lines[3])[1], link(GENESIS, b"never")}
    walk = Walk(wanted)
    list(walk_records(walk, "f", lines))
    assert walk.seen == {GENESIS, unsealed(lines[3])[1]}


def changed(lines, at):
    lines[at] = lines[at].replace(b'"act":"a"', b'"act":"b"')


def resealed(lines, at):
    """Changed by somebody who knows how lines are sealed."""
    before = Head(at, unsealed(lines[at - 1])[1])
    lines[at], _ = sealed(before, unsealed(lines[at])[0].replace(b'"act":"a"', b'"act":"b"'))


def renumbered(lines, at):
    lines[at] = lines[at].replace(b'"number":%d' % (at + 1), b'"number":%d' % (at + 9))


def garbled(lines, at):
    lines[at] = b"no record\n"


def removed(lines, at):
    del lines[at]


def swapped(lines, at):
    lines[at], lines[at + 1] = lines[at + 1], lines[at]


def doubled(lines, at):
    lines.insert(at, lines[at])


def halved(lines, at):
    lines[at] = lines[at][: len(lines[at]) // 2] + b"\n"


@pytest.mark.parametrize("at", range(1, 8))
@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (changed, {(0, "changed")}),
        (resealed, {(1, "changed")}),
        (renumbered, {(0, "changed")}),
        (garbled, {(0, "changed"), (1, "removed")}),
        (halved, {(0, "changed"), (1, "removed")}),
        (removed, {(0, "removed")}),
        (swapped, {(1, "reordered")}),
        (doubled, {(1, "reordered")}),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_what_was_done_to_a_trail_is_said_with_its_place(tamper, expected, at):
    lines = records(10)
    tamper(lines, at)
    _, _, findings = walked(lines)
    assert expected <= {(line - at - 1, kind) for line, kind in findings}
    assert len(findings) == len(expected)  # one break is one finding


@given(st.integers(1, 8), st.data())
def test_no_byte_can_be_changed_unseen(count, data):
    lines = records(count)
    whole = b"".join(lines)
    at = data.draw(st.integers(0, len(whole) - 2))  # the very last one is the end of the line
    byte = data.draw(st.integers(0, 255).filter(lambda each: each != whole[at]))
    touched = whole[:at] + bytes([byte]) + whole[at + 1 :]
    walk = Walk()
    list(walk_records(walk, "f", touched.splitlines(keepends=True)))
    assert [each.kind for each in walk.findings if each.breaks]


def test_what_was_cut_off_at_the_end_shows_by_a_pinned_head_alone():
    lines = records(9)
    ends = {unsealed(lines[-1])[1], unsealed(lines[6])[1]}
    walk = Walk(ends)
    list(walk_records(walk, "f", lines[:-2]))
    assert walk.findings == []
    assert walk.seen == {unsealed(lines[6])[1]}


def test_a_last_line_without_an_end_is_torn_and_no_break():
    lines = records(3)
    walk, bodies, findings = walked([*lines[:2], lines[2][:-5]])
    assert (findings, len(bodies)) == ([(3, "torn")], 2)
    assert not any(each.breaks for each in walk.findings)


@pytest.mark.parametrize(("excused", "kind"), [(True, "torn"), (False, "changed")])
def test_a_torn_line_is_excused_only_by_a_record_that_names_it(excused, kind):
    first, second, third = records(3)
    torn = second[:-9] + b"\n"
    named = fragment(torn if excused else third)
    note, _ = sealed(Head(1, unsealed(first)[1]), b'{"number":2,"act":"%b","object":"%b"}' % (TORN.encode(), named.encode()))  # fmt: skip
    assert walked([first, torn, note])[2] == [(2, kind)]


def files(*batches_of_files):
    """Files of batches, as lines."""
    head, made = Head(), []
    for batches in batches_of_files:
        lines = [link_line(head)]
        for batch in batches:
            head = Head(head.number + 1, link(head.digest, b"".join(batch)))
            lines += [*batch, link_line(head)]
        made.append(lines)
    return made


def followed(found):
    walk = Walk()
    batches = Batches(walk)
    for number, lines in enumerate(found):
        batches.file(f"f{number}", lines)
    batches.end()
    return walk, [(each.file, each.line, each.kind) for each in sorted(walk.findings)]


ONE = [[b"a\n", b"b\n"], [b"c\n"]]
TWO = [[b"d\n", b"e\n"], [b"f\n"]]
THREE = [[b"g\n"]]


def test_files_that_nobody_touched_hold():
    walk, findings = followed(files(ONE, TWO, [], THREE))
    assert (findings, walk.head.number) == ([], 5)


def test_the_first_files_may_be_gone():
    walk, findings = followed(files(ONE, TWO, THREE)[1:])
    assert (findings, walk.head.number) == ([], 5)


@pytest.mark.parametrize(
    ("touch", "expected"),
    [
        (lambda f: f[1].__setitem__(1, b"x\n"), ("f1", 1 + 1, "changed")),
        (lambda f: f[1].__delitem__(2), ("f1", 2, "changed")),
        (lambda f: f[1].__delitem__(slice(1, 4)), ("f1", 2, "removed")),
        (lambda f: f[1].__setitem__(slice(1, 3), [b"e\n", b"d\n"]), ("f1", 2, "changed")),
        (lambda f: f[0].__delitem__(slice(4, None)), ("f1", 1, "removed")),
        (lambda f: f[0].append(b"more\n"), ("f0", 7, "changed")),
        (lambda f: f.__delitem__(1), ("f1", 1, "removed")),
        (lambda f: f.insert(0, f.pop(1)), ("f1", 1, "reordered")),
        (lambda f: f[1].__delitem__(0), ("f1", 1, "changed")),
    ],
)
def test_what_was_done_to_files_is_said_with_its_place(touch, expected):
    found = files(ONE, TWO, THREE)
    touch(found)
    _, findings = followed(found)
    assert expected in findings


@given(st.data())
def test_no_byte_of_files_can_be_changed_unseen(data):
    found = [b"".join(lines) for lines in files(ONE, TWO, THREE)]
    place = data.draw(st.integers(0, len(found) - 1))
    at = data.draw(st.integers(0, len(found[place]) - 2))
    byte = data.draw(st.integers(0, 255).filter(lambda each: each != found[place][at]))
    found[place] = found[place][:at] + bytes([byte]) + found[place][at + 1 :]
    walk, _ = followed([raw.splitlines(keepends=True) for raw in found])
    assert walk.findings or walk.head != followed(files(ONE, TWO, THREE))[0].head


def test_what_nobody_finished_writing_is_excused_by_the_next_file():
    first = [*files(ONE)[0], b"half a li"]
    head = Head(3, link(linked(first[-2])[0].digest, b"half a li"))
    walk, findings = followed([first, [link_line(head, torn=True)]])
    assert findings == [("f0", 7, "torn")]
    assert not any(each.breaks for each in walk.findings)
    first[-1] = b"half a lie"
    walk, findings = followed([first, [link_line(head, torn=True)]])
    assert any(each.breaks for each in walk.findings)
