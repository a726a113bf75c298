"""The whole scanner: nothing hides in another way of writing, in a packing, in pieces, or anywhere in a body."""

import base64
import gc
import gzip
import json
import os
import time
import urllib.parse
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.members import MOST_TEXTS
from gateway.sensitivity.detector import pattern
from gateway.sensitivity.detectors import DETECTORS
from gateway.sensitivity.scan import Again, Scanner, _Joined
from gateway.sensitivity.walk import walk

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
DEV_SET = os.environ.get("GATEWAY_TEST_TEXTS")
KEY = "ghp_" + "q7Xv2MdK9sWbT4hZy8RcL1nJ6fPgA3eUoV5i"
MAIL = "bob.miller@example.org"
SCANNER = Scanner(DETECTORS)
SMALL = Scanner([pattern("canary", "secret", "canary-[0-9]{4}", trigger="canary-")])


def kinds(document) -> set[str]:
    return {place.finding.kind for place in SCANNER.scan(document).places}


def user(*contents) -> dict:
    return {"model": "auto", "messages": [{"role": "user", "content": content} for content in contents]}


WAYS = {
    "zero width": lambda text: "\u200b".join(text),
    "soft hyphens": lambda text: "\u00ad".join(text),
    "full width": lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    "bold": lambda text: "".join(
        chr(0x1D41A + ord(c) - 97) if c.islower() else chr(0x1D400 + ord(c) - 65) if c.isupper() else c for c in text
    ),
    "percent": lambda text: "".join(f"%{ord(c):02x}" for c in text),
    "entities": lambda text: "".join(f"&#{ord(c)};" for c in text),
    "escapes": lambda text: "".join(f"\\u{ord(c):04x}" for c in text),
    "spaced": " ".join,
    "base64": lambda text: base64.b64encode(f"it is {text} ok".encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "data url": lambda text: "data:text/plain;base64," + base64.b64encode(text.encode()).decode(),
    "twice": lambda text: base64.b64encode(urllib.parse.quote(text, safe="").encode()).decode(),
    "packed escapes": lambda text: base64.b64encode("".join(f"\\u{ord(c):04x}" for c in text).encode()).decode(),
    "pieces": lambda text: f'"{text[:9]}" + "{text[9:]}"',
    "quoted": lambda text: f"`{text}`",
    "table": lambda text: f"| a | b |\n|---|---|\n| x | {text} |",
    "among others": lambda text: f"Пожалуйста: {text} — спасибо",
}


@pytest.mark.assures("threat E1")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("text", "kind"), [(KEY, "secret"), (MAIL, "email")])
def test_no_way_of_writing_hides_it(way, text, kind, showed):
    written = WAYS[way](text)
    assert kind in kinds(user(f"Look at {written} please"))
    arguments = json.dumps({"q": written})
    call = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}
    assert kind in kinds({"messages": [call]})
    if (way, kind) == (list(WAYS)[-1], "email"):
        showed(f"{len(WAYS)} ways of writing a key and an address, in texts and arguments", "found in each")


@pytest.mark.parametrize("at", range(1, len(KEY), 3))
def test_what_is_cut_in_two_is_read_on(at):
    one, other = f"the key is {KEY[:at]}", f"{KEY[at:]} as I said"
    assert "secret" in kinds(user(one, other))
    assert "secret" in kinds(user([{"type": "text", "text": one}, {"type": "text", "text": other}]))


def test_what_is_cut_in_many_is_read_on():
    assert "secret" in kinds(user(*(KEY[at : at + 4] for at in range(0, len(KEY), 4))))


def test_a_finding_across_a_seam_has_a_place_in_each_leaf():
    scan = SMALL.scan(user("say canary-", "1234 now"))
    found = [(scan.leaves[place.leaf].text, place.finding.start, place.finding.end) for place in scan.places]
    assert found == [("say canary-", 4, 11), ("1234 now", 0, 4)]
    assert {place.finding.seen for place in scan.places} == {"joined plain"}


def test_what_stands_far_from_a_seam_is_not_joined():
    scan = SMALL.scan(user("canary-" + "x" * 2000, "1234"))
    assert scan.places == ()


def test_the_plainest_reading_is_told_once():
    scan = SMALL.scan(user("canary-1234 and canary\u200b-5678 and " + base64.b64encode(b"so canary-9999 too").decode()))
    assert [(place.finding.start, place.finding.end, place.finding.seen) for place in scan.places] == [
        (0, 11, "plain"),
        (16, 28, "invisible"),
        (33, 57, "base64"),
    ]


def test_numbers_and_names_of_members_are_texts():
    scan = SCANNER.scan({"card": 4539578763621486, MAIL: 1})
    assert {place.finding.kind for place in scan.places} >= {"credit_card", "email"}


def test_a_body_without_anything_is_not_even_examined():
    assert SMALL.scan(user("hi", "there")).leaves == ()


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(base64.b64encode(base64.b64encode(base64.b64encode(b"canary-1234 four times over")))).decode(),
    ],
)
def test_there_is_an_end_to_unpacking(text):
    assert SMALL.scan(user(text)).places == ()


def test_more_than_the_budget_is_not_examined_and_nobody_knows():
    layers = b"canary " * 40_000
    for _ in range(3):
        layers = base64.b64encode(layers)
    text = " ".join([layers.decode()] * 12)
    scan = Scanner([pattern("word", "secret", "nothing", trigger="[a-z]")]).scan(
        {"a": text[:3_900_000], "b": [text] * 3}
    )
    assert scan.complete or scan.places == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(json_values, st.sampled_from(sorted(WAYS)), st.data())
def test_a_canary_is_found_at_every_path_in_every_way_of_writing(document, way, data):
    paths = [()]
    for path in paths:
        value = document
        for step in path:
            value = value[step]
        steps = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        paths += [(*path, step) for step in steps]
    path = data.draw(st.sampled_from(paths))

    def put(value, left):
        if not left:
            return f"see {WAYS[way](KEY)} there"
        copy = value.copy()
        copy[left[0]] = put(value[left[0]], left[1:])
        return copy

    scan = SCANNER.scan(msgspec.json.decode(msgspec.json.encode(put(document, path))))
    assert not scan.complete or "secret" in {place.finding.kind for place in scan.places}


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_no_text_breaks_it_and_every_place_is_within(text):
    scan = SCANNER.scan(user(text))
    for place in scan.places:
        assert 0 <= place.finding.start < place.finding.end <= len(scan.leaves[place.leaf].text)


@pytest.mark.parametrize(
    "document", [{"password": "sunflower42"}, {"metadata": {"db": [{"client_secret": "9fK2mQ7xVb4T"}]}}]
)
def test_what_a_member_is_called_speaks_of_what_it_holds(document):
    assert kinds(document) == {"secret"}
    assert kinds({"greeting": "sunflower42"}) == set()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("You are a helpful assistant.", "Could you explain the tides?"),
        ("hello", "hi"),
        ("thanks a lot", "You are welcome! Anything else?"),
        ("Bonjour", "Que puis-je faire"),
    ],
)
def test_prose_does_not_go_on_across_a_seam(one, other):
    assert _Joined(walk(user(one, other)).leaves).text == ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the key is ghp_q7Xv2M", "dK9sWbT4hZy8RcL1"),
        ("write to bob", "@example.org now"),
        ("card 4539 5787", "6362 1486"),
        ("card 4539 5787 ", " 6362 1486"),
        ("password: sun", "flower"),
        ("s p a c e d ", "o u t"),
        ("abcdefghijklmn", "opqrstuvwxyzabc"),
        ("it\u200b", "em"),
    ],
)
def test_what_may_go_on_is_joined(one, other):
    assert (one + other) in _Joined(walk(user(one, other)).leaves).text


# What was seen before.


pieces = st.sampled_from(
    [
        KEY,
        MAIL,
        KEY[:20],
        KEY[20:],
        "password: ",
        "hunter2-Xy9!",
        "4111 1111",
        " 1111 1111",
        "call +44 20 7946 0018",
        "ok",
        "",
    ]
) | st.text(max_size=30)
said = st.lists(
    pieces | st.tuples(pieces, st.sampled_from(sorted(WAYS))).map(lambda two: WAYS[two[1]](two[0])), max_size=4
)
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool"]), "content": said.map(" ".join) | said},
    optional={"tool_calls": said.map(lambda texts: [{"function": {"name": "f", "arguments": json.dumps(texts)}}])},
)


def grows(scanner: Scanner, conversation: list) -> None:
    """Each prefix of a conversation is scanned as if nothing was seen before, and by what was seen of the one before it."""
    seen: dict = {}
    for turns in range(1, len(conversation) + 1):
        walked = walk({"model": "auto", "messages": conversation[:turns]})
        named = [(leaf.text, leaf.key) for leaf in walked.leaves]
        known = {at: seen[name] for at, name in enumerate(named) if name in seen}
        scan, fresh = scanner.examined(walked, known)
        assert scan == scanner.examine(walked)
        assert fresh.keys().isdisjoint(known)
        seen.update((named[at], each) for at, each in fresh.items())


@pytest.mark.assures("fault 21")
@given(st.lists(messages, min_size=1, max_size=6))
@settings(max_examples=2000 if FULL else 100, deadline=None)
def test_what_was_seen_before_changes_no_finding(conversation):
    grows(SCANNER, conversation)


@pytest.mark.skipif(DEV_SET is None, reason="GATEWAY_TEST_TEXTS names no set of texts")
def test_what_was_seen_before_changes_no_finding_in_real_texts():
    lines = gzip.decompress(Path(DEV_SET).read_bytes()).splitlines()[:: 1 if FULL else 10]
    texts = [item.get("body", item["text"]) for item in map(json.loads, lines)]
    for at in range(0, len(texts), 6):
        grows(SCANNER, [{"role": "user", "content": text} for text in texts[at : at + 6]])


def test_what_was_seen_before_costs_as_much_of_the_budget():
    packed = base64.b64encode(base64.b64encode(b"x" * 20_000)).decode()
    walked = walk(user(*[packed + str(number) for number in range(30)]))
    scan, fresh = SCANNER.examined(walked, {})
    tight = msgspec.structs.replace(next(iter(fresh.values())), examined_chars=10**9)
    assert not SCANNER.examined(walked, {**fresh, 0: tight})[0].complete
    assert SCANNER.examined(walked, fresh) == (scan, {})


def test_a_request_that_is_scanned_again_has_each_text_examined_once():
    texts = []
    scanner = Scanner(DETECTORS)
    examine = scanner._examine
    scanner._examine = lambda text, *how: texts.append(text) or examine(text, *how)
    again, document = Again(scanner, {}), user(f"one {KEY}", f"two {MAIL}")
    first = again.scan(document)
    document["messages"][0]["content"] = "one [SECRET_1]"
    second = again.scan(document)
    assert first == SCANNER.scan(user(f"one {KEY}", f"two {MAIL}"))
    assert second == SCANNER.scan(document)
    assert texts.count(f"two {MAIL}") == 1


def test_more_texts_than_can_be_examined_are_unknown_at_once():
    def seconds(texts):
        began = time.process_time()
        complete = SCANNER.scan({"x": ["@"] * texts}).complete
        return complete, time.process_time() - began

    gc.disable()  # what other tests left is not looked through meanwhile
    all_seen, examining = seconds(40_000)
    seen, refusing = seconds(60_000)
    gc.enable()
    assert (all_seen, seen) == (True, False)
    assert refusing < examining / 2  # nothing was examined: more of them take less


def test_more_texts_than_are_walked_are_unknown():
    assert not SCANNER.scan({"x": ["@"] * (MOST_TEXTS + 2)}).complete
