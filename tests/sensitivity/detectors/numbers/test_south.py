"""Africa, the Gulf, Australia and New Zealand: a case that each row finds, and one that it must not find."""

from support.identifiers import wrong

from gateway.sensitivity.detectors.numbers.south import ROWS

CASES = {
    "za.id": ("8001015009087", "8001015009086"),
    "ng.nin": ("nin 8690 297 3655", "there were 8690 297 3655 of them in all"),
    "ke.id": ("huduma 1896163", "there were 1896163 of them in all"),
    "ke.pin": ("kra P093208827C", "there were P093208827C of them in all"),
    "eg.id": ("egypt 31909255617392", "egypt 41909255617392"),
    "gh.card": ("the card GHA-123456789-0 is hers", "the card GHA-12345678-0 is hers"),
    "sa.id": ("iqama 1004743939", "iqama 3004743939"),
    "ae.id": ("emirates 784 9955 5827625 5", "emirates 788 9955 5827625 5"),
    "au.tfn": ("123 456 782", "123 456 789"),
    "au.abn": ("51 824 753 556", "52 824 753 556"),
    "au.acn": ("000 000 019", "000 000 018"),
    "au.medicare": ("2123 45670 1", "2123 25870 1"),
    "au.passport": ("passport T2637500", "there were T2637500 of them in all"),
    "nz.ird": ("IRD 49-091-850", "there were 49-091-850"),
    "nz.nhi": ("nhi MFA9536", "there were MFA9536 of them in all"),
}


def test_every_row_finds_its_own_and_not_its_look_alike():
    assert wrong(ROWS, CASES) == []
