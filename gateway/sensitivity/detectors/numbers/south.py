"""Africa, the Gulf, Australia and New Zealand.

Sources: DHA (South African identity number), NIMC, KRA, ICP (Emirates ID), ATO (TFN, ABN), ASIC (ACN),
Services Australia
(Medicare), Inland Revenue (IRD), Te Whatu Ora (NHI).
"""

from gateway.sensitivity.checksums import is_date, luhn, varied, weighted, yymmdd
from gateway.sensitivity.shapes import Bare, Identifier
from gateway.sensitivity.sight import Words


def is_za_id(value: str) -> bool:
    """A birthday, a citizenship of 0 to 2, and Luhn."""
    return yymmdd(value) and value[10] in "012" and luhn(value)


def is_tfn(value: str) -> bool:
    """Weights 1, 4, 3, 7, 5, 8, 6, 9, 10 by 11."""
    return weighted(value, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0 and varied(value)


def is_abn(value: str) -> bool:
    """The first digit less one, weights 10, 1, 3 to 19, by 89."""
    less = str(int(value[0]) - 1) + value[1:]
    return value[0] != "0" and weighted(less, (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)) % 89 == 0


def is_acn(value: str) -> bool:
    """Weights 8 to 1 by ten."""
    return -weighted(value[:8], range(8, 0, -1)) % 10 == int(value[8]) and varied(value)


def is_medicare(value: str) -> bool:
    """Begins with 2 to 6; weights 1, 3, 7, 9 by ten in the ninth place."""
    return value[0] in "23456" and weighted(value[:8], (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(value[8])


def is_ird(value: str) -> bool:
    """Weights 3, 2, 7, 6, 5, 4, 3, 2 by 11, and a second round when the check is ten."""
    padded = value.zfill(9)
    check = -weighted(padded[:8], (3, 2, 7, 6, 5, 4, 3, 2)) % 11
    if check == 10:
        check = -weighted(padded[:8], (7, 4, 3, 2, 5, 2, 7, 6)) % 11
    return 10_000_000 <= int(value) <= 150_000_000 and check == int(value[-1])


def is_dated(value: str) -> bool:
    """An Egyptian number: century, birthday, governorate."""
    return value[0] in "23" and is_date(
        int("1920"[(int(value[0]) - 2) * 2 :][:2] + value[1:3]), int(value[3:5]), int(value[5:7])
    )


ROWS = (
    Identifier(
        id="za.id",
        kind="national_id",
        shapes=("9999999999999", "999999 9999 999", "999999 9999 99 9"),
        words=Words(
            "south african*", "rsa", "sa id", "id number*", "identity number*", "permanent resident*", "refugee*"
        ),
        valid=is_za_id,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="ng.nin",
        kind="national_id",
        shapes=("99999999999", "9999 999 9999"),
        words=Words("nin", "national identi*", "nimc", "bvn", "bank verification*", "nigeria*"),
        valid=varied,
    ),
    Identifier(
        id="ke.id",
        kind="national_id",
        shapes=("99999999", "9999999"),
        words=Words("huduma*", "kenya*", "kitambulisho*", "national id*"),
    ),
    Identifier(
        id="ke.pin",
        kind="tax_id",
        shapes=("A999999999A",),
        words=Words("kra*", "pin"),
        form=r"[AP]\d{9}[A-Z]",
        bare=Bare.ALONE,
    ),
    Identifier(
        id="eg.id",
        kind="national_id",
        shapes=("99999999999999",),
        words=Words("egypt*", "الرقم القومي", "national id*", "القومي"),
        valid=is_dated,
    ),
    Identifier(
        id="gh.card",
        kind="national_id",
        shapes=("AAA 999999999 9",),
        words=Words("ghana*"),
        separators="-",
        form=r"[A-Z]{3}\d{10}",
        bare=Bare.ANYWHERE,
    ),
    Identifier(
        id="sa.id",
        kind="national_id",
        shapes=("9999999999",),
        words=Words("iqama*", "saudi*", "الهوية*", "هوية*"),
        form=r"[12]\d{9}",
    ),
    Identifier(
        id="ae.id",
        kind="national_id",
        shapes=("999 9999 9999999 9", "999999999999999"),
        words=Words("emirates*", "eid"),
        form=r"784\d{12}",
        bare=Bare.ALONE,
    ),
    Identifier(
        id="au.tfn",
        kind="tax_id",
        shapes=("999999999", "999 999 999"),
        words=Words("tfn", "tax file*", "australian tax*"),
        valid=is_tfn,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="au.abn",
        kind="tax_id",
        shapes=("99999999999", "99 999 999 999"),
        words=Words("abn", "australian business*"),
        valid=is_abn,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="au.acn",
        kind="tax_id",
        shapes=("999999999", "999 999 999"),
        words=Words("acn", "australian company*"),
        valid=is_acn,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="au.medicare",
        kind="medical_id",
        shapes=("9999999999", "9999 99999 9", "99999999999", "9999 99999 9 9"),
        words=Words("medicare*"),
        valid=is_medicare,
        bare=Bare.ALONE,
        loose=True,
        separators=" -/",
        mixed=True,
    ),
    Identifier(
        id="au.passport",
        kind="passport",
        shapes=("A9999999", "AA9999999", "AA999999"),
        words=Words("passport*"),
    ),
    Identifier(
        id="nz.ird",
        kind="tax_id",
        shapes=("99 999 999", "999 999 999", "99999999", "999999999"),
        words=Words("ird*", "inland revenue"),
        separators="-",
        valid=is_ird,
        loose=True,
    ),
    Identifier(
        id="nz.nhi",
        kind="medical_id",
        shapes=("AAA9999", "AAA99AX", "AAA99A9"),
        words=Words("nhi", "health index*"),
    ),
)
