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


def telling(key: bytes = b"k", **more: object) -> tuple[Conversations, list[bytes]]:
    kept, told = Conversations(**more), []
    kept.share(key)
    kept.tell = told.append
    return kept, told


def test_two_replicas_with_one_key_name_a_conversation_alike():
    assert telling()[0].prefixes("red", [b"a"]) == telling()[0].prefixes("red", [b"a"])
    assert telling()[0].prefixes("red", [b"a"]) != telling(b"another")[0].prefixes("red", [b"a"])


def test_another_name_for_everything_leaves_nothing_that_nobody_could_ask_for():
    kept, _ = telling()
    kept.remember(kept.prefixes("red", [b"a"]), "restricted")
    kept.share(b"another")
    assert kept.empty


def test_others_are_told_what_is_new_and_inherit_it():
    kept, told = telling()
    other, told_on = telling()
    for label in ("internal", "internal", "restricted", "confidential"):
        kept.remember(kept.prefixes("red", [b"a"]), label)
    assert len(told) == 2
    for news in told:
        assert other.heard(b"1", news, 0.0)
    assert other.label_of(other.prefixes("red", [b"a", b"b"])) == "restricted"
    assert told_on == []  # what was heard is not told again


def test_what_is_told_never_lowers():
    kept, _ = telling()
    other, told = telling()
    other.remember(other.prefixes("red", [b"a"]), "internal")
    kept.remember(kept.prefixes("red", [b"a"]), "restricted")
    kept.heard(b"1", told[0], 0.0)
    assert kept.label_of(kept.prefixes("red", [b"a"])) == "restricted"


def test_everything_is_what_another_one_needs_to_know_the_same():
    kept, _ = telling()
    for number, label in enumerate(LEVELS):
        kept.remember(kept.prefixes("red", [b"%d" % number]), label)
    other, _ = telling()
    assert all(other.heard(b"1", news, 0.0) for news in kept.everything())
    assert list(other.everything()) == list(kept.everything())


def test_what_is_heard_is_bounded_too():
    kept, _ = telling(most=3)
    for number in range(10):
        kept.heard(b"1", bytes([3]) + bytes([number]) * 16, 0.0)
    assert len(list(kept.everything())) == 3


def test_only_digests_and_labels_are_told():
    kept, told = telling()
    kept.remember(kept.prefixes("red", [b"the quite secret text of a turn"]), "restricted")
    assert [len(news) for news in told] == [17]


@given(st.binary(max_size=40))
def test_what_is_no_label_is_not_kept(news):
    kept, _ = telling()
    readable = len(news) == 17 and news[0] < len(LEVELS)
    assert kept.heard(b"1", news, 0.0) is readable
    assert kept.empty is not readable
