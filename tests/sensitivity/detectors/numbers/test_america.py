"""The United States and Canada: a case that each row finds, and one that it must not find."""

from support.identifiers import wrong

from gateway.sensitivity.detectors.numbers.america import ROWS

CASES = {
    "us.ssn": ("my ssn: 536-22-8726", "my ssn: 666-22-8726"),
    "us.ssn.other": ("ssn 146 228295", "ssn 946 228295"),
    "us.ssn.spaced": ("ss 698 43 5571", "ss 998 43 5571"),
    "us.itin": ("itin 942 765066", "itin 842 765066"),
    "us.ein": ("ein 01-1320114", "there were 01-1320114 of them in all"),
    "us.npi": ("1234567893", "1234567890"),
    "us.mbi": ("the MBI is 1EG4-TE5-MK73 today", "the MBI is 1SG4-TE5-MK73 today"),
    "us.dea": ("AB1234563", "AB1234564"),
    "us.passport": ("passport 034022842", "there were 034022842 of them in all"),
    "us.passport.letter": ("passport K21953180", "there were K21953180 of them in all"),
    "us.routing": ("routing number 021000021", "routing number 021000022"),
    "us.account": ("bank account 79876713", "there were 79876713 of them in all"),
    "us.licence": ("driver s licen 74 552 427", "there were 74 552 427 of them in all"),
    "ca.sin": ("130 692 544", "130 692 545"),
    "ca.health": ("ohip 2391 155 408", "there were 2391 155 408 of them in all"),
    "ca.passport": ("passport MY120187", "there were MY120187 of them in all"),
    "us.vin": ("vin 7N272466642243407", "there were 7N272466642243407 of them in all"),
}


def test_every_row_finds_its_own_and_not_its_look_alike():
    assert wrong(ROWS, CASES) == []
