"""What is found goes, and only that; what went can be put back; what comes out is clean."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.findable import KEY, KINDS, PEM, SCANNER

from gateway.core.chat import parse
from gateway.core.errors import Refusal, Refused
from gateway.core.findings import Finding, Leaf, Place, Scan
from gateway.sensitivity.redact import NotRedactable, Redacted, _Document, _Group, _Span, _Texts, redact
from gateway.sensitivity.restore import restored_text
from gateway.sensitivity.scan import Scanner
from gateway.sensitivity.walk import walk

MAIL, OTHER = "jane@example.com", "bob@example.org"


def taken_from(document: dict, kinds=KINDS) -> Redacted:
    chat = parse(json.dumps(document).encode())
    return redact(chat, SCANNER.scan(msgspec.json.decode(chat.with_fields({}))), kinds, SCANNER)


def user(*texts: str, **more: object) -> dict:
    return {"model": "m", "messages": [{"role": "user", "content": text} for text in texts], **more}


def texts(redacted: Redacted) -> list[str]:
    return [message["content"] for message in json.loads(redacted.chat.with_fields({}))["messages"]]


@pytest.mark.parametrize(
    ("said", "left", "taken"),
    [
        (["hello"], ["hello"], {}),
        ([f"mail {MAIL}."], ["mail [EMAIL_1]."], {"[EMAIL_1]": MAIL}),
        ([f"{MAIL} {OTHER} {MAIL}"], ["[EMAIL_1] [EMAIL_2] [EMAIL_1]"], {"[EMAIL_1]": MAIL, "[EMAIL_2]": OTHER}),
        ([f"{MAIL} ", f"{KEY} "], ["[EMAIL_1] ", "[SECRET_1] "], {"[EMAIL_1]": MAIL, "[SECRET_1]": KEY}),
        ([f"[EMAIL_1] {MAIL}"], ["[EMAIL_1] [EMAIL_2]"], {"[EMAIL_2]": MAIL}),
        ([f"[EMAIL_2] {MAIL} {OTHER}"], ["[EMAIL_2] [EMAIL_1] [EMAIL_3]"], {"[EMAIL_1]": MAIL, "[EMAIL_3]": OTHER}),
        ([f"password: {MAIL}"], ["password: [SECRET_1]"], {"[SECRET_1]": MAIL}),
        ([PEM], ["[SECRET_1]"], {"[SECRET_1]": PEM}),
        (["sk-Ab3Ab3Ab3Ab", "3Ab3Ab3Ab3Ab3 x"], ["[SECRET_1]", " x"], {"[SECRET_1]": "sk-Ab3Ab3Ab3Ab3Ab3Ab3Ab3Ab3"}),
        ([f"it is {KEY}", "Sure, done"], ["it is [SECRET_1]", "Sure, done"], {"[SECRET_1]": KEY}),
        (["jane%40example.com "], ["[EMAIL_1] "], {"[EMAIL_1]": "jane%40example.com"}),
        (["c2stQWIzQWIzQWIzQWIzQWIzQWIzQWIz "], ["[SECRET_1] "], {"[SECRET_1]": "c2stQWIzQWIzQWIzQWIzQWIzQWIzQWIz"}),
        (["sk j\u0430ne@example.com"], ["sk [EMAIL_1]"], {"[EMAIL_1]": "j\u0430ne@example.com"}),
    ],
)
def test_what_is_found_becomes_a_placeholder(said, left, taken):
    redacted = taken_from(user(*said))
    assert texts(redacted) == left
    assert redacted.taken == taken


def test_kinds_that_may_stay_stay():
    redacted = taken_from(user(f"{MAIL} {KEY} "), frozenset({"secret"}))
    assert texts(redacted) == [f"{MAIL} [SECRET_1] "]


def test_only_fields_with_findings_lose_their_bytes():
    body = (
        b'{"model": "m", "temperature": 1.50, "x": {"b" : [1,  2]}, "user": "%b", "messages": [ {"role":"user","content":"hi"}]}'
        % MAIL.encode()
    )
    chat = parse(body)
    redacted = redact(chat, SCANNER.scan(msgspec.json.decode(body)), KINDS, SCANNER)
    assert bytes(redacted.chat.fields.pop("user")) == b'"[EMAIL_1]"'
    chat.fields.pop("user")
    assert {name: bytes(raw) for name, raw in redacted.chat.fields.items()} == {
        name: bytes(raw) for name, raw in chat.fields.items()
    }


def test_a_clean_request_is_the_same_one():
    chat = parse(json.dumps(user(MAIL)).encode())
    assert redact(chat, SCANNER.scan({}), KINDS, SCANNER).chat is chat
    assert redact(chat, SCANNER.scan(user(MAIL)), frozenset({"secret"}), SCANNER).chat is chat


def test_a_number_becomes_a_placeholder_in_quotes():
    redacted = taken_from(user("hi", metadata={"id": 48123456789, "n": 3}))
    assert json.loads(bytes(redacted.chat.fields["metadata"])) == {"id": "[PHONE_1]", "n": 3}
    assert redacted.taken == {"[PHONE_1]": "48123456789"}


@pytest.mark.parametrize(
    ("arguments", "left", "taken"),
    [
        ({"to": MAIL}, {"to": "[EMAIL_1]"}, [MAIL]),
        ({"phone": 48123456789, "x": [1, 48123456789]}, {"phone": "[PHONE_1]", "x": [1, "[PHONE_1]"]}, ["48123456789"]),
        ({"text": f"hi\n{MAIL}\nbye"}, {"text": "hi\n[EMAIL_1]\nbye"}, [MAIL]),
        ({"text": f"hi\\\n{MAIL}"}, {"text": "hi\\\n[EMAIL_1]"}, [MAIL]),
        ({"text": 'password: ab"cd\\efgh '}, {"text": "password: [SECRET_1] "}, ['ab"cd\\efgh']),
        ({"text": "password: abcdefgh", "b": 1}, {"text": "password: [SECRET_1]", "b": 1}, ["abcdefgh"]),
        ({MAIL: 1}, {"[EMAIL_1]": 1}, [MAIL]),
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_arguments_stay_json(arguments, left, taken, separators):
    text = json.dumps(arguments, separators=separators)
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": text}}
    redacted = taken_from({"model": "m", "messages": [{"role": "assistant", "content": None, "tool_calls": [call]}]})
    (message,) = json.loads(bytes(redacted.chat.fields["messages"]))
    out = message["tool_calls"][0]["function"]["arguments"]
    assert json.loads(out) == left
    assert list(redacted.taken.values()) == taken
    assert json.loads(restored_text(out, redacted.taken, in_json=True)) == json.loads(
        json.dumps(arguments).replace("48123456789", '"48123456789"')
    )


def test_arguments_that_are_no_json_are_text():
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": f"{{to: {MAIL}, 48123456789"}}
    redacted = taken_from({"model": "m", "messages": [{"role": "assistant", "content": None, "tool_calls": [call]}]})
    assert b"{to: [EMAIL_1], [PHONE_1]" in bytes(redacted.chat.fields["messages"])


@pytest.mark.parametrize(
    "document",
    [
        user("hi", metadata={MAIL: 1}),
        user("hi", model=MAIL),
        user("hi", max_tokens=481234567890),
        user("hi", response_format={"type": MAIL}),
        {"model": "m", "messages": [{"role": MAIL, "content": "hi"}]},
        {"model": "m", "messages": [{"role": "user", "content": [{"type": MAIL}]}]},
    ],
)
def test_what_cannot_be_taken_out_is_refused(document):
    with pytest.raises(NotRedactable) as refused:
        taken_from(document)
    assert MAIL not in str(refused.value)


def test_an_incomplete_scan_or_one_of_another_request_is_refused():
    chat = parse(json.dumps(user(MAIL)).encode())
    scan = SCANNER.scan(user(MAIL))
    with pytest.raises(NotRedactable):
        redact(chat, msgspec.structs.replace(scan, complete=False), KINDS, SCANNER)
    for other in (user("hi", MAIL), user(OTHER), {"messages": [{"content": {"x": MAIL}}]}):
        with pytest.raises(NotRedactable):
            redact(chat, SCANNER.scan(other), KINDS, SCANNER)


def test_a_redacted_request_shows_nothing():
    redacted = taken_from(user(f"{MAIL} {KEY}"))
    assert repr(redacted) == str(redacted) == "Redacted(2 taken out)"
    assert MAIL not in repr(redacted.__rich_repr__())


def test_numbers_stay_when_the_conversation_goes_on():
    first = taken_from(user(f"I am {MAIL}", f"and {OTHER}", user=KEY))
    longer = taken_from(user(f"I am {MAIL}", f"and {OTHER}", "Noted", f"now x@y.de, {MAIL} and {PEM}", user=KEY))
    assert texts(longer)[:2] == texts(first)
    assert first.taken.items() <= longer.taken.items()
    assert longer.taken["[EMAIL_3]"] == "x@y.de"


words = st.sampled_from(
    [
        MAIL,
        OTHER,
        KEY,
        PEM,
        "password: hunter2hunter2",
        "48123456789",
        "+34600111222",
        "[EMAIL_1]",
        "[SECRET_2]",
        "[",
        "]",
        "[EMAIL_",
        "1]",
        "EMAIL",
        "jane",
        "@example",
        ".com",
        "sk-",
        "Ab3Ab3Ab3Ab3",
        "\\n",
        "\n",
        " ",
        ", ",
        '"',
        "é",
        "word ",
        "jane%40example.com",
        "c2stQWIzQWIzQWIzQWIzQWIzQWIzQWIz",
        "\u200b",
        "\\u0040",
    ]
)
sentences = st.lists(words, max_size=8).map("".join)
values = st.recursive(
    sentences | st.integers(-(10**15), 10**15) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "key", "to"]), inner, max_size=3),
    max_leaves=6,
)
messages = st.one_of(
    st.builds(lambda text: {"role": "user", "content": text}, sentences),
    st.builds(
        lambda parts: {"role": "user", "content": [{"type": "text", "text": text} for text in parts]},
        st.lists(sentences, max_size=3),
    ),
    st.builds(
        lambda value: {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": json.dumps(value)}}],
        },
        values,
    ),
)
bodies = st.builds(
    lambda messages, more: {"model": "m", "messages": messages, **more},
    st.lists(messages, min_size=1, max_size=4),
    st.fixed_dictionaries({}, optional={"user": sentences, "metadata": values}),
)


def is_arguments(leaf) -> bool:
    return leaf.key == "arguments" and leaf.path[0] == "messages"


def said(leaf, text: str) -> str:
    return json.dumps(_plain(json.loads(text))) if is_arguments(leaf) else text


@given(bodies)
@settings(max_examples=150, deadline=None)
def test_what_comes_out_is_clean_and_what_went_can_be_put_back(document):
    redacted = taken_from(document)
    leaves, places = (scan := SCANNER.scan(document)).leaves, scan.places
    out = json.loads(redacted.chat.with_fields({}))
    again = SCANNER.scan(out)
    for place in again.places:
        leaf = again.leaves[place.leaf]
        found = leaf.text[place.finding.start : place.finding.end]
        assert place.finding.seen.startswith("joined") or any(name in found for name in redacted.taken)
    before, after = walk(document).leaves, walk(out).leaves
    assert [leaf.path for leaf in before] == [leaf.path for leaf in after]
    if any(place.finding.seen.startswith("joined") and is_arguments(leaves[place.leaf]) for place in places):
        return  # no brackets and quotes went from the arguments, so they are not all in one place again
    stood = [said(leaf, leaf.text) for leaf in before]
    stands = [said(leaf, restored_text(leaf.text, redacted.taken, in_json=is_arguments(leaf))) for leaf in after]
    for framing in (True, False):  # what went across a seam is back in the first of its leaves
        assert "".join(text for leaf, text in zip(before, stood, strict=True) if leaf.framing is framing) == "".join(
            text for leaf, text in zip(before, stands, strict=True) if leaf.framing is framing
        )
    for placeholder in redacted.taken:
        assert placeholder not in json.dumps(document)


def _plain(value: object) -> object:
    """Without the difference between a number and its text."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return str(value)


@given(bodies, st.lists(messages, max_size=2))
@settings(max_examples=150, deadline=None)
def test_more_turns_change_no_number_of_earlier_ones(document, more):
    turn = {"role": "user", "content": "\n"}
    first = taken_from({**document, "messages": [*document["messages"], turn]})
    longer = {**document, "messages": [*document["messages"], turn, *more]}
    if "[" in json.dumps(more):
        return  # what stands in it literally may be a number that was given
    assert first.taken.items() <= taken_from(longer).taken.items()


def called_with(arguments: str) -> dict:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return {"model": "m", "messages": [{"role": "assistant", "content": None, "tool_calls": [call]}]}


def arguments_of(redacted: Redacted) -> str:
    (message,) = json.loads(bytes(redacted.chat.fields["messages"]))
    return message["tool_calls"][0]["function"]["arguments"]


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (r'{"x":"password: ab\u0040cdefgh"}', '{"x":"password: [SECRET_1]"}'),
        (r'{"x":"password: ' + "a" * 35 + r'\u00e9 "}', '{"x":"password: [SECRET_1] "}'),  # ends within an escape
        (r'{"x":"password: ' + "a" * 34 + r'\ud83d\ude00 "}', r'{"x":"password: [SECRET_1] "}'),
        (r'{"x":"\u006aane@example.com"}', '{"x":"[EMAIL_1]"}'),  # begins within an escape
    ],
)
def test_no_escape_is_cut(arguments, left):
    redacted = taken_from(called_with(arguments))
    assert arguments_of(redacted) == left
    restored = restored_text(arguments_of(redacted), redacted.taken, in_json=True)
    assert json.loads(restored) == json.loads(arguments)


def leaves_of(*texts: str) -> tuple[Leaf, ...]:
    return tuple(Leaf(("messages", at, "content"), text, "content") for at, text in enumerate(texts))


def test_what_would_read_as_a_placeholder_by_accident_is_refused():
    leaves = leaves_of("x", "[EMAIL_x1]")
    group = _Group("email", [_Span(0, 0, 1), _Span(1, 7, 8)])
    with pytest.raises(NotRedactable):
        _Texts(_Document(leaves), [group], frozenset())


class Insatiable(Scanner):
    """Finds something in whatever is left."""

    left = Scan(leaves_of("a", "b"), (), opaque=False, complete=False)

    def scan(self, document):
        return self.left


def test_what_is_never_clean_is_refused():
    chat = parse(json.dumps(user(MAIL)).encode())
    scan = SCANNER.scan(user(MAIL))
    scanner = Insatiable([])
    with pytest.raises(NotRedactable, match="more to examine"):
        redact(chat, scan, KINDS, scanner)
    scanner.left = SCANNER.scan(user("[EMAIL_1]", user="x", metadata=MAIL))
    with pytest.raises(NotRedactable, match="more to examine"):
        redact(chat, scan, KINDS, scanner)
    leaf = next(at for at, each in enumerate(scan.leaves) if each.text == "user")
    found = Finding(0, 4, "email", "t")
    scanner.left = msgspec.structs.replace(scan, places=(Place(leaf, found),))
    with pytest.raises(NotRedactable, match="reads"):
        redact(chat, scan, KINDS, scanner)
    leaf = next(at for at, each in enumerate(scan.leaves) if each.text == MAIL)
    scanner.left = msgspec.structs.replace(scan, places=(Place(leaf, Finding(0, 30, "email", "t")),))
    with pytest.raises(NotRedactable, match="never clean"):
        redact(chat, scan, KINDS, scanner)


def test_what_is_no_request_any_more_is_refused(monkeypatch):
    chat = parse(json.dumps(user(MAIL)).encode())

    def refuse(chat, changed, pieces):
        raise Refused(Refusal.INVALID_TYPE, "no")

    monkeypatch.setattr("gateway.sensitivity.redact.said_anew", refuse)
    with pytest.raises(NotRedactable):
        redact(chat, SCANNER.scan(user(MAIL)), KINDS, SCANNER)
