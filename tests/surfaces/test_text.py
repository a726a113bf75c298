"""A text knows the blocks that it was made of."""

import time

from gateway.core.pieces import Piece
from gateway.surfaces.text import Text

PATH = ("messages", 0, "content")


def test_blocks_are_joined_and_each_is_known_by_its_place():
    text = Text("ab", "")
    text.add("c", "5m", "")
    text.add("d", between="-")
    assert text.said == "ab\n\nc-d"
    assert list(text.at(*PATH)) == [Piece(PATH, 0, 2), Piece(PATH, 4, 4), Piece(PATH, 4, 5, "5m"), Piece(PATH, 6, 7)]


def test_before_the_first_words_nothing_is_between():
    assert Text("", "a").said == "a"


def test_of_one_block_only_a_mark_is_told():
    text, marked = Text("a"), Text()
    marked.add("a", "1h")
    assert (list(text.at(*PATH)), list(marked.at(*PATH))) == ([], [Piece(PATH, kept="1h")])
    assert (bool(text), bool(Text())) == (True, False)


def test_twice_the_blocks_take_twice_the_time():
    def seconds(blocks: int) -> float:
        text, began = Text(), time.process_time()
        for _ in range(blocks):
            text.add("\U0001f600" * 20)
        assert len(text.said) == 22 * blocks - 2
        return time.process_time() - began

    assert min(seconds(40_000) for _ in range(3)) < 8 * min(seconds(10_000) for _ in range(3))
