"""Poland.

Sources: MSWiA (PESEL, dowód osobisty, paszport), MF (NIP), GUS (REGON), KIR (NRB, 26 digits), MS (księgi wieczyste).
"""

from gateway.sensitivity.checksums import is_date, mod97, varied, weighted, worth
from gateway.sensitivity.shapes import Bare, Identifier
from gateway.sensitivity.sight import Words

_CENTURIES = (1900, 2000, 2100, 2200, 1800)


def is_pesel(value: str) -> bool:
    """Weights 1, 3, 7, 9; the month carries the century in steps of 20."""
    century, month = divmod(int(value[2:4]), 20)
    born = is_date(_CENTURIES[century] + int(value[:2]), month, int(value[4:6]))
    return born and weighted(value, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def is_nip(value: str) -> bool:
    """Weights 6, 5, 7, 2, 3, 4, 5, 6, 7 by 11; a check of ten is not given."""
    return weighted(value[:9], (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11 == int(value[9]) and value[0] != "0" and varied(value)


def is_regon(value: str) -> bool:
    """Nine digits, or fourteen whose first nine are one; a check of ten is written 0."""
    short = weighted(value[:8], (8, 9, 2, 3, 4, 5, 6, 7)) % 11 % 10 == int(value[8])
    if len(value) == 9:
        return short and varied(value)
    return short and weighted(value[:13], (2, 4, 8, 5, 0, 9, 7, 3, 6, 1, 2, 4, 8)) % 11 % 10 == int(value[13])


def is_dowod(value: str) -> bool:
    """Three letters and six digits, of which the first is the check."""
    return weighted(value, (7, 3, 1, 9, 7, 3, 1, 7, 3)) % 10 == 0


def is_paszport(value: str) -> bool:
    """Two letters and seven digits, of which the first is the check."""
    return weighted(value, (7, 3, 9, 1, 7, 3, 1, 7, 3)) % 10 == 0


def is_nrb(value: str) -> bool:
    """A Polish IBAN without its letters."""
    return mod97(f"{value[2:]}PL{value[:2]}") == 1


def is_ksiega(value: str) -> bool:
    """Court, number and check digit of a land register, each letter with a value of its own."""
    letters = "0123456789XABCDEFGHIJKLMNOPRSTUWYZ"
    total = sum(letters.find(letter) * weight for letter, weight in zip(value[:12], (1, 3, 7) * 4, strict=True))
    return total % 10 == worth(value[12])


ROWS = (
    Identifier(
        id="pl.pesel",
        kind="national_id",
        shapes=("99999999999",),
        words=Words("pesel*", "nr ewidencyjny", "numer ewidencyjny"),
        valid=is_pesel,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="pl.nip",
        kind="tax_id",
        shapes=("9999999999", "999 999 99 99", "999 99 99 999", "AA9999999999", "AA 9999999999", "AA 999 999 99 99"),
        words=Words("nip*", "identyfikacji podatkowej", "podatnik*", "vat*", "podatkow*", "firm*"),
        form=r"(?:PL)?\d{10}",
        valid=lambda value: is_nip(value[-10:]),
        bare=Bare.ALONE,
        mixed=True,
    ),
    Identifier(
        id="pl.nip.grouped",
        kind="tax_id",
        shapes=("999 999 99 99", "999 99 99 999"),
        separators="-",
        words=Words("nip*"),
        valid=is_nip,
        bare=Bare.ANYWHERE,
    ),
    Identifier(
        id="pl.regon",
        kind="tax_id",
        shapes=("999999999", "99999999999999", "999 999 999"),
        words=Words("regon*"),
        valid=is_regon,
    ),
    Identifier(
        id="pl.dowod",
        kind="national_id",
        shapes=("AAA999999", "AAA 999999"),
        words=Words("dowod*", "dowodu*", "id card", "identity*", "seria i numer", "legitym*", "tozsamosc*"),
        valid=is_dowod,
        loose=True,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="pl.paszport",
        kind="passport",
        shapes=("AA9999999", "AA 9999999"),
        words=Words("paszport*", "passport*"),
        valid=is_paszport,
        loose=True,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="pl.licence",
        kind="driver_license",
        shapes=("99999 99 9999", "AAA999999", "AAAA999999"),
        separators="/-",
        words=Words("prawo jazdy", "prawa jazdy", "prawem jazdy", "kierowc*"),
    ),
    Identifier(
        id="pl.nrb",
        kind="bank_account",
        shapes=("9" * 26, "99 9999 9999 9999 9999 9999 9999", "99 99999999 9999999999999999"),
        words=Words("konto*", "konta", "rachun*", "nrb", "iban", "przelew*", "bank*"),
        valid=is_nrb,
        bare=Bare.ANYWHERE,
        loose=True,
    ),
    Identifier(
        id="pl.ksiega",
        kind="other_id",
        shapes=("AA9A 99999999 9",),
        separators="/",
        words=Words("ksiegi wieczystej", "ksiega wieczysta", "kw nr", "nr kw", "kw", "wieczyst*"),
        form=r"[A-Z]{2}\d[A-Z]\d{9}",
        valid=is_ksiega,
        loose=True,
        bare=Bare.ANYWHERE,
    ),
    Identifier(
        id="pl.krs",
        kind="tax_id",
        shapes=("9999999999",),
        words=Words("krs*"),
        form=r"0\d{9}",
    ),
    Identifier(
        id="pl.pwz",
        kind="medical_id",
        shapes=("9999999",),
        words=Words("pwz", "wykonywania zawodu"),
    ),
    Identifier(
        id="pl.student",
        kind="other_id",
        shapes=("999999", "99999", "9999999"),
        words=Words("nr albumu", "numer albumu", "indeks*", "legitymacji studenckiej", "legitymacja studencka"),
    ),
)
