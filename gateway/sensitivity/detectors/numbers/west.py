"""France, Italy and the Benelux.

Sources: INSEE (NIR, SIREN), DGFiP (numéro fiscal), Agenzia delle Entrate (codice fiscale DM 23/12/1976, partita IVA),
RvIG (BSN), Rijksregister (national number), CTIE Luxembourg (matricule).
"""

from gateway.sensitivity.checksums import is_date, luhn, varied, verhoeff, weighted
from gateway.sensitivity.shapes import Bare, Identifier
from gateway.sensitivity.sight import Words

_DIGITS = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21)
_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (*_DIGITS, *_DIGITS, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
        strict=True,
    )
)


def is_codice_fiscale(value: str) -> bool:
    """Odd places by a table, even places by their rank, together by 26."""
    total = sum(_ODD[letter] for letter in value[0:15:2])
    total += sum(int(letter) if letter.isdecimal() else ord(letter) - 65 for letter in value[1:15:2])
    return chr(65 + total % 26) == value[15]


def is_iva(value: str) -> bool:
    """Luhn, and an office that exists."""
    office = int(value[7:10])
    return luhn(value) and (0 < office <= 201 or office in {888, 999}) and value[:7] != "0000000"


def is_nir(value: str) -> bool:
    """The key is 97 minus the rest; Corsica counts 2A as 19 and 2B as 18."""
    body = value[:13].replace("2A", "19").replace("2B", "18")
    return body.isdecimal() and 97 - int(body) % 97 == int(value[13:]) and varied(value)


def is_spi(value: str) -> bool:
    """The last three digits are the rest of the ten before by 511."""
    return int(value[:10]) % 511 == int(value[10:]) and varied(value)


def is_bsn(value: str) -> bool:
    """The eleven test: weights 9 to 2, and minus 1."""
    return weighted(value, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and varied(value)


def is_rijksregister(value: str) -> bool:
    """97 minus the rest, with a 2 before the number for who was born since 2000."""
    born = is_date(2000 + int(value[:2]), int(value[2:4]) % 20 or 1, int(value[4:6]) or 1)
    check = int(value[9:])
    return born and check in {97 - int(value[:9]) % 97, 97 - int("2" + value[:9]) % 97}


def is_matricule(value: str) -> bool:
    """A birthday, eleven digits with a Luhn digit, and a Verhoeff digit over the same eleven."""
    born = is_date(int(value[:4]), int(value[4:6]), int(value[6:8]))
    return born and luhn(value[:12]) and verhoeff(value[:11] + value[12])


_CF = r"[A-Z]{6}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]"
_PASSEPORT = ("passeport*", "passaporto*", "passport*", "paspoort*", "reisepass*")

ROWS = (
    Identifier(
        id="it.fiscal",
        kind="tax_id",
        shapes=("AAAAAAXXAXXAXXXA", "AAA AAA XXAXX AXXXA"),
        words=Words("codice fiscale", "cod fiscale", "c f", "cf"),
        form=_CF,
        valid=is_codice_fiscale,
        bare=Bare.ANYWHERE,
        loose=True,
    ),
    Identifier(
        id="it.fiscal.form",
        kind="tax_id",
        shapes=("AAAAAAXXAXXAXXXA",),
        words=Words("codice*", "fiscale*"),
        form=_CF,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="it.iva",
        kind="tax_id",
        shapes=("99999999999", "AA99999999999", "AA 99999999999"),
        words=Words("partita iva", "p iva", "piva", "iva", "vat*"),
        form=r"(?:IT)?\d{11}",
        valid=lambda value: is_iva(value[-11:]),
        bare=Bare.ALONE,
    ),
    Identifier(
        id="it.card",
        kind="national_id",
        shapes=("AA99999AA", "AA9999999"),
        words=Words("carta d identita", "carta di identita", "identita", "identity*", "id card", "cie"),
        bare=Bare.ALONE,
    ),
    Identifier(
        id="it.passport",
        kind="passport",
        shapes=("AA9999999", "AA 9999999"),
        words=Words(*_PASSEPORT),
        bare=Bare.NEVER,
    ),
    Identifier(
        id="it.licence",
        kind="driver_license",
        shapes=("AA9999999A", "A9A99A999A", "A9XXXXXXXA"),
        words=Words("patente*", "licen*", "driv*", "guida"),
        form=r"[A-Z]{2}\d{7}[A-Z]|U1[A-Z0-9]{7}[A-Z]",
        bare=Bare.ALONE,
    ),
    Identifier(
        id="fr.nir",
        kind="national_id",
        shapes=(
            "999999999999999",
            "9 99 99 99 999 999 99",
            "9 99 99 9A 999 999 99",
            "999999A99999999",
            "9 99 99 99999 999 99",
            "9999999999999 99",
            "9 99 99 99 999 99999",
            "999999A999999 99",
        ),
        words=Words("nir", "securite sociale", "numero de secu", "num secu", "insee", "carte vitale", "n ss"),
        form=r"[1-478]\d\d(?:0[1-9]|[1-5]\d|6[0-3]|[7-9]\d)(?:\d\d|2[AB])\d{8}",
        valid=is_nir,
        bare=Bare.ANYWHERE,
        loose=True,
        mixed=True,
    ),
    Identifier(
        id="fr.spi",
        kind="tax_id",
        shapes=("9999999999999", "99 99 999 999 999"),
        words=Words("numero fiscal", "spi", "nif", "fiscal*", "impots"),
        form=r"[0-3]\d{12}",
        valid=is_spi,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="fr.siren",
        kind="tax_id",
        shapes=("999 999 999", "999999999", "999 999 999 99999", "99999999999999"),
        words=Words("siren", "siret", "rcs"),
        valid=luhn,
    ),
    Identifier(
        id="fr.vat",
        kind="tax_id",
        shapes=("AAXX999999999", "AA XX 999999999", "AA XX 999 999 999", "AAXX 999 999 999"),
        words=Words("tva", "vat*"),
        form=r"FR[0-9A-HJ-NP-Z]{2}\d{9}",
        valid=lambda value: (
            luhn(value[4:]) and (not value[2:4].isdecimal() or (12 + 3 * int(value[4:]) % 97) % 97 == int(value[2:4]))
        ),
        bare=Bare.ALONE,
    ),
    Identifier(
        id="fr.passport",
        kind="passport",
        shapes=("99AA99999", "99 AA 99999"),
        words=Words(*_PASSEPORT),
        bare=Bare.ALONE,
    ),
    Identifier(
        id="fr.card",
        kind="national_id",
        shapes=("999999999999", "9999 9999 9999", "AXXXXXXX9", "XXXXXXXXX"),
        words=Words("carte d identite", "carte nationale*", "cni", "cnie"),
        form=r"\d{12}|[0-9A-Z]*\d[0-9A-Z]*",
    ),
    Identifier(
        id="fr.licence",
        kind="driver_license",
        shapes=("999999999999", "99AA99999"),
        words=Words("permis de conduire", "permis", "neph"),
    ),
    Identifier(
        id="nl.bsn",
        kind="national_id",
        shapes=("999999999", "9999 99 999", "999 999 999", "99999999"),
        words=Words("bsn", "burgerservicenummer", "burger service*", "sofi*", "citizen service number"),
        valid=lambda value: is_bsn(value.zfill(9)),
        loose=True,
    ),
    Identifier(
        id="nl.vat",
        kind="tax_id",
        shapes=("AA999999999A99",),
        words=Words("btw*", "vat*"),
        form=r"NL\d{9}B\d{2}",
        bare=Bare.ANYWHERE,
    ),
    Identifier(
        id="nl.document",
        kind="passport",
        shapes=("AAXXXXXX9",),
        words=Words("paspoort*", "identiteitskaart*", "passport*", "id kaart"),
    ),
    Identifier(
        id="be.national",
        kind="national_id",
        shapes=("99999999999", "99 99 99 999 99", "999999 999 99"),
        words=Words(
            "rijksregister*", "registre national", "national number", "insz", "niss", "nationaal nummer", "nrn"
        ),
        mixed=True,
        valid=is_rijksregister,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="be.vat",
        kind="tax_id",
        shapes=("AA9999999999", "AA 9999 999 999", "9999 999 999", "AA 9999999999", "AA9999 999 999"),
        words=Words("btw*", "tva", "vat*", "kbo", "ondernemingsnummer", "bce", "numero d entreprise"),
        form=r"(?:BE)?[01]\d{9}",
        mixed=True,
        valid=lambda value: 97 - int(value[-10:-2]) % 97 == int(value[-2:]),
        bare=Bare.NEVER,
    ),
    Identifier(
        id="be.card",
        kind="national_id",
        shapes=("999 9999999 99",),
        words=Words("identiteitskaart*", "carte d identite", "eid"),
        valid=lambda value: (int(value[:10]) % 97 or 97) == int(value[10:]),
        bare=Bare.ALONE,
    ),
    Identifier(
        id="lu.matricule",
        kind="national_id",
        shapes=("9999999999999", "9999 99 99 999 99", "99999999 999 99", "99999999 99999"),
        words=Words("matricule", "cns", "securite sociale", "luxembourg*"),
        valid=is_matricule,
        bare=Bare.ALONE,
    ),
)
