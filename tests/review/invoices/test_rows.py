"""Exports become rows of cells, and cells become days and amounts, exactly or not at all."""

import json

import pytest

from gateway.core.day import day_of
from gateway.review.invoices.rows import Unreadable, day_in, pico_usd_in, read, tokens_in


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"Date,Cost USD\n2026-11-01,1.5\n", [{"date": "2026-11-01", "cost_usd": "1.5"}]),
        (b'\xef\xbb\xbfdate,cost\r\n2026-11-01,"1,000"\r\n\r\n', [{"date": "2026-11-01", "cost": "1,000"}]),
        (b"date;cost\n2026-11-01; 2 \n", [{"date": "2026-11-01", "cost": "2"}]),
        (b"date\tcost\n2026-11-01\t2\n", [{"date": "2026-11-01", "cost": "2"}]),
        (b'[{"date": "x", "usage": 0.1000000000000000055511151231257827}]',
         [{"date": "x", "usage": "0.1000000000000000055511151231257827"}]),
        (b'{"data": [{"day": 1, "more": {"a": {"b": null}}, "list": [1]}]}', [{"day": "1", "more.a.b": ""}]),
        (b'{"data": [{"t": 1, "results": [{"v": 2}, {"v": 3}]}, {"t": 4, "results": []}], "has_more": false}',
         [{"t": "1", "v": "2"}, {"t": "1", "v": "3"}, {"t": "4"}]),
        (b'[{"data": [{"v": 1}], "has_more": true}, {"data": [{"v": 2}], "has_more": false}]', [{"v": "1"}, {"v": "2"}]),
        # two answers, each of which is whole
        (b'[{"data": [{"v": 1}], "has_more": false}, {"data": [{"v": 2}], "has_more": false}]',
         [{"v": "1"}, {"v": "2"}]),
        (b"""[{"data": [{"start_time": 1, "end_time": 2}], "has_more": true, "next_page": "a"},
             {"data": [{"start_time": 2, "end_time": 3}], "has_more": true, "next_page": "b"},
             {"data": [{"start_time": 3, "end_time": 4}], "has_more": false, "next_page": null}]""",
         [{"start_time": str(n), "end_time": str(n + 1)} for n in (1, 2, 3)]),
    ],
)  # fmt: skip
def test_rows(content, expected):
    assert read(content) == expected


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"\n\n", "it is empty"),
        (b"\xff\xfe", "not UTF-8"),
        (b"{", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[1]", "must hold objects"),
        (b'{"data": [1]}', "must hold objects"),
        (b'{"data": [{"results": [1]}]}', "must hold objects"),
        (b'{"data": [{"v": 1}], "has_more": true}', "it goes on"),
        (b'{"data": [{"v": 1}], "next_page": "p"}', "it goes on"),
        (b'[{"data": [{"v": 1}], "has_more": false}, {"data": [{"v": 2}], "has_more": true}]', "it goes on"),
        (b'[{"data": [{"v": 1}], "has_more": true}, {"v": 2}]', "the next page is not there"),
        (b"""[{"data": [], "has_more": true, "next_page": "p"}, {"data": [], "has_more": true, "next_page": "p"},
             {"data": []}]""", "the same page is in it twice"),
        (b'[{"data": [{"starting_at": "a", "ending_at": "b"}], "has_more": true}, {"data": [{"starting_at": "c"}]}]',
         "after a page that ends at b comes one that begins at c"),
        (b'a,b\n"1,2\n', "no csv"),
        (b"a,A\n1,2\n", "two columns have the same name"),
        (b"a,b\n1,2,3\n", "row 2 has 3 cells"),
        (b"a,b\n1,2\n1\n", "row 3 has 1 cells, the head has 2"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(content, said):
    with pytest.raises(Unreadable, match=said):
        read(content)


@pytest.mark.parametrize(
    "cell",
    ["2026-11-01", "2026-11-01T00:00:00Z", "2026-11-01T23:59:59+00:00", "2026-11-01 18:54:30.040", "1793491200",
     "1793577599", "2026-11-01 00:00:00 UTC"],
)  # fmt: skip
def test_ways_to_write_a_day(cell):
    assert day_in(cell) == day_of("2026-11-01")


@pytest.mark.parametrize(
    "cell",
    ["", "total", "11/01/2026", "2026-11-01T00:00:00+02:00", "2026-11-31", "20261101", "1793491200000", "1" * 5000],
)
def test_what_is_no_day(cell):
    with pytest.raises(Unreadable, match="no date in UTC"):
        day_in(cell)


@pytest.mark.parametrize(
    ("cell", "cents", "expected"),
    [
        ("0.06", False, 60_000_000_000),
        ("0.8958740000000000", False, 895_874_000_000),
        ("$1,234.5", False, 1_234_500_000_000_000),
        ("-2", False, -2 * 10**12),
        ("-$1,234,567", False, -1_234_567 * 10**12),
        ("1e-7", False, 100_000),
        ("0.0000000000004", False, 0),
        ("0.0000000000006", False, 1),
        ("123.45", True, 1_234_500_000_000),
    ],
)
def test_amounts_are_exact(cell, cents, expected):
    assert pico_usd_in(cell, cents=cents) == expected


@pytest.mark.parametrize(
    "cell", ["", "x", "NaN", "inf", "1e400", "1.2.3", "1,50", "1,2345", "1,23,456", "1.5,000", ",5"]
)
def test_what_is_no_amount(cell):
    with pytest.raises(Unreadable, match="no amount"):
        pico_usd_in(cell)


def test_tokens():
    assert [tokens_in(cell) for cell in ("", "0", "1,200", "3.0")] == [0, 0, 1200, 3]
    with pytest.raises(Unreadable, match="a comma stands only between thousands"):
        tokens_in("12,00")
    for cell in ("-1", "1.5"):
        with pytest.raises(Unreadable, match="no count of tokens"):
            tokens_in(cell)


def test_floats_of_json_keep_their_digits():
    (row,) = read(json.dumps([{"cost": 0.13080438}]).encode())
    assert pico_usd_in(row["cost"]) == 130_804_380_000
