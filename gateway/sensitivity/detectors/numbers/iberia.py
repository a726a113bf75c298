"""Spain and Portugal.

Sources: Ministerio del Interior (letter of DNI and NIE), AEAT (NIF of firms), TGSS (number of affiliation),
Autoridade Tributária and Segurança Social (NIF, NISS).
"""

from gateway.sensitivity.checksums import digits_sum, varied, weighted, worth
from gateway.sensitivity.shapes import Bare, Identifier
from gateway.sensitivity.sight import Words

_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"


def is_dni(value: str) -> bool:
    """The letter is the rest of the number by 23."""
    return _LETTERS[int(value[:-1]) % 23] == value[-1]


def is_nie(value: str) -> bool:
    """As DNI, where the first letter X, Y, Z is 0, 1, 2."""
    return is_dni(str("XYZ".index(value[0])) + value[1:])


def is_cif(value: str) -> bool:
    """Luhn over seven digits; some kinds of firm write the check as a letter, J for 0."""
    check = -digits_sum(value[1:8], (2, 1) * 4) % 10
    return value[8] in {str(check), "JABCDEFGHI"[check]}


def is_nuss(value: str) -> bool:
    """The last two digits are the rest by 97 of province and number, which loses its leading zero."""
    number = int(value[2:-2])
    joined = number + int(value[:2]) * 10**7 if number < 10**7 else int(value[:-2])
    return joined % 97 == int(value[-2:]) and varied(value)


def is_pt_nif(value: str) -> bool:
    """Weights 9 to 2 by 11, a check above 9 is 0."""
    check = 11 - weighted(value[:8], range(9, 1, -1)) % 11
    return (0 if check > 9 else check) == int(value[8]) and value[0] in "1235689" and varied(value)


def is_niss(value: str) -> bool:
    """The primes from 29 down to 2, nine minus the last digit of the sum."""
    return 9 - weighted(value[:10], (29, 23, 19, 17, 13, 11, 7, 5, 3, 2)) % 10 == int(value[10])


def is_cc(value: str) -> bool:
    """The document number of Cartão de Cidadão: Luhn from the right, letters counted from 10."""
    total = 0
    for place, letter in enumerate(reversed(value)):
        count = worth(letter) * (1 + place % 2)
        total += count - 9 if place % 2 and count > 9 else count
    return total % 10 == 0


_ID = ("dni*", "nif*", "nie", "documento*", "identi*", "d n i", "n i f", "n i e")

ROWS = (
    Identifier(
        id="es.dni",
        kind="national_id",
        shapes=("99999999A", "99999999 A", "9999999A", "99 999 999 A", "9999999 A"),
        words=Words(*_ID, "titular"),
        separators=" -.",
        mixed=True,
        valid=is_dni,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="es.nie",
        kind="national_id",
        shapes=("A9999999A", "A9999999 A", "A 9999999 A", "A 9999999A", "A99999999A"),
        words=Words(*_ID, "extranjer*", "residen*", "foreign*"),
        form=r"[XYZ]\d{7,8}[A-Z]",
        valid=is_nie,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="es.nie.prose",
        kind="national_id",
        shapes=("A9999999A", "A9999999 A", "99999999A"),
        words=Words("nif*"),
        form=r"[XYZ]\d{7}[A-Z]|\d{8}[A-Z]",
        valid=lambda value: is_nie(value) if value[0] in "XYZ" else is_dni(value),
        bare=Bare.ANYWHERE,
        separators="-",
    ),
    Identifier(
        id="es.cif",
        kind="tax_id",
        shapes=("A99999999", "A9999999A", "A 99999999", "A 9999999 9"),
        words=Words("cif", "c i f", "nif", "empresa", "sociedad", "iva"),
        form=r"[ABCDEFGHJNPQRSUVW]\d{7}[0-9A-J]",
        valid=is_cif,
    ),
    Identifier(
        id="es.nuss",
        kind="national_id",
        shapes=("999999999999", "99 99999999 99", "99 9999999999", "99 9999999 99", "99 999999 99", "99 999999999 99"),
        words=Words("nass", "nuss", "seguridad social", "afiliacion", "n s s", "nss", "n o ss", "no ss"),
        separators=" -/",
        valid=is_nuss,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="es.passport",
        kind="passport",
        shapes=("AAA999999", "AA999999", "AAA 999999"),
        words=Words("pasaporte*", "passport*"),
    ),
    Identifier(
        id="es.passport.bare",
        kind="passport",
        shapes=("AAA999999",),
        words=Words("pasaporte*", "passport*"),
        form=r"(?!ABC123456)[A-Z]{3}\d{6}",
        bare=Bare.ALONE,
    ),
    Identifier(
        id="es.health",
        kind="medical_id",
        shapes=("AAAA999999999999", "AAAA 999999999999", "AAAA9999999999", "AAAA 9 999999 99 9", "AA999999999"),
        words=Words("tarjeta sanitaria", "cip", "tsi", "c i p", "sanitari*", "cipa"),
    ),
    Identifier(
        id="pt.nif",
        kind="tax_id",
        shapes=("999999999", "999 999 999"),
        words=Words("nif", "contribuinte", "nipc", "fiscal", "financas", "n i f"),
        valid=is_pt_nif,
        bare=Bare.NEVER,
        loose=True,
    ),
    Identifier(
        id="pt.cc",
        kind="national_id",
        shapes=("999999999XX9", "99999999 9 XX9", "99999999 9XX9"),
        words=Words("cartao de cidadao", "cartao do cidadao", "bilhete de identidade", "cc", "identidade"),
        form=r"\d{9}[A-Z][0-9A-Z]\d",
        valid=is_cc,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="pt.bi",
        kind="national_id",
        shapes=("99999999", "9999999", "99 999 999"),
        words=Words("cartao de cidadao", "cartao do cidadao", "bilhete de identidade"),
    ),
    Identifier(
        id="pt.niss",
        kind="national_id",
        shapes=("99999999999", "999 999 999 99"),
        words=Words("niss", "seguranca social"),
        form=r"[12]\d{10}",
        valid=is_niss,
        loose=True,
    ),
    Identifier(
        id="pt.passport",
        kind="passport",
        shapes=("A999999", "AA999999"),
        words=Words("passaporte*"),
    ),
)
