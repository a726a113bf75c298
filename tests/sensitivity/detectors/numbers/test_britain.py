"""The United Kingdom and Ireland: a case that each row finds, and one that it must not find."""

from support.identifiers import wrong

from gateway.sensitivity.detectors.numbers.britain import ROWS

CASES = {
    "gb.nhs": ("943 476 5919", "943 476 5918"),
    "gb.nhs.named": ("nhs number 082 257 3113", "there were 082 257 3113 of them in all"),
    "gb.nino": ("paid under AB 12 34 56 C since May", "paid under BG 12 34 56 C since May"),
    "gb.utr": ("utr 21815 51261", "there were 21815 51261 of them in all"),
    "gb.passport": ("passport 096326287", "there were 096326287 of them in all"),
    "gb.driver": ("licence MORGA657054SM9IJ, full", "licence MORGA697054SM9IJ, full"),
    "gb.vat": ("VAT GB 980 7806 84", "VAT GB 980 7806 85"),
    "gb.account": ("sort code 36 47 99", "there were 36 47 99 of them in all"),
    "ie.ppsn": ("1234567T", "1234567A"),
    "ie.passport": ("passport XP7659728", "there were XP7659728 of them in all"),
}


def test_every_row_finds_its_own_and_not_its_look_alike():
    assert wrong(ROWS, CASES) == []
