"""Poland: a case that each row finds, and one that it must not find."""

from support.identifiers import wrong

from gateway.sensitivity.detectors.numbers.poland import ROWS

CASES = {
    "pl.pesel": ("PESEL: 44051401458", "PESEL: 44051401459"),
    "pl.nip": ("NIP 526-025-02-74", "NIP 526-025-02-75"),
    "pl.nip.grouped": ("firma 526-025-02-74 z Warszawy", "firma 526-025-02-75 z Warszawy"),
    "pl.regon": ("REGON 012100784", "REGON 012100785"),
    "pl.dowod": ("ABA300000", "ABA400000"),
    "pl.paszport": ("ZS0000177", "ZS1000177"),
    "pl.licence": ("prawo jazdy 64785-67-9824", "there were 64785-67-9824 of them in all"),
    "pl.nrb": ("na 61 1090 1014 0000 0712 1981 2874 dziś", "na 62 1090 1014 0000 0712 1981 2874 dziś"),
    "pl.ksiega": ("ksiegi wieczystej RN5D/71100976/9", "there were RN5D/71140976/9 of them in all"),
    "pl.krs": ("krs 0556431452", "krs 4556431452"),
    "pl.pwz": ("pwz 6010400", "there were 6010400 of them in all"),
    "pl.student": ("nr albumu 72566", "there were 72566 of them in all"),
}


def test_every_row_finds_its_own_and_not_its_look_alike():
    assert wrong(ROWS, CASES) == []
