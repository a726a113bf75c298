"""The United States and Canada.

Sources: SSA (area and group numbers that are never given), IRS publication 1915 (ITIN), CMS (NPI with the prefix 80840,
format of the Medicare beneficiary identifier), 21 CFR 1301 (DEA), ABA (routing numbers), Service Canada (SIN).
"""

from gateway.sensitivity.checksums import luhn, varied, weighted, worth
from gateway.sensitivity.shapes import Bare, Identifier
from gateway.sensitivity.sight import Words

_NEVER_GIVEN = frozenset(("078051120", "219099999", "457555462"))


def is_ssn(value: str) -> bool:
    """An area, group and serial that can be given; not the numbers of wallets and leaflets."""
    return (
        value[:3] not in {"000", "666"}
        and value[0] != "9"
        and value[3:5] != "00"
        and value[5:] != "0000"
        and varied(value)
        and value not in _NEVER_GIVEN
    )


def is_itin(value: str) -> bool:
    """Groups that IRS gives: 50 to 65, 70 to 88, 90 to 92, 94 to 99."""
    group = int(value[3:5])
    return value[0] == "9" and (50 <= group <= 65 or 70 <= group <= 88 or (90 <= group != 93))


def is_npi(value: str) -> bool:
    """Luhn with the prefix of health in the United States."""
    return value[0] in "12" and luhn("80840" + value) and varied(value[1:])


def is_dea(value: str) -> bool:
    """The sum of digits 1, 3, 5 and twice that of 2, 4, 6 ends in the seventh."""
    return weighted(value[2:8], (1, 2) * 3) % 10 == worth(value[8])


def is_routing(value: str) -> bool:
    """Weights 3, 7, 1, and a Federal Reserve district."""
    district = int(value[:2])
    return (
        (0 < district <= 12 or 21 <= district <= 32 or 61 <= district <= 72 or district == 80)
        and weighted(value, (3, 7, 1) * 3) % 10 == 0
        and varied(value[2:])
    )


def is_sin(value: str) -> bool:
    """Luhn; 0 and 8 are not given."""
    return value[0] not in "08" and luhn(value) and varied(value)


_MBI = (
    r"[1-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y][0-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y][0-9][AC-HJKMNP-RT-Y]{2}[0-9]{2}"
)

ROWS = (
    Identifier(
        id="us.ssn",
        kind="national_id",
        shapes=("999 99 9999",),
        separators="-",
        words=Words("ssn*", "social security*", "social sec", "soc sec"),
        valid=is_ssn,
        bare=Bare.ANYWHERE,
    ),
    Identifier(
        id="us.ssn.other",
        kind="national_id",
        shapes=("999999999", "999 99 9999", "999 999999", "99999 9999"),
        words=Words("ssn*", "social security*", "social sec", "soc sec", "seguro social"),
        valid=is_ssn,
    ),
    Identifier(
        id="us.ssn.spaced",
        kind="national_id",
        shapes=("999 99 9999",),
        separators=" .",
        words=Words("ss", "social"),
        valid=is_ssn,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="us.itin",
        kind="tax_id",
        shapes=("999 99 9999", "999999999", "999 999999", "99999 9999"),
        words=Words("itin*", "taxpayer*", "tax id*", "tax number", "tin", "individual tax*"),
        valid=is_itin,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="us.ein",
        kind="tax_id",
        shapes=("99 9999999",),
        separators="-",
        words=Words("ein", "fein", "employer id*", "federal tax*", "tax id*", "tin", "irs"),
    ),
    Identifier(
        id="us.npi",
        kind="medical_id",
        shapes=("9999999999", "9999 999 999"),
        words=Words("npi*", "provider*", "national provider*", "prescriber*"),
        valid=is_npi,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="us.mbi",
        kind="medical_id",
        shapes=("9AX9AX9AA99", "9AX9 AX9 AA99"),
        separators="-",
        words=Words("mbi", "medicare*", "beneficiary*"),
        form=_MBI,
        bare=Bare.ANYWHERE,
    ),
    Identifier(
        id="us.dea",
        kind="medical_id",
        shapes=("AA9999999",),
        words=Words("dea", "drug enforcement*", "prescriber*", "prescription*"),
        form=r"[ABCDEFGHJKLMPRSTUX][A-Z]\d{7}",
        valid=is_dea,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="us.passport",
        kind="passport",
        shapes=("999999999", "A99999999"),
        words=Words("passport*", "travel document*"),
    ),
    Identifier(
        id="us.passport.letter",
        kind="passport",
        shapes=("A99999999",),
        words=Words("passport*", "travel document*"),
        valid=lambda value: value[1:] not in "01234567890" and varied(value[1:]),
        bare=Bare.ALONE,
    ),
    Identifier(
        id="us.routing",
        kind="bank_account",
        shapes=("999999999", "9999 9999 9"),
        words=Words("routing*", "aba", "rtn", "transit*", "bank", "wire", "ach"),
        separators="-",
        valid=is_routing,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="us.account",
        kind="bank_account",
        shapes=tuple("9" * length for length in range(8, 18)),
        words=Words(
            "bank account*",
            "account number*",
            "acct*",
            "account no",
            "checking account*",
            "savings account*",
            "bank acc",
            "account nr",
            "direct deposit",
            "account num",
            "checking",
            "my account is",
        ),
        valid=varied,
    ),
    Identifier(
        id="us.licence",
        kind="driver_license",
        shapes=(
            *("9" * length for length in range(7, 13)),
            *("A" + "9" * length for length in range(6, 15)),
            "AA999999",
            "AA9999999",
            "AAA999999",
            "AAA9999999",
            "A999 9999 9999",
            "A999 999 99 999 9",
            "999 99 9999",
            "999 999 999",
            "99 999 999",
            "A99 99 9999",
            "9999999AA",
            "99999999A",
            "999AA9999",
            "A9999 99999 99999",
            "A999 999 999 999",
            "AAA99A999",
        ),
        words=Words(
            "driver s licen*",
            "drivers licen*",
            "driver licen*",
            "driving licen*",
            "dl",
            "dln",
            "driver id",
            "licence number",
            "license number",
            "driver s permit",
            "operator s licen*",
            "dl number",
            "licences",
            "licenses",
        ),
    ),
    Identifier(
        id="ca.sin",
        kind="national_id",
        shapes=("999999999", "999 999 999"),
        words=Words("sin", "social insurance*", "nas", "assurance sociale", "sin number"),
        valid=is_sin,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="ca.health",
        kind="medical_id",
        shapes=("9999999999", "9999 999 999", "9999 999 999 AA", "9999999999AA"),
        words=Words("ohip", "health card*", "phn", "personal health number", "ramq", "carte sante", "mcp"),
    ),
    Identifier(
        id="ca.passport",
        kind="passport",
        shapes=("AA999999", "A999999AA"),
        words=Words("passport*", "passeport*"),
    ),
    Identifier(
        id="us.vin",
        kind="vehicle_plate",
        shapes=(
            *("9" + "A" * n + "9" * (16 - n) for n in range(1, 11)),
            *("A" * n + "9" * (17 - n) for n in range(1, 8)),
        ),
        words=Words("vin", "chassis*", "fahrgestell*", "bastidor", "车架号*"),
        form=r"[0-9A-HJ-NPR-Z]{17}",
    ),
)
