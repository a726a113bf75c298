import pytest
from support.identifiers import wrong

from gateway.sensitivity.detectors.plates import IDENTIFIERS, ROWS
from gateway.sensitivity.sight import Sight

CASES = {
    "plate.gb": ("AB51 ABC", "AB35 ABC"),
    "plate.gb.old": ("plate K2 KXU", "plate K0 KXU"),
    "plate.tr": ("34 ABC 1234", "82 ABC 123"),
    "plate.ng": ("ABJ-001AA", "on ABJ-001AA we agreed"),
    "plate.in": ("saw KA53ME3456 there", "saw XA53ME3456 there"),
    "plate.in.old": ("plate ANA1466", "there were ANA1466 of them in all"),
    "plate.europe": ("Kennzeichen B-AB 1234", "Abschnitt B-AB 1234"),
    "plate.europe.bare": ("2249 FWL", "there were 2249 FWL of them in all"),
    "plate.pl": ("tablica rejestracyjna WA 12345", "sala WA 12345"),
    "postcode.gb": ("write to EC1A 1BB soon", "write to QC1A 1BB soon"),
    "postcode.gb.joined": ("EC1A1BB", "there were EC1A1BB of them in all"),
}


def test_every_row_finds_its_own_and_not_its_look_alike():
    assert wrong(IDENTIFIERS, CASES) == []


@pytest.mark.parametrize(
    ("text", "found"), [("他的车是京A12345。", 1), ("沪B·D12345", 1), ("京ABCDEFG", 0), ("京A1", 0), ("AB12345", 0)]
)
def test_chinese_plates(text, found):
    assert len(list(ROWS[0].find(Sight(text)))) == found
