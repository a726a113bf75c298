"""Ways of writing that a model reads and a pattern does not, each undone, and plain text left as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sensitivity.canonical import REWRITES
from gateway.sensitivity.reading import Reading
from gateway.sensitivity.triggers import Triggers

TRIGGERS = Triggers([row.trigger for row in REWRITES])


def read(text: str) -> str:
    return Reading(text, [edit for number in TRIGGERS.of(text) for edit in REWRITES[number].edits(text)]).text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("b\u200bo\u00adb\u2060@x.org", "bob@x.org"),
        ("４１１１", "4111"),
        ("ｂｏｂ＠ｘ．ｏｒｇ", "bob@x.org"),
        ("𝟒𝟏𝟏𝟏 𝓫𝓸𝓫", "4111 bob"),
        ("①②③", "123"),
        ("٤١١١ ۴۱۱۱ ४१११ ๔๑๑๑", "4111 4111 4111 4111"),
        ("536‑90–4399", "536-90-4399"),
        ("536\u00a090\u20094399", "536 90 4399"),
        ("ехаmрlе", "examрlе".replace("р", "p").replace("е", "e")),
        ("АТ61 1904", "AT61 1904"),
        ("\\u0062ob@x.org \\x41", "bob@x.org A"),
        ("bob%40x.org", "bob@x.org"),
        ("%e4%bd%a0 %ff", "你 ÿ"),
        ("&#98;ob&#x40;x.org &amp;", "bob@x.org &"),
        ("4 1 1 1 2 2 2", "4111222"),
        ("4-1-1-1-2-2-2", "4111222"),
        ("m y   k e y s", "my keys"),
        ('"0305" + "9W9"', '"03059W9"'),
        ("'0305'.'9W9'", "'03059W9'"),
        ('"0305"\n  "9W9"', '"03059W9"'),
    ],
)
def test_a_way_of_writing_is_undone(written, meant):
    assert read(written) == meant


@pytest.mark.parametrize(
    "text",
    [
        "plain prose, with 12 numbers & signs: 100 % of it.",
        "Ich möchte größere Straßen.",
        "Привет, как дела?",
        "π und α sind griechisch",
        "你好 世界",
        "f(x) = x + 1",
        'a "quoted" word and "another" one',
        "snake_case and kebab-case-words",
        "a b c",
        "1, 2, 3, 4, 5, 6, 7",
    ],
)
def test_plain_text_is_left_alone(text):
    assert read(text) == text


def test_each_way_has_a_name_of_its_own():
    assert len({row.id for row in REWRITES}) == len(REWRITES)


@given(st.text(max_size=60))
def test_no_text_breaks_it_and_edits_are_within(text):
    for row in REWRITES:
        for edit in row.edits(text):
            assert 0 <= edit.start < edit.end <= len(text)


@given(st.text(alphabet="ab1\u200b\uff11%42&#;\\u006 -\"+'\nАе٤", max_size=40))
def test_whatever_is_edited_was_triggered(text):
    triggered = set(TRIGGERS.of(text))
    assert [
        row.id for number, row in enumerate(REWRITES) if number not in triggered and any(True for _ in row.edits(text))
    ] == []
