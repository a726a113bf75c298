"""The Nordic and Baltic countries.

Sources: Skatteverket (personnummer, organisationsnummer), Skatteetaten and Brønnøysund (fødselsnummer,
organisasjonsnummer), CPR-kontoret, DVV (henkilötunnus; signs of the century since 2023), Þjóðskrá (kennitala),
Estonian and Lithuanian personal codes (EVS 585), PMLP (Latvian code).
"""

from gateway.sensitivity.checksums import ddmmyy, is_date, luhn, varied, weighted, yymmdd
from gateway.sensitivity.shapes import Bare, Identifier
from gateway.sensitivity.sight import Words


def is_personnummer(value: str) -> bool:
    """Luhn over the last ten digits, which begin with a birthday; 60 is added to the day of a coordination number."""
    day = int(value[-6:-4])
    born = is_date(2000 + int(value[-10:-8]), int(value[-8:-6]), day - 60 if day > 60 else day)
    return born and luhn(value[-10:])


def is_organisation(value: str) -> bool:
    """Luhn; what would be the month is 20 or more."""
    return int(value[2:4]) >= 20 and luhn(value) and value[0] in "25789"


def is_fodselsnummer(value: str) -> bool:
    """A birthday (40 more in the day: D-number) and two check digits by 11."""
    day = int(value[:2])
    born = is_date(2000 + int(value[4:6]), int(value[2:4]), day - 40 if day > 40 else day)
    return (
        born
        and weighted(value[:10], (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11 == 0
        and weighted(value, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0
    )


def is_no_organisation(value: str) -> bool:
    """Weights 3, 2, 7, 6, 5, 4, 3, 2, 1 by 11; begins with 8 or 9."""
    return value[0] in "89" and weighted(value, (3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0 and varied(value)


def is_hetu(value: str) -> bool:
    """A birthday, and the rest by 31 of all digits as a sign."""
    return ddmmyy(value) and "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(value[:6] + value[-4:-1]) % 31] == value[-1]


def is_y_tunnus(value: str) -> bool:
    """Weights 7, 9, 10, 5, 8, 4, 2 by 11."""
    return -weighted(value[:7], (7, 9, 10, 5, 8, 4, 2)) % 11 == int(value[7]) and varied(value)


def is_kennitala(value: str) -> bool:
    """A birthday, a check digit in the ninth place, and the century."""
    return ddmmyy(value) and value[9] in "890" and weighted(value[:9], (3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def is_baltic(value: str) -> bool:
    """Sex and century, a birthday, a serial, and a check by 11 in two rounds (Estonia and Lithuania)."""
    if value[0] not in "123456" or not yymmdd(value[1:]):
        return False
    check = weighted(value[:10], (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if check == 10:
        check = weighted(value[:10], (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return check == int(value[10])


def is_latvian(value: str) -> bool:
    """A birthday and a check by 11; codes since 2017 begin with 32 and say nothing."""
    if value[:2] == "32":
        return True
    total = 1101 - weighted(value[:10], (1, 6, 3, 7, 9, 10, 5, 8, 4, 2))
    return ddmmyy(value) and total % 11 == int(value[10])


_PASS = ("passport*", "pass", "passi", "passnummer*", "passi number")

ROWS = (
    Identifier(
        id="se.personnummer",
        kind="national_id",
        shapes=("9999999999", "999999 9999", "999999999999", "99999999 9999"),
        separators="-",
        words=Words(
            "personnummer*", "pnr", "person nr", "samordningsnummer*", "personal identity*", "swedish id*", "swedish"
        ),
        form=r"(?:1[89]|20)?\d{10}",
        valid=is_personnummer,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="se.personnummer.full",
        kind="national_id",
        shapes=("999999999999", "99999999 9999", "999999 9999"),
        separators="-",
        words=Words("personnummer*"),
        form=r"(?:1[89]|20)\d{10}|\d{10}",
        valid=is_personnummer,
        bare=Bare.ANYWHERE,
    ),
    Identifier(
        id="se.organisation",
        kind="tax_id",
        shapes=("9999999999", "999999 9999"),
        separators="-",
        words=Words("organisationsnummer*", "orgnummer*", "org nr", "orgnr", "foretag*", "company*"),
        valid=is_organisation,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="no.fodselsnummer",
        kind="national_id",
        shapes=("99999999999", "999999 99999"),
        words=Words("fodselsnummer*", "personnummer*", "d nummer", "norwegian*", "fnr"),
        valid=is_fodselsnummer,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="no.organisation",
        kind="tax_id",
        shapes=("999999999", "999 999 999"),
        words=Words("organisasjonsnummer*", "org nr", "orgnr", "mva"),
        valid=is_no_organisation,
    ),
    Identifier(
        id="dk.cpr",
        kind="national_id",
        shapes=("999999 9999", "9999999999"),
        words=Words("cpr*", "personnummer*", "danish*"),
        valid=ddmmyy,
    ),
    Identifier(
        id="dk.cpr.dashed",
        kind="national_id",
        shapes=("999999 9999",),
        separators="-",
        words=Words("cpr*"),
        valid=lambda value: ddmmyy(value) and weighted(value, (4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="dk.cvr",
        kind="tax_id",
        shapes=("99999999", "99 99 99 99", "AA99999999"),
        words=Words("cvr*", "moms*"),
    ),
    Identifier(
        id="fi.hetu",
        kind="national_id",
        shapes=("999999A999X", "999999 999X"),
        separators="-+",
        words=Words("hetu*", "henkilotunnus*", "personal identity*", "sotu", "finnish*"),
        form=r"\d{6}[ABCDEFUVWXY]?\d{3}[0-9A-Y]",
        valid=is_hetu,
        bare=Bare.ANYWHERE,
    ),
    Identifier(
        id="fi.y",
        kind="tax_id",
        shapes=("9999999 9",),
        separators="-",
        words=Words("y tunnus*", "business id", "alv*", "vat*"),
        valid=is_y_tunnus,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="fi.vat",
        kind="tax_id",
        shapes=("AA99999999",),
        words=Words("alv*", "vat*"),
        form=r"FI\d{8}",
        valid=lambda value: is_y_tunnus(value[2:]),
        bare=Bare.ALONE,
    ),
    Identifier(
        id="is.kennitala",
        kind="national_id",
        shapes=("999999 9999", "9999999999"),
        words=Words("kennitala*", "kt", "icelandic*"),
        separators="-",
        valid=is_kennitala,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="ee.isikukood",
        kind="national_id",
        shapes=("99999999999",),
        words=Words("isikukood*", "asmens koda*", "personal code", "personal id*", "estonian*", "lithuanian*"),
        valid=is_baltic,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="lv.code",
        kind="national_id",
        shapes=("999999 99999", "99999999999"),
        separators="-",
        words=Words("personas kod*", "personal code", "latvian*"),
        valid=is_latvian,
        bare=Bare.NEVER,
        loose=True,
    ),
    Identifier(
        id="nordic.passport",
        kind="passport",
        shapes=("AA9999999", "A99999999", "99999999"),
        words=Words(*_PASS),
    ),
)
