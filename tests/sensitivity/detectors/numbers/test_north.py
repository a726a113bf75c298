"""The Nordic and Baltic countries: a case that each row finds, and one that it must not find."""

from support.identifiers import wrong

from gateway.sensitivity.detectors.numbers.north import ROWS

CASES = {
    "se.personnummer": ("811228-9874", "811228-9873"),
    "se.personnummer.full": ("personnummer 380267-9302", "personnummer 380217-9302"),
    "se.organisation": ("556703-7485", "556703-7486"),
    "no.fodselsnummer": ("29029600013", "29029600014"),
    "no.organisation": ("organisasjonsnummer 953 486 644", "organisasjonsnummer 953 416 644"),
    "dk.cpr": ("cpr 230928 3992", "cpr 730928 3992"),
    "dk.cpr.dashed": ("cpr 300745-2909", "cpr 300745-2969"),
    "dk.cvr": ("cvr 17 60 58 48", "there were 17 60 58 48 of them in all"),
    "fi.hetu": ("tunnus 131052-308T on", "tunnus 131052-308U on"),
    "fi.y": ("y tunnus 9406461-0", "y tunnus 9406441-0"),
    "fi.vat": ("alv FI25625058", "alv FI25625088"),
    "is.kennitala": ("120174-3399", "120174-3389"),
    "ee.isikukood": ("37605030299", "37605030298"),
    "lv.code": ("personas kod 150376-46414", "there were 150376-46414 of them in all"),
    "nordic.passport": ("passport 16133964", "there were 16133964 of them in all"),
}


def test_every_row_finds_its_own_and_not_its_look_alike():
    assert wrong(ROWS, CASES) == []
