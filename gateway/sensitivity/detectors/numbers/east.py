"""Central, eastern and south-eastern Europe, without Poland; Turkey and Israel.

Sources: MV ČR (rodné číslo), NAV (adóazonosító, TAJ), RO CNP (OUG 97/2005), GRAO (ЕГН), OIB (HR), EMŠO/JMBG, AADE
(ΑΦΜ), FNS (ИНН), PFR (СНИЛС), DPS (РНОКПП), NVİ (TCKN), GİB (VKN), Israel's population registry.
"""

from gateway.sensitivity.checksums import ddmmyy, is_date, luhn, mod11_10, varied, weighted, yymmdd
from gateway.sensitivity.shapes import Bare, Identifier
from gateway.sensitivity.sight import Words


def is_rodne_cislo(value: str) -> bool:
    """A birthday (50 more in the month for women, 20 more when numbers ran out), and a multiple of 11."""
    month, year = int(value[2:4]) % 50, int(value[:2])
    born = is_date(2000 + year, month - 20 if month > 20 else month, int(value[4:6]))
    return born and (len(value) == 9 or int(value) % 11 == 0 or (int(value[:9]) % 11 == 10 and value[9] == "0"))


def is_adoazonosito(value: str) -> bool:
    """Begins with 8; each digit times its place by 11."""
    return value[0] == "8" and weighted(value[:9], range(1, 10)) % 11 == int(value[9])


def is_taj(value: str) -> bool:
    """Weights 3 and 7 in turn, the last digit of the sum."""
    return weighted(value[:8], (3, 7) * 4) % 10 == int(value[8]) and varied(value)


def is_cnp(value: str) -> bool:
    """Sex and century, a birthday, a county, and the check by 11 with 279146358279."""
    check = weighted(value[:12], (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return value[0] != "0" and yymmdd(value[1:]) and (1 if check == 10 else check) == int(value[12])


def is_egn(value: str) -> bool:
    """A birthday (month 20 more before 1900, 40 more since 2000) and a check by 11."""
    month = int(value[2:4])
    born = is_date(2000 + int(value[:2]), month % 20, int(value[4:6])) and month < 53
    return born and weighted(value[:9], (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10 == int(value[9])


def is_emso(value: str) -> bool:
    """A birthday with three digits of the year, a region, and a check by 11 (all of former Yugoslavia)."""
    born = is_date(int(("1" if value[4] == "9" else "2") + value[4:7]), int(value[2:4]), int(value[:2]))
    check = -weighted(value[:12], (7, 6, 5, 4, 3, 2) * 2) % 11
    return born and value[4] in "089" and check == int(value[12])


def is_afm(value: str) -> bool:
    """Powers of two from 256 down by 11, ten counts as 0."""
    return weighted(value[:8], (256, 128, 64, 32, 16, 8, 4, 2)) % 11 % 10 == int(value[8]) and varied(value)


def is_amka(value: str) -> bool:
    """A birthday and Luhn."""
    return ddmmyy(value) and luhn(value)


def is_inn(value: str) -> bool:
    """Ten digits with one check (firms), twelve with two (people)."""
    weights = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
    if len(value) == 10:
        return weighted(value[:9], weights[2:]) % 11 % 10 == int(value[9]) and varied(value)
    first = weighted(value[:10], weights[1:]) % 11 % 10 == int(value[10])
    return first and weighted(value[:11], weights) % 11 % 10 == int(value[11]) and varied(value)


def is_snils(value: str) -> bool:
    """Weights 9 to 1 by 101; a rest of 100 is 00."""
    return weighted(value[:9], range(9, 0, -1)) % 101 % 100 == int(value[9:]) and varied(value)


def is_rnokpp(value: str) -> bool:
    """Weights -1, 5, 7, 9, 4, 6, 10, 5, 7 by 11."""
    return weighted(value[:9], (-1, 5, 7, 9, 4, 6, 10, 5, 7)) % 11 % 10 == int(value[9]) and varied(value)


def is_tckn(value: str) -> bool:
    """Odd places times 7 minus even places give the tenth digit, all ten the eleventh."""
    digits = [int(digit) for digit in value]
    tenth = (sum(digits[0:9:2]) * 7 - sum(digits[1:8:2])) % 10
    return value[0] != "0" and tenth == digits[9] and sum(digits[:10]) % 10 == digits[10]


def is_vkn(value: str) -> bool:
    """Each digit plus nine minus its place by ten, times a power of two by nine."""
    total = 0
    for place, digit in enumerate(value[:9]):
        moved = (int(digit) + 9 - place) % 10
        total += moved and ((moved * 2 ** (9 - place)) % 9 or 9)
    return -total % 10 == int(value[9]) and varied(value)


_TURKISH = ("tckn", "t c kimlik*", "tc kimlik*", "kimlik*", "turkish*", "t c no", "tc no", "tc")

ROWS = (
    Identifier(
        id="cz.rodne",
        kind="national_id",
        shapes=("999999 9999",),
        separators="/",
        words=Words("rodne cislo", "rc", "r c", "birth number"),
        valid=is_rodne_cislo,
        bare=Bare.ANYWHERE,
        loose=True,
    ),
    Identifier(
        id="cz.rodne.named",
        kind="national_id",
        shapes=("9999999999", "999999 999", "999999999", "999999 9999"),
        separators="/- ",
        words=Words("rodne cislo", "rodneho cisla", "rc", "r c", "birth number"),
        valid=is_rodne_cislo,
        loose=True,
    ),
    Identifier(
        id="cz.ico",
        kind="tax_id",
        shapes=("99999999", "999 99 999", "AA99999999", "AA999999999", "AA9999999999"),
        words=Words("ico", "ic", "dic", "dph", "ic dph", "obchodni rejstrik"),
        form=r"\d{8}|(?:CZ|SK)\d{8,10}",
    ),
    Identifier(
        id="cz.card",
        kind="national_id",
        shapes=("999999999", "AA999999"),
        words=Words(
            "obcansky prukaz", "obcanskeho prukazu", "op", "cislo op", "obciansky preukaz", "obcianskeho preukazu"
        ),
    ),
    Identifier(
        id="hu.tax",
        kind="tax_id",
        shapes=("9999999999", "9999 999 999"),
        words=Words("adoazonosito*", "ado azonosito*", "adoszam*"),
        valid=is_adoazonosito,
        loose=True,
    ),
    Identifier(
        id="hu.taj",
        kind="medical_id",
        shapes=("999 999 999", "999999999"),
        words=Words("taj*", "tb szam"),
        valid=is_taj,
        loose=True,
    ),
    Identifier(
        id="hu.card",
        kind="national_id",
        shapes=("999999AA", "AA999999"),
        words=Words("szemelyi*", "igazolvany*", "szemelyazonosito*"),
    ),
    Identifier(
        id="hu.firm",
        kind="tax_id",
        shapes=("99999999 9 99",),
        separators="-",
        words=Words("adoszam*", "afa*"),
        bare=Bare.ALONE,
    ),
    Identifier(
        id="ro.cnp",
        kind="national_id",
        shapes=("9999999999999",),
        words=Words("cnp*", "cod numeric personal", "personal numeric code"),
        valid=is_cnp,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="ro.cui",
        kind="tax_id",
        shapes=("AA99999999", "AA9999999", "AA999999", "99999999", "9999999", "AA 99999999"),
        words=Words("cui", "cif", "cod fiscal", "cod unic"),
        form=r"(?:RO)?\d{6,8}",
    ),
    Identifier(
        id="ro.card",
        kind="national_id",
        shapes=("AA999999", "AA 999999"),
        words=Words("carte de identitate", "buletin*", "seria", "c i"),
    ),
    Identifier(
        id="bg.egn",
        kind="national_id",
        shapes=("9999999999",),
        words=Words("егн*", "egn*", "единен граждански номер", "bulgarian*"),
        valid=is_egn,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="hr.oib",
        kind="tax_id",
        shapes=("99999999999", "AA99999999999"),
        words=Words("oib*", "osobni identifikacijski*", "croatian*", "pdv*"),
        form=r"(?:HR)?\d{11}",
        valid=lambda value: mod11_10(value[-11:]) and varied(value[-11:]),
        loose=True,
    ),
    Identifier(
        id="si.emso",
        kind="national_id",
        shapes=("9999999999999",),
        words=Words("emso*", "jmbg*", "jmb", "матични број", "jedinstveni maticni*", "ембг*"),
        valid=is_emso,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="si.tax",
        kind="tax_id",
        shapes=("99999999", "AA99999999"),
        words=Words("davcna*", "ddv*", "pib"),
    ),
    Identifier(
        id="gr.afm",
        kind="tax_id",
        shapes=("999999999", "AA999999999"),
        words=Words("αφμ*", "α φ μ", "afm*", "greek*"),
        form=r"(?:EL)?\d{9}",
        valid=lambda value: is_afm(value[-9:]),
        loose=True,
    ),
    Identifier(
        id="gr.amka",
        kind="national_id",
        shapes=("99999999999",),
        words=Words("αμκα*", "amka*"),
        valid=is_amka,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="ru.inn",
        kind="tax_id",
        shapes=("9999999999", "999999999999"),
        words=Words("инн", "inn"),
        valid=is_inn,
        loose=True,
    ),
    Identifier(
        id="ru.inn.person",
        kind="tax_id",
        shapes=("999999999999",),
        words=Words("инн", "inn"),
        valid=is_inn,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="ru.snils",
        kind="national_id",
        shapes=("999 999 999 99",),
        separators=" -",
        mixed=True,
        words=Words("снилс*", "snils*", "страховой номер"),
        valid=is_snils,
        bare=Bare.ANYWHERE,
        loose=True,
    ),
    Identifier(
        id="ru.snils.bare",
        kind="national_id",
        shapes=("99999999999",),
        words=Words("снилс*", "snils*", "страховой номер"),
        valid=is_snils,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="ru.passport",
        kind="passport",
        shapes=("9999 999999", "99 99 999999", "9999999999", "99 9999999"),
        words=Words("паспорт*", "серия", "загранпаспорт*", "passport*"),
    ),
    Identifier(
        id="ru.licence",
        kind="driver_license",
        shapes=("99 99 999999", "9999 999999", "9999999999"),
        words=Words("водительск*", "права", "ву"),
    ),
    Identifier(
        id="ru.oms",
        kind="medical_id",
        shapes=("9999999999999999", "9999 9999 9999 9999"),
        words=Words("полис*", "омс"),
    ),
    Identifier(
        id="ua.rnokpp",
        kind="tax_id",
        shapes=("9999999999",),
        words=Words("рнокпп", "ипн", "іпн", "rnokpp", "ідентифікаційний*", "податков*", "идентификационный*"),
        valid=is_rnokpp,
        loose=True,
    ),
    Identifier(
        id="ua.passport",
        kind="passport",
        shapes=("999999999", "99999999 99999"),
        words=Words("паспорт*", "унзр", "унзр*"),
    ),
    Identifier(
        id="tr.tckn",
        kind="national_id",
        shapes=("99999999999", "999 999 999 99"),
        words=Words(*_TURKISH),
        valid=is_tckn,
        bare=Bare.ANYWHERE,
        loose=True,
    ),
    Identifier(
        id="tr.vkn",
        kind="tax_id",
        shapes=("9999999999", "999 999 9999"),
        words=Words("vkn", "vergi*"),
        valid=is_vkn,
        loose=True,
    ),
    Identifier(
        id="tr.passport",
        kind="passport",
        shapes=("A99999999",),
        words=Words("pasaport*", "passport*"),
    ),
    Identifier(
        id="il.id",
        kind="national_id",
        shapes=("999999999", "99999999 9", "99999999"),
        words=Words("תעודת זהות", "ת ז", "teudat zehut", "מספר זהות", "israeli*"),
        valid=lambda value: luhn(value.zfill(9)) and varied(value),
        loose=True,
    ),
)
