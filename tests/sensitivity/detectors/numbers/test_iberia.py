"""Spain and Portugal: a case that each row finds, and one that it must not find."""

from support.identifiers import wrong

from gateway.sensitivity.detectors.numbers.iberia import ROWS

CASES = {
    "es.dni": ("DNI: 12345678Z", "there were 12345678A of them"),
    "es.nie": ("X1234567L", "X1234567M"),
    "es.nie.prose": ("firma X1234567L en Madrid", "firma X1234567M en Madrid"),
    "es.cif": ("CIF: B12345674", "CIF: B12345675"),
    "es.nuss": ("281234567840", "281234567841"),
    "es.passport": ("pasaporte HZN 393247", "there were HZN 393247 of them in all"),
    "es.passport.bare": ("XYZ987654", "there were XYZ987654"),
    "es.health": ("tarjeta sanitaria EVYT 581626544276", "there were EVYT 581626544276 of them in all"),
    "pt.nif": ("contribuinte n. 123456789", "o total foi 123456789"),
    "pt.cc": ("cartao de cidadao 07570738 4GM5", "cartao de cidadao 07170738 4GM5"),
    "pt.bi": ("cartao de cidadao 62 411 220", "there were 62 411 220 of them in all"),
    "pt.niss": ("niss 123 157 507 86", "niss 423 157 507 86"),
    "pt.passport": ("passaporte N538846", "there were N538846 of them in all"),
}


def test_every_row_finds_its_own_and_not_its_look_alike():
    assert wrong(ROWS, CASES) == []
