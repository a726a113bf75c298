import pytest
from support.identifiers import finds

from gateway.sensitivity.lexicon import Lexicon
from gateway.sensitivity.shapes import DENIALS, Bare, Identifier, Table, is_cut, regions
from gateway.sensitivity.sight import Sight, Words


def row(**more) -> Identifier:
    return Identifier(**{"id": "x", "kind": "other_id", "shapes": ("999 999",), "words": Words("club"), **more})


EVEN = {"valid": lambda value: int(value[-1]) % 2 == 0}


@pytest.mark.parametrize(
    ("identifier", "text", "found"),
    [
        (row(), "club 183 456", True),
        (row(), "183 456 is my club", True),
        (row(), "club 123-456", True),
        (row(), "club 123/456", False),
        (row(separators="/"), "club 123/456", True),
        (row(), "club 123456", False),
        (row(), "we are 183 456 people", False),
        (row(), "183 456", False),
        (row(), "it is not a club number: 183 456", False),
        (row(bare=Bare.ALONE), "183 456", True),
        (row(bare=Bare.ALONE), '{"x": "183 456"}', True),
        (row(bare=Bare.ALONE), "| 183 456 |", True),
        (row(bare=Bare.ALONE), "daten: 183 456", True),
        (row(bare=Bare.ALONE), "183 456 and 222-333", True),
        (row(bare=Bare.ALONE), "we are 183 456 people", False),
        (row(bare=Bare.ANYWHERE), "we are 183 456 people", True),
        (row(**EVEN), "club 183 456", True),
        (row(**EVEN), "club 183 457", False),
        (row(**EVEN, loose=True), "club 183 457", True),
        (row(**EVEN, loose=True), f"club {'of friends ' * 6} 183 457", False),
        (row(**EVEN, loose=True), "invalid club 183 457", False),
        (row(shapes=("999 99 99",), mixed=True), "club 123-45.67", True),
        (row(shapes=("999 99 99",)), "club 123-45.67", False),
        (row(shapes=("AA 9999X",)), "club AB 1234C", True),
        (row(shapes=("AA 9999X",)), "club ab 12345", True),
        (row(shapes=("AA 9999X",), capital=True), "club ab 12345", False),
        (row(shapes=("AA 9999X",), capital=True, bare=Bare.ALONE), "ab 12345", True),
        (row(shapes=("AA 9999X",), form="A.*"), "club BB 12345", False),
        (row(shapes=("A AA 9999",)), "club B-AB-1234", True),
    ],
)
def test_what_a_row_says(identifier, text, found):
    assert finds(identifier, text) is found


@pytest.mark.parametrize(
    ("text", "cut"),
    [("{}", False), (" {}.", False), ("({})", False), ("no.{}", False), ("-{}", False), ("身{}份", False), ("{}, 5", False),
     ("1.{}", True), ("{}.5", True), ("{},000", True), ("${}", True), ("{}%", True), ("x{}", True), ("é{}", True),
     ("_{}", True), ("{}@a", True), ("{}-a", True), ("1-{}", True), ("{}/7", True), ("{}a", True), ("7{}", True)],
)  # fmt: skip
def test_a_part_of_something_longer_is_no_value(text, cut):
    start = text.index("{}")
    assert is_cut(text.format("123456"), start, start + 6) is cut


def test_most_numbers_are_passed_over():
    assert list(regions("In 1984 there were 3, among those 12, at 5.")) == []
    text = "AB 12 34 and HRB 5249"
    assert [[text[a:b] for a, b in groups] for groups in regions(text)] == [["AB", "12", "34", "and", "HRB", "5249"]]


def test_of_claims_that_overlap_the_surest_and_longest_stays():
    rows = (
        row(id="short", shapes=("999",), bare=Bare.ANYWHERE),
        row(id="long", shapes=("999 999",), bare=Bare.ANYWHERE),
        row(id="named", shapes=("999",), words=Words("gym")),
    )
    table = Table(rows, Lexicon((*(each.words for each in rows), DENIALS)))
    found = lambda text: [(hit.start, hit.detector) for hit in table.find(Sight(text))]  # noqa: E731
    assert found("a 183 456 b") == [(2, "long")]
    assert found("a 1234 b") == []
    assert found("gym 183 456 b") == [(4, "named"), (8, "named")]
