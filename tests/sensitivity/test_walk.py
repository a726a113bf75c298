"""Every string of a body is a leaf, wherever it stands."""

import base64
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.findings import Leaf
from gateway.core.members import MOST_TEXTS
from gateway.sensitivity.walk import TooMany, walk

MESSAGES = {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]}


def texts(document) -> list[str]:
    return [leaf.text for leaf in walk(document).leaves]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("just a text", ["just a text"]),
        (MESSAGES, ["user", "text", "a", "text", "b"]),
        ({"a": {"b": [["c", {"d": "e"}]]}, "f": None, "g": True}, ["c", "e"]),
        ({"a": 12345678, "b": -9876543, "c": 99, "d": 3.5}, ["12345678", "-9876543"]),
        ({"a name with blanks": "x"}, ["a name with blanks", "x"]),
        ({"536-90-4399": 1}, ["536-90-4399"]),
        ({"plain_name": "x", "x-other.name": "y", "n1": "z"}, ["x", "y", "z"]),
        ({}, []),
    ],
)
def test_what_is_a_text(document, expected):
    assert texts(document) == expected


def test_a_leaf_says_where_it_stands_and_which_member_holds_it():
    leaf = walk(MESSAGES).leaves[2]
    assert (leaf.path, leaf.key, leaf.framing) == (("messages", 0, "content", 0, "text"), "text", False)


@pytest.mark.parametrize(
    ("leaf", "framing"),
    [
        (Leaf(("messages", 0, "role"), "user", "role"), True),
        (Leaf(("messages", 0, "role"), "x" * 65, "role"), False),
        (Leaf(("a", "b c"), "b c", "b c", name=True), True),
        (Leaf(("a",), "1234567", "a", number=True), True),
        (Leaf(("messages", 0, "content"), "hi", "content"), False),
        (Leaf((), "hi"), False),
    ],
)
def test_a_frame_is_nothing_that_is_read_on(leaf, framing):
    assert leaf.framing is framing


@pytest.mark.parametrize(
    ("part", "opaque"),
    [
        ({"type": "text", "text": "an image"}, False),
        ({"type": "image_url", "image_url": {"url": "https://x/y.png"}}, True),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}, True),
        ({"type": "image_url", "image_url": {"url": "data:text/plain;base64,aGk="}}, False),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, True),
        ({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}, True),
        ({"type": "input_image", "image_url": "https://x/y.png"}, True),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}, True),
        ({"type": "document", "source": {"type": "base64", "data": "AAAA"}}, True),
        ({"type": 7}, False),
        ({"type": "document", "title": "data:text/", "source": {"type": "base64", "data": "AAAA"}}, True),
        ({"type": "file", "file": {"filename": "data:text/x", "file_data": "data:application/pdf;base64,AA"}}, True),
        ({"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "data:text/"}}, True),
        ({"image_url": {"url": "data:image/png;base64,AAAA"}}, True),
        ({"image_url": "https://x/y.png"}, True),
        ({"image": "data:image/png;base64,AAAA"}, True),
        ({"type": "container_upload", "file_id": "f"}, True),
        ({"type": "computer_screenshot", "image_url": "https://x"}, True),
        ({"type": "object", "properties": {"image_url": {"type": "string"}, "file": {"type": "string"}}}, False),
        ({"type": "tool_use", "input": {"file_path": "a.py", "image": "a.png"}}, False),
        ({"note": "data:text/plain,hello"}, False),
        ({"Type": "image_url", "Image_URL": {"URL": "https://x"}}, True),
        ({"type": "IMAGE_URL"}, True),
        ({"Image_URL": {"URL": "https://x"}}, True),
        ({"image_url": {"URL": "https://x"}}, True),
        ({"type": "text", "text": "x", "\u017fource": {"url": "https://x"}}, True),
        ({"type": "media", "url": "https://x"}, True),
        ({"type": "text", "Text": "x", "imageNote": "y"}, False),
    ],
)
def test_what_nobody_here_can_read(part, opaque):
    assert bool(walk({"messages": [{"content": [part]}]}).opaque) is opaque


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(1, 251))).decode()


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}},
        {"type": "file", "file": {"filename": "a.png", "file_data": PNG}},
        {"whatever": f"data:image/png;base64,{PNG}"},
        {"data": PNG},
    ],
)
def test_a_payload_that_nobody_can_read_is_told_and_not_read_as_a_text(part):
    walked = walk({"messages": [{"content": [part]}]})
    assert walked.opaque
    assert not [leaf for leaf in walked.leaves if PNG in leaf.text]


def test_base64_that_is_given_as_a_text_is_one():
    walked = walk({"messages": [{"content": PNG}, {"content": [{"type": "text", "text": PNG}]}]})
    assert [leaf.text for leaf in walked.leaves] == [PNG, "text", PNG]
    assert not walked.opaque


def test_members_are_counted_wherever_they_are():
    assert walk({"a": {"b": 1, "c": [{"d": 2}, {}]}}).members == 4


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(alphabet="ab", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet="xyz", min_size=1), inner, max_size=3),
    max_leaves=15,
)


@given(json_values, st.data())
def test_a_canary_is_found_at_every_path(document, data):
    paths = []

    def into(value, path):
        paths.append(path)
        if isinstance(value, dict):
            for name in value:
                into(value[name], (*path, name))
        elif isinstance(value, list):
            for at in range(len(value)):
                into(value[at], (*path, at))

    into(document, ())
    path = data.draw(st.sampled_from(paths))

    def put(value, left):
        if not left:
            return "the canary"
        copy = value.copy()
        copy[left[0]] = put(value[left[0]], left[1:])
        return copy

    planted = put(document, path)
    assert (path, "the canary") in [(leaf.path, leaf.text) for leaf in walk(planted).leaves]
    assert msgspec.json.decode(msgspec.json.encode(planted)) == planted


@pytest.mark.parametrize(
    ("document", "keys"),
    [({"a": [{"b": ["x", "y"]}, "z"]}, ["b", "b", "a"]), ("x", [""]), ([["x"]], [""]), ({"a b": "x"}, ["a b", "a b"])],
)
def test_the_member_that_holds_a_text_is_the_last_that_has_a_name(document, keys):
    assert [leaf.key for leaf in walk(document).leaves] == keys


def test_what_we_sealed_is_read():
    text = "gateway.1." + base64.b64encode(json.dumps({"thinking": [{"thinking": "\ufffd card"}]}).encode()).decode()
    walked = walk({"input": [{"type": "reasoning", "encrypted_content": text}]})
    assert "\ufffd card" in [leaf.text for leaf in walked.leaves]
    assert not walked.opaque
    assert walk({"a": "gateway.1.***"}).opaque


def test_tokens_are_opaque_and_other_numbers_are_not():
    assert walk({"input": [1, 2]}).opaque
    assert walk({"prompt": [[1], [2]]}).opaque
    assert not walk({"input": "x", "dimensions": [1, 2]}).opaque


@pytest.mark.parametrize(
    "document",
    [["@"] * (MOST_TEXTS + 2), {f"n{at}": 1 for at in range(MOST_TEXTS + 1)}, [{"a": {}}] * (MOST_TEXTS + 1)],
    ids=["texts", "names", "members of many objects"],
)
def test_more_than_anybody_reads_is_walked_no_further(document):
    with pytest.raises(TooMany):
        walk({"x": document})
