"""India, Pakistan and Bangladesh: a case that each row finds, and one that it must not find."""

from support.identifiers import wrong

from gateway.sensitivity.detectors.numbers.india import ROWS

CASES = {
    "in.aadhaar": ("2345 6789 0124", "2345 6789 0125"),
    "in.pan": ("filed by ABCPE1234F in June", "filed by ABCXE1234F in June"),
    "in.pan.named": ("pan KAUGN4972L", "there were KAUGN4972L of them in all"),
    "in.gstin": ("billed 27AAPFU0939F1ZV today", "billed 40AAPFU0939F1ZV today"),
    "in.voter": ("voter KNV4254416", "there were KNV4254416 of them in all"),
    "in.passport": ("passport C 6018890", "passport C 0018890"),
    "in.passport.bare": ("passport M5240034", "passport M0240034"),
    "in.licence": ("driving ZC39 36243203261", "there were ZC39 36243203261 of them in all"),
    "in.account": ("ifsc PZMR0NMH3VY", "ifsc PZMR7NMH3VY"),
    "pk.cnic": ("cnic 35753-9140538-3", "cnic 95753-9140538-3"),
    "pk.cnic.grouped": ("cnic 57976-1765234-1", "cnic 07976-1765234-1"),
    "bd.nid": ("nid 5815491284", "there were 5815491284 of them in all"),
}


def test_every_row_finds_its_own_and_not_its_look_alike():
    assert wrong(ROWS, CASES) == []
