"""India, Pakistan and Bangladesh.

Sources: UIDAI (Aadhaar), Income Tax Department (PAN), GSTN (GSTIN), ECI (EPIC), NADRA (CNIC).
"""

from gateway.sensitivity.checksums import varied, verhoeff
from gateway.sensitivity.shapes import Bare, Identifier
from gateway.sensitivity.sight import Words


def is_aadhaar(value: str) -> bool:
    """Verhoeff; begins with 2 to 9, and is no palindrome."""
    return value[0] not in "01" and value != value[::-1] and verhoeff(value)


_PASS = ("passport*", "travel document*")

ROWS = (
    Identifier(
        id="in.aadhaar",
        kind="national_id",
        shapes=("999999999999", "9999 9999 9999"),
        words=Words("aadhaar*", "aadhar*", "adhaar*", "adhar", "uidai", "uid", "आधार*"),
        separators=" -:",
        valid=is_aadhaar,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="in.pan",
        kind="tax_id",
        shapes=("AAAAA9999A",),
        words=Words("pan", "income tax*", "permanent account*", "pan card"),
        form=r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]",
        bare=Bare.ANYWHERE,
    ),
    Identifier(
        id="in.pan.named",
        kind="tax_id",
        shapes=("AAAAA9999A",),
        words=Words("pan", "income tax*", "permanent account*", "pan card"),
        bare=Bare.ALONE,
    ),
    Identifier(
        id="in.gstin",
        kind="tax_id",
        shapes=("99AAAAA9999AXAX",),
        words=Words("gst*", "gstin*"),
        form=r"(?:0[1-9]|[12]\d|3[0-7]|9[79])[A-Z]{5}\d{4}[A-Z][1-9A-Z]Z[0-9A-Z]",
        bare=Bare.ANYWHERE,
    ),
    Identifier(
        id="in.voter",
        kind="national_id",
        shapes=("AAA9999999",),
        words=Words("voter*", "epic", "vote", "election*", "elector*", "voting*"),
        bare=Bare.ALONE,
    ),
    Identifier(
        id="in.passport",
        kind="passport",
        shapes=("A9999999", "A 9999999", "A99 99999"),
        words=Words(*_PASS),
        form=r"[A-PR-WY][1-9]\d{6}",
        bare=Bare.NEVER,
    ),
    Identifier(
        id="in.passport.bare",
        kind="passport",
        shapes=("A9999999",),
        words=Words(*_PASS),
        form=r"[A-PR-WY][1-9]\d{5}[1-9]",
        valid=lambda value: value[1:] not in "01234567890",
        bare=Bare.ALONE,
    ),
    Identifier(
        id="in.licence",
        kind="driver_license",
        shapes=("AA9999999999999", "AA99 99999999999", "AA 99 99999999999", "AA99 9999 9999999", "AA 9999999999999"),
        words=Words("driving*", "driver*", "licen*", "dl"),
        separators="- /",
        mixed=True,
        form=r"[A-Z]{2}\d{13}",
        bare=Bare.ALONE,
    ),
    Identifier(
        id="in.account",
        kind="bank_account",
        shapes=("AAAA9XXXXXX",),
        words=Words("ifsc*", "bank*"),
        form=r"[A-Z]{4}0[A-Z0-9]{6}",
    ),
    Identifier(
        id="pk.cnic",
        kind="national_id",
        shapes=("99999 9999999 9", "9999999999999"),
        separators="-",
        words=Words("cnic", "nadra", "nicop", "شناختی کارڈ", "national identity*"),
        form=r"[1-8]\d{12}",
        valid=varied,
    ),
    Identifier(
        id="pk.cnic.grouped",
        kind="national_id",
        shapes=("99999 9999999 9",),
        separators="-",
        words=Words("cnic"),
        form=r"[1-8]\d{12}",
        valid=varied,
        bare=Bare.ANYWHERE,
    ),
    Identifier(
        id="bd.nid",
        kind="national_id",
        shapes=("9999999999", "9999999999999", "99999999999999999"),
        words=Words("nid", "bangladesh*", "national id*", "এনআইডি*"),
    ),
)
