"""What must not be shown never reaches the client, not even its beginning; all else passes as it came."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cutting import offsets
from support.findable import (
    FIELDS,
    KEY,
    KINDS,
    PEM,
    ROWS,
    SCANNER,
    chunk,
    cuts_of,
    delta,
    event,
    field_of,
    said,
)
from support.vectors import all_recorded

from gateway.sensitivity.answer import ERROR, Guard, check
from gateway.sensitivity.scan import Scanner

SECRET = frozenset({"secret"})
RECORDED = [each for each in all_recorded() if each.status == 200 and not each.name.endswith("/models")]
STREAMS = [each for each in RECORDED if each.streamed]
DONE = b"data: [DONE]\n\n"
USAGE = event({"id": "c", "choices": [], "usage": {"total_tokens": 1}})
STOP = chunk({}, finish="stop")
PROSE = "The quick brown fox jumps over the lazy dog, and then it rests. "


def played(blocks: list[bytes], kinds=KINDS, scanner=SCANNER) -> tuple[bytes, Guard]:
    guard = Guard(scanner, kinds)
    return b"".join(map(guard.feed, blocks)) + guard.close(), guard


def error_of(out: bytes) -> dict:
    """The error that a stream ends with."""
    events = out.split(b"\n\n")
    assert events[-1] == b""
    return json.loads(events[-2].removeprefix(b"data: "))["error"]


def assert_blocked(out: bytes, guard: Guard, secret: str, kinds=SECRET) -> None:
    assert error_of(out) == ERROR
    assert b"[DONE]" not in out
    assert (guard.blocked, guard.found) == (True, kinds)
    for text in said(out).values():
        for size in range(4, len(secret)):
            assert not text.endswith(secret[:size])
        assert secret[:8] not in text


@pytest.mark.parametrize("recorded", RECORDED, ids=[each.name for each in RECORDED])
def test_recorded_answers_pass_byte_for_byte(recorded):
    body = recorded.body
    if not recorded.streamed:
        assert check(body, SCANNER, KINDS) == frozenset()
        return
    for blocks in ([body], [body[at : at + 1] for at in range(len(body))]):
        out, guard = played(blocks)
        assert out == body
        assert not guard.blocked


@pytest.mark.parametrize("recorded", STREAMS, ids=[each.name for each in STREAMS])
def test_recorded_streams_pass_cut_anywhere(recorded):
    body = recorded.body
    for at in offsets(body):
        assert played([body[:at], body[at:]])[0] == body


@pytest.mark.assures("threat R1")
@pytest.mark.parametrize("pieces", range(1, 41))
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("secret", [KEY, PEM], ids=["key", "pem"])
def test_a_secret_in_pieces_never_shows(secret, field, pieces, showed):
    size = max(1, len(secret) // pieces)
    cut = [secret[at : at + size] for at in range(0, len(secret), size)]
    before = [chunk(delta(field, PROSE)), chunk(delta(field, "here: "))]
    after = [chunk(delta(field, " and so on. ")), chunk(delta(field, PROSE * 10)), STOP, USAGE, DONE]
    out, guard = played([*before, *(chunk(delta(field, piece)) for piece in cut), *after])
    assert_blocked(out, guard, secret)
    assert PROSE.startswith(said(out).get(field_of(field), ""))
    if (secret, field, pieces) == (PEM, FIELDS[-1], 40):
        showed(f"a key and a PEM key in 1 to 40 pieces, {len(FIELDS)} fields", "nothing of them was shown")


@pytest.mark.parametrize("after", [b"", DONE, STOP + DONE, USAGE + DONE, event({"error": {"message": "broke"}})])
def test_a_secret_at_the_end_never_shows(after):
    out, guard = played([chunk({"content": f"it is {KEY}"}), after])
    assert out == b"data: " + json.dumps({"error": ERROR}, separators=(",", ":")).encode() + b"\n\n"
    assert guard.found == SECRET


def test_a_secret_that_comes_with_the_end_of_its_choice_never_shows():
    assert_blocked(*played([chunk({"content": KEY[:9]}), chunk({"content": KEY[9:]}, finish="stop"), DONE]), KEY)


@pytest.mark.assures("threat R1")
def test_two_choices_interleaved(showed):
    events = []
    for at, letter in enumerate(KEY):
        events.append(chunk({"content": letter}, 0))
        events.append(chunk({"content": (PROSE * 2)[at]}, 1))
    assert_blocked(*played([*events, chunk({}, 0, "stop"), chunk({}, 1, "stop"), DONE]), KEY)
    showed("a key letter by letter, n=2 interleaved", "broken off before it showed")


def test_one_choice_ends_before_the_other():
    events = [chunk({"content": PROSE}, 0), chunk({"content": "x"}, 1), chunk({}, 0, "stop")]
    out, guard = played([*events, *(chunk({"content": letter}, 1) for letter in KEY), chunk({}, 1, "stop"), DONE])
    assert_blocked(out, guard, KEY)


def test_reasoning_and_content_interleaved():
    events = [chunk({"reasoning": letter, "content": "so "}) for letter in KEY]
    assert_blocked(*played([*events, STOP, DONE]), KEY)


def test_tokens_of_log_probabilities_are_guarded_too():
    tokens = [{"token": KEY[:10]}, {"token": KEY[10:]}]
    choice = {"index": 0, "delta": {"content": "no"}, "logprobs": {"content": tokens}, "finish_reason": None}
    out, guard = played([event({"choices": [choice]}), STOP, DONE])
    assert guard.found == SECRET
    assert KEY.encode() not in out


@pytest.mark.parametrize(
    "written", [KEY.replace("-", "%2D"), "c2stQWIzQWIzQWIzQWIzQWIzQWIzQWIz", KEY.replace("A", "\uff21")]
)
def test_other_ways_of_writing_are_seen_through(written):
    out, guard = played([*(chunk({"content": letter}) for letter in f"{PROSE * 3} {written} {PROSE * 9}"), STOP, DONE])
    assert_blocked(out, guard, written)


def test_kinds_that_may_be_shown_are_shown():
    events = [chunk({"content": f"mail jane@example.com {PROSE}"}), STOP, DONE]
    assert played(events, SECRET)[0] == b"".join(events)
    assert played(events)[1].found == {"email"}


def test_what_comes_after_a_block_is_not_shown():
    guard = Guard(SCANNER, KINDS)
    assert error_of(guard.feed(chunk({"content": KEY}) + STOP)) == ERROR
    assert guard.feed(chunk({"content": "more"}) + b": ping\n\n" + DONE) == guard.close() == b""


def most_held(text: str) -> list[int]:
    """How many characters are held back after each one that is written. All of them come out in the end."""
    guard = Guard(SCANNER, KINDS)
    shown, held = "", []
    for at, letter in enumerate(text, start=1):
        shown += said(guard.feed(chunk({"content": letter}))).get((0, "content"), "")
        held.append(at - len(shown))
    assert shown + said(guard.feed(STOP))[0, "content"] == text
    return held


def test_prose_is_held_for_a_few_words_only():
    assert 64 <= max(most_held(PROSE * 20)) <= 64 + 16


def test_what_looks_like_a_finding_is_held_for_some_hundred_characters():
    held = most_held(f"{PROSE * 3}sk-abcdef {PROSE * 20}")
    assert 256 <= max(held) <= 256 * 8 // 7 + 1
    assert held[-1] <= 64 + 16


def test_a_token_is_held_while_it_grows():
    held = most_held(f"{PROSE}{PROSE}sk-abc.{'d.' * 1000} {PROSE * 9}")
    assert 2000 <= max(held) <= 2007 * 8 // 7 + 1
    assert held[-1] <= 64 + 16
    assert max(most_held(f"x sk-abc.{'d.' * 3000}")) <= 4096 * 8 // 7 + 1


def test_a_text_that_others_follow_is_not_held_to_the_end():
    guard = Guard(SCANNER, KINDS)
    shown = guard.feed(chunk({"reasoning": "so it is"})) + guard.feed(chunk({"content": PROSE}))
    assert shown == b""
    shown += guard.feed(chunk({"content": PROSE}))
    assert said(shown) == {(0, "reasoning"): "so it is", (0, "content"): PROSE}
    shown += guard.feed(chunk({"reasoning": KEY[:9]})) + guard.feed(chunk({"reasoning": KEY[9:] + "\n"}) + STOP)
    assert error_of(shown) == ERROR


def test_a_comment_is_not_held():
    guard = Guard(SCANNER, KINDS)
    assert guard.feed(chunk({"content": "a"}) + b": ping\n\n") == b": ping\n\n"


def test_an_event_that_nobody_can_read_is_not_shown():
    out, guard = played([b'data: {"choices":[{"delta":{"content":"a","x":1e999}}]}\n\n', DONE])
    assert error_of(out) == ERROR
    assert guard.found == KINDS


def test_what_is_held_is_bounded():
    guard = Guard(SCANNER, KINDS)
    guard.feed(chunk({"content": "a"}))
    big = chunk({"role": "assistant"}, padding="x" * 100_000)
    out = b"".join(guard.feed(big) for _ in range(200))
    assert len(out) > 100 * len(big)
    guard = Guard(SCANNER, KINDS)
    odd = [event({"choices": [{"index": 0, "delta": {f"f{at}": "a"}}]}) for at in range(5000)]
    assert error_of(b"".join(map(guard.feed, odd))) == ERROR


class Counting(Scanner):
    """Counts the characters that are examined."""

    examined = tried = 0

    def scan_text(self, text, key=""):
        self.examined += len(text)
        return super().scan_text(text, key)

    def triggered(self, text):
        self.tried += len(text)
        return super().triggered(text)


@pytest.mark.parametrize("text", ["x@y " * 10_000, "sk-abc " * 8_000, "a" * 50_000, "ab1@" * 10_000])
def test_work_grows_with_the_answer_and_not_faster(text):
    scanner = Counting(ROWS)
    guard = Guard(scanner, SECRET)
    out = b"".join(guard.feed(chunk({"content": text[at : at + 4]})) for at in range(0, len(text), 4)) + guard.close()
    assert said(out) == {(0, "content"): text}
    assert scanner.examined < 30 * len(text)
    assert scanner.tried < 1500 * len(text)


@pytest.mark.parametrize(
    ("message", "kinds"),
    [
        ({"content": "hello"}, set()),
        ({"content": None, "reasoning": f"so {KEY}"}, {"secret"}),
        ({"tool_calls": [{"function": {"arguments": json.dumps({"a": KEY, "b": "x@y.de"})}}]}, {"secret", "email"}),
        ({"content": [{"type": "text", "text": KEY[:9]}, {"type": "text", "text": KEY[9:]}]}, {"secret"}),
    ],
)
def test_a_buffered_answer_is_checked(message, kinds):
    body = json.dumps({"choices": [{"index": 0, "message": {"content": "hi"}}, {"index": 1, "message": message}]})
    assert check(body.encode(), SCANNER, KINDS) == kinds
    assert check(body.encode(), SCANNER, frozenset({"phone"})) == frozenset()


def test_what_cannot_be_examined_may_show_anything():
    class Overwhelmed(Scanner):
        def scan_text(self, text, key=""):
            raise ValueError

    scanner = Overwhelmed([])
    assert check(b"[", SCANNER, KINDS) == KINDS
    assert check(b'{"choices":[{"message":{"content":"x"}}]}', scanner, KINDS) == KINDS
    Overwhelmed.triggered = lambda self, text: True
    assert played([chunk({"content": "a"}), DONE], scanner=scanner)[1].found == KINDS


harmless = st.lists(
    st.sampled_from(
        [PROSE, "a", "\u2019 and \u2014 ", "sk-ab", "x@", "http://x.y/z ", "0123456", "\n", "é", '{"a": 1}']
    ),
    max_size=12,
).map("".join)


@given(st.data(), st.lists(st.tuples(st.sampled_from(FIELDS), st.integers(0, 1), harmless), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_whatever_is_harmless_passes_unchanged_however_it_is_cut(data, written):
    events = woven(data, [(field, index, data.draw(cuts_of(text))) for field, index, text in written])
    raw = b"".join([*events, chunk({}, 0, "stop"), chunk({}, 1, "stop"), USAGE, DONE])
    at = data.draw(st.integers(0, len(raw)))
    out, guard = played([raw[:at], raw[at:]])
    if not any(SCANNER.scan_text(text, name[1]) for name, text in said(raw).items()):
        assert out == raw
        assert not guard.blocked


@given(st.data(), harmless, harmless, st.sampled_from(FIELDS), st.sampled_from([KEY, PEM]))
@settings(max_examples=150, deadline=None)
def test_a_secret_never_shows_however_it_is_cut(data, before, after, field, secret):
    pieces = data.draw(cuts_of(f"{before} {secret} {after}"))
    other = data.draw(st.sampled_from([each for each in FIELDS if each != field]))
    index = data.draw(st.integers(0, 1))
    events = woven(data, [(field, 0, pieces), (other, index, data.draw(cuts_of(PROSE[:40])))])
    out, guard = played([*events, chunk({}, 0, "stop"), chunk({}, 1, "stop"), DONE], SECRET)
    shown = said(out).get(field_of(field), "")
    assert guard.found == SECRET
    assert error_of(out) == ERROR
    assert f"{before} ".startswith(shown)


def woven(data, written) -> list[bytes]:
    """The events of several texts, in any order that keeps each text's own."""
    queues = [[chunk(delta(field, piece), index) for piece in pieces] for field, index, pieces in written]
    events = []
    while queues := [queue for queue in queues if queue]:
        events.append(data.draw(st.sampled_from(queues)).pop(0))
    return events
