"""France, Italy and the Benelux: a case that each row finds, and one that it must not find."""

from support.identifiers import wrong

from gateway.sensitivity.detectors.numbers.west import ROWS

CASES = {
    "it.fiscal": ("vive qui RSSMRA85T10A562S da anni", "vive qui RSSMRA85T10A562T da anni"),
    "it.fiscal.form": ("codice VCADHHP2L82Y4L8C", "there were VCADHHP2L82Y4L8C of them in all"),
    "it.iva": ("partita iva IT 26943340112", "partita iva IT 26943343112"),
    "it.card": ("carta d identita NU16031XS", "there were NU16031XS of them in all"),
    "it.passport": ("passeport HH 2880546", "there were HH 2880546 of them in all"),
    "it.licence": ("patente TU0247591R", "there were TU0247591R of them in all"),
    "fr.nir": ("le 2 55 08 14 168 025 38 est le sien", "le 2 55 08 14 168 025 39 est le sien"),
    "fr.spi": ("numero fiscal 11 35 235 106 061", "numero fiscal 41 35 235 106 061"),
    "fr.siren": ("siren 518 180 559", "siren 518 180 259"),
    "fr.vat": ("tva FR WW 494385669", "tva FR WW 594385669"),
    "fr.passport": ("passeport 00 DP 99834", "there were 00 DP 99834 of them in all"),
    "fr.card": ("carte d identite 6082 1099 3392", "there were 6082 1099 3392 of them in all"),
    "fr.licence": ("permis de conduire 07AC75209", "there were 07AC75209 of them in all"),
    "nl.bsn": ("BSN 111222333", "the total is 111222333"),
    "nl.vat": ("BTW NL123456782B90", "BTW NL123456782X90"),
    "nl.document": ("paspoort MTFXGB7Z1", "there were MTFXGB7Z1 of them in all"),
    "be.national": ("85.07.30-033.28", "85.07.30-033.29"),
    "be.vat": ("btw 1024 242 004", "btw 6024 242 004"),
    "be.card": ("identiteitskaart 524 8967580 81", "identiteitskaart 524 8967880 81"),
    "lu.matricule": ("1893120105732", "1893120105733"),
}


def test_every_row_finds_its_own_and_not_its_look_alike():
    assert wrong(ROWS, CASES) == []
