"""What texts hold is remembered for each team, and nothing of the texts is."""

import pytest

from gateway.adapters.memory import LEAST_CHARS, Memory
from gateway.core.findings import Finding, Leaf, Seen

SEEN = Seen((Finding(0, 4, "email", "email"),), 20)
TEXT = "a text that is long enough to have a name"


def leaf(text: str = TEXT, key: str = "content") -> Leaf:
    return Leaf(("messages", 0, key), text, key)


def learned(memory: Memory, team="t", terms="d", of=None) -> None:
    memory.learn(memory.names(team, terms, [of or leaf()]), {0: SEEN})


@pytest.mark.assures("fault 21")
def test_a_text_is_known_again_wherever_it_stands(showed):
    memory = Memory()
    learned(memory)
    names = memory.names("t", "d", [leaf("another text, which nobody has seen"), leaf()])
    assert memory.known(names) == {1: SEEN}
    showed("a text that comes again", "known by its keyed digest")


@pytest.mark.parametrize(
    ("team", "terms", "of"),
    [
        ("u", "d", leaf()),
        ("t", "e", leaf()),
        ("t", "d", leaf(key="arguments")),
        ("t", "d", leaf(TEXT + " ")),
        ("td", "", leaf()),
        ("", "td", leaf()),
    ],
    ids=["another team", "other terms", "another member", "another text", "parts moved", "parts moved on"],
)
def test_nothing_else_is_known(team, terms, of):
    memory = Memory()
    learned(memory)
    assert memory.known(memory.names(team, terms, [of])) == {}


def test_a_short_text_has_no_name():
    memory = Memory()
    names = memory.names("t", "d", [leaf("x" * (LEAST_CHARS - 1)), leaf("x" * LEAST_CHARS)])
    assert [name is None for name in names] == [True, False]
    memory.learn(names, {0: SEEN, 1: SEEN})
    assert memory.known(names) == {1: SEEN}


def test_beyond_its_size_what_was_longest_out_of_use_is_forgotten():
    memory = Memory(most_bytes=1200)  # two texts with a finding each
    one, two, three = (memory.names("t", "d", [leaf(f"text number {at}")]) for at in range(3))
    for names in (one, two):
        memory.learn(names, {0: SEEN})
    memory.known(one)
    memory.learn(three, {0: SEEN})
    assert [bool(memory.known(names)) for names in (one, two, three)] == [True, False, True]
    assert memory.size_bytes <= 1200
    for at in range(50):
        memory.learn(memory.names("t", "d", [leaf(f"many texts {at}")]), {0: SEEN})
    assert 0 < memory.size_bytes <= 1200


def test_two_processes_name_a_text_differently():
    assert Memory().names("t", "d", [leaf()]) != Memory().names("t", "d", [leaf()])


def test_no_text_is_kept():
    memory = Memory()
    learned(memory)
    assert TEXT[:12] not in repr(memory._seen)
    assert {type(name) for name in memory._seen} == {bytes}
