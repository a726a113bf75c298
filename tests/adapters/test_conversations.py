"""Labels of conversations: found by whoever continues them, never lowered, bounded, and without their text."""

import gc

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapters.conversations import Conversations
from gateway.core.labels import LEVELS, join


def test_whoever_continues_inherits_and_nobody_else():
    kept = Conversations()
    kept.remember(kept.prefixes("red", [b"a", b"b"]), "confidential")

    def label(*turns):
        return kept.label_of(kept.prefixes("red", turns))

    assert label(b"a", b"b") == label(b"a", b"b", b"c") == label(b"a", b"b", b"c", b"d") == "confidential"
    assert label(b"a") is label(b"b") is label(b"b", b"a") is label(b"x", b"a", b"b") is label(b"ab") is None
    assert label(b"a", b"bc") is label(b"", b"a", b"b") is None


def test_a_conversation_is_a_teams_own():
    kept = Conversations()
    kept.remember(kept.prefixes("red", [b"hi"]), "restricted")
    assert kept.label_of(kept.prefixes("red", [b"hi", b"there"])) == "restricted"
    assert kept.label_of(kept.prefixes("blue", [b"hi", b"there"])) is None


def test_an_empty_conversation_is_nothing_to_remember():
    kept = Conversations()
    kept.remember([], "restricted")
    assert kept.empty


def test_nothing_is_remembered_at_first():
    kept = Conversations()
    assert kept.empty
    kept.remember(kept.prefixes("red", [b"a"]), "internal")
    assert not kept.empty


def test_the_highest_label_of_any_prefix_counts_and_none_is_lowered():
    kept = Conversations()
    kept.remember(kept.prefixes("red", [b"a"]), "restricted")
    kept.remember(kept.prefixes("red", [b"a", b"b"]), "internal")
    assert kept.label_of(kept.prefixes("red", [b"a", b"b"])) == "restricted"
    kept.remember(kept.prefixes("red", [b"a"]), "internal")
    assert kept.label_of(kept.prefixes("red", [b"a"])) == "restricted"


def test_the_longest_unused_is_forgotten_first():
    kept = Conversations(most=3)
    for turn in (b"1", b"2", b"3"):
        kept.remember(kept.prefixes("red", [turn]), "internal")
    assert kept.label_of(kept.prefixes("red", [b"1"])) == "internal"  # used, so it stays
    kept.remember(kept.prefixes("red", [b"4"]), "internal")
    assert [kept.label_of(kept.prefixes("red", [turn])) for turn in (b"1", b"2", b"3", b"4")] == [
        "internal",
        None,
        "internal",
        "internal",
    ]


def test_two_processes_name_the_same_conversation_differently_and_neither_keeps_its_text():
    one, other = Conversations(), Conversations()
    text = b"the quite secret text of a turn"
    assert one.prefixes("red", [text]) != other.prefixes("red", [text])
    assert one.prefixes("red", [text]) == one.prefixes("red", [text])
    one.remember(one.prefixes("red", [text]), "internal")
    gc.collect()
    assert text not in repr(vars(one)).encode()


histories = st.lists(
    st.tuples(st.lists(st.sampled_from([b"", b"a", b"b", b"ab"]), min_size=1, max_size=4), st.sampled_from(LEVELS)),
    max_size=6,
)


@given(histories, st.lists(st.sampled_from([b"", b"a", b"b", b"ab"]), min_size=1, max_size=5))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_it_is_the_join_over_all_that_was_remembered_of_its_prefixes(history, asked):
    kept = Conversations()
    for turns, label in history:
        kept.remember(kept.prefixes("red", turns), label)
    labels = [label for turns, label in history if asked[: len(turns)] == turns]
    assert kept.label_of(kept.prefixes("red", asked)) == (join(*labels) if labels else None)
