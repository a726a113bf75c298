"""Germany, Austria and Switzerland: a case that each row finds, and one that it must not find."""

from support.identifiers import wrong

from gateway.sensitivity.detectors.numbers.german import ROWS

CASES = {
    "de.steuer": ("86095742719", "86095742718"),
    "de.steuernummer": ("steuernummer 23 077 11657", "there were 23 077 11657 of them in all"),
    "de.rvnr": ("wie 15070649C103 zeigt", "wie 15070649C104 zeigt"),
    "de.kvnr": ("A123456780", "A123456781"),
    "de.lanr": ("Arztnummer 123456601", "Arztnummer 123456701"),
    "de.bsnr": ("bsnr 915240407", "there were 915240407 of them in all"),
    "de.serial": ("C01X00T41", "C01X00T42"),
    "de.serial.checked": ("reisepass T26822932", "there were T26822932 of them in all"),
    "de.licence": ("fuhrerschein G937BJWNB51", "there were G937BJWNB51 of them in all"),
    "de.vat": ("DE136695976", "DE136695977"),
    "de.register": ("handelsregister HRB 5249", "handelsregister HRB 0249"),
    "at.svnr": ("1237 010180", "1238 010180"),
    "at.vat": ("kauft ATU13585627 ein", "kauft ATU13585626 ein"),
    "ch.ahv": ("hat 756.9217.0769.85 seit", "hat 756.9217.0769.84 seit"),
    "ch.uid": ("mit CHE-100.155.212 als", "mit CHE-100.155.213 als"),
    "ch.passport": ("reisepass G6717911", "there were G6717911 of them in all"),
}


def test_every_row_finds_its_own_and_not_its_look_alike():
    assert wrong(ROWS, CASES) == []
