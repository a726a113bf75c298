"""Thoughts between tags, however the text is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.think_tags import ThinkTags

CASES = [
    ("", "", ""),
    ("yes", "", "yes"),
    ("<think>hm</think>yes", "hm", "yes"),
    ("<think>\nhm\n</think>\n\nyes", "hm\n", "yes"),
    ("\n <think>hm</think>yes", "hm", "yes"),
    ("<think></think>yes", "", "yes"),
    ("<think>\n\n</think>\n\nyes\n", "", "yes\n"),
    ("<think>a < b </thin > c</think>yes", "a < b </thin > c", "yes"),
    ("<think>hm</think>yes <think>no</think>", "hm", "yes <think>no</think>"),
    ("no <think>hm</think>", "", "no <think>hm</think>"),
    ("<thinking>hm", "", "<thinking>hm"),
    ("<thi", "", "<thi"),
    ("  ", "", "  "),
    ("<think>never closed </th", "never closed </th", ""),
]


def parted(pieces: list[str]) -> tuple[str, str]:
    tags = ThinkTags()
    said = [*(tags.feed(piece) for piece in pieces), tags.end()]
    return "".join(each[0] for each in said), "".join(each[1] for each in said)


@pytest.mark.parametrize(("text", "thought", "answer"), CASES)
def test_thoughts_are_parted_however_they_are_cut(text, thought, answer):
    assert parted([text]) == (thought, answer)
    assert parted(list(text)) == (thought, answer)
    for cut in range(len(text)):
        assert parted([text[:cut], text[cut:]]) == (thought, answer)


@given(st.lists(st.sampled_from(["<think>", "</think>", "<", "th", "\n", " ", "a", "</"]), max_size=12))
def test_no_cut_makes_a_difference_and_no_text_is_lost(pieces):
    text = "".join(pieces)
    assert parted(pieces) == parted([text]) == parted(list(text))
    left = "".join(parted(pieces)).replace("\n", "")
    assert text.replace("\n", "").replace("<think>", "", 1).replace("</think>", "", 1).strip() in (
        left.strip(),
        left.replace("<think>", "", 1).replace("</think>", "", 1).strip(),
    )


def test_once_it_is_all_text_nobody_needs_to_look():
    tags = ThinkTags()
    assert not tags.passed
    tags.feed("<think>a</think>")
    assert not tags.passed
    tags.feed("b")
    assert tags.passed
