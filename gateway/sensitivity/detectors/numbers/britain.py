"""The United Kingdom and Ireland.

Sources: NHS data dictionary, HMRC NIM39110 (prefixes of NINO that are not used), HMRC UTR check, DVLA INF45 (driver
number), Pay.UK (sort codes), Revenue (PPSN).
"""

from gateway.sensitivity.checksums import varied, weighted
from gateway.sensitivity.shapes import Bare, Identifier
from gateway.sensitivity.sight import Words


def is_nhs(value: str) -> bool:
    """Weights 10 to 2, 11 minus the rest; a check of 10 is not given."""
    check = 11 - weighted(value[:9], range(10, 1, -1)) % 11
    return check != 10 and check % 11 == int(value[9]) and varied(value)


def is_utr(value: str) -> bool:
    """The first digit is the check of the other nine."""
    return "21987654321"[weighted(value[1:], (6, 7, 8, 9, 10, 5, 4, 3, 2)) % 11] == value[0]


def is_ppsn(value: str) -> bool:
    """Weights 8 to 2, and 9 for the second letter, by 23; a rest of 0 is W."""
    second = ord(value[8]) - 64 if len(value) == 9 and value[8] != "W" else 0
    return "WABCDEFGHIJKLMNOPQRSTUV"[(weighted(value[:7], range(8, 1, -1)) + 9 * second) % 23] == value[7]


def is_gb_vat(value: str) -> bool:
    """Weights 8 to 2 and the last two digits give a multiple of 97, or 55 more since 2010."""
    rest = (weighted(value[-9:-2], range(8, 1, -1)) + int(value[-2:])) % 97
    return rest in {0, 42}


_NINO = r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]"
_DRIVER = (
    r"(?:[A-Z]{5}|[A-Z]{4}9|[A-Z]{3}99|[A-Z]{2}999|[A-Z]9999)\d(?:[05]\d|[16][0-2])(?:0[1-9]|[12]\d|3[01])\d"
    r"[A-Z9]{2}[0-9A-Z]{3}"
)
_PASSPORT = ("passport*", "travel document*")

ROWS = (
    Identifier(
        id="gb.nhs",
        kind="medical_id",
        shapes=("9999999999", "999 999 9999"),
        words=Words("nhs*", "health service*", "patient*", "chi number"),
        valid=is_nhs,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="gb.nhs.named",
        kind="medical_id",
        shapes=("9999999999", "999 999 9999"),
        words=Words("nhs number*", "nhs no", "nhs num", "nhs id"),
        loose=True,
        valid=is_nhs,
    ),
    Identifier(
        id="gb.nino",
        kind="national_id",
        shapes=("AA999999A", "AA 99 99 99 A", "AA 999999 A", "AA 999999A", "AA 999 999 A"),
        words=Words("nino", "national insurance*", "ni number", "ni no", "nin"),
        form=_NINO,
        bare=Bare.ANYWHERE,
    ),
    Identifier(
        id="gb.utr",
        kind="tax_id",
        shapes=("9999999999", "99999 99999"),
        words=Words("utr", "unique taxpayer*", "tax reference", "self assessment*", "hmrc"),
        valid=is_utr,
        loose=True,
    ),
    Identifier(
        id="gb.passport",
        kind="passport",
        shapes=("999999999", "AA9999999"),
        words=Words(*_PASSPORT),
        bare=Bare.NEVER,
    ),
    Identifier(
        id="gb.driver",
        kind="driver_license",
        shapes=(
            "AAAAA999999AAXXX",
            "AAAA9999999AAXXX",
            "AAA99999999AAXXX",
            "AA999999999AAXXX",
            "A9999999999AAXXX",
            "AAAAA999999A9XXX",
            "AAAA9999999A9XXX",
            "AAA99999999A9XXX",
            "AA999999999A9XXX",
            "AAAAA 999999 AAXXX",
            "AAAAA 999999 A9XXX",
        ),
        words=Words("driv*", "licen*", "dvla"),
        form=_DRIVER,
        bare=Bare.ANYWHERE,
    ),
    Identifier(
        id="gb.vat",
        kind="tax_id",
        shapes=("AA999999999", "AA 999 9999 99", "AA999 9999 99", "AA 999999999"),
        words=Words("vat*"),
        form=r"GB\d{9}",
        valid=is_gb_vat,
        bare=Bare.ANYWHERE,
    ),
    Identifier(
        id="gb.account",
        kind="bank_account",
        shapes=("99999999", "99 99 99 99999999", "99 99 99", "999999 99999999"),
        words=Words("sort code*", "account number*", "account no", "acc no", "bank account*", "sortcode"),
        mixed=True,
    ),
    Identifier(
        id="ie.ppsn",
        kind="national_id",
        shapes=("9999999A", "9999999AA", "9999999 A", "9999999 AA"),
        words=Words("pps*", "ppsn*", "personal public service*", "irish"),
        form=r"\d{7}[A-W][A-IW]?",
        valid=is_ppsn,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="ie.passport",
        kind="passport",
        shapes=("AA9999999", "A99999999", "AA999999A"),
        words=Words(*_PASSPORT),
    ),
)
