"""East and south-east Asia.

Sources: GB 11643-1999 and GB 32100-2015 (China), Taiwan's NIA, Hong Kong's ImmD, ICA and ACRA (Singapore), Korea's MOIS
and NTS, Japan's J-LIS, Thailand's DOPA, Malaysia's JPN, Dukcapil (Indonesia), PSA and BIR (Philippines).
"""

from gateway.sensitivity.checksums import is_date, mod11_2, varied, weighted, worth, yymmdd, yyyymmdd
from gateway.sensitivity.shapes import Bare, Identifier
from gateway.sensitivity.sight import Words


def is_resident(value: str) -> bool:
    """Region, birthday, serial, and ISO 7064 mod 11-2."""
    return is_resident_day(value) and mod11_2(value)


def is_resident_day(value: str) -> bool:
    """A region that exists and a birthday, whatever the check."""
    return value[0] in "1234568" and yyyymmdd(value[6:14]) and value[6:8] in {"19", "20"}


def is_uscc(value: str) -> bool:
    """Weights of powers of 3 by 31, over digits and letters without I, O, S, V, Z."""
    signs = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    total = sum(signs.find(letter) * pow(3, place, 31) for place, letter in enumerate(value[:17]))
    return signs[-total % 31] == value[17]


def is_tw_id(value: str) -> bool:
    """The letter as two digits, weights 1, 9, 8 to 1, 1."""
    region = 10 + "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(value[0])
    total = region // 10 + region % 10 * 9 + weighted(value[1:], (8, 7, 6, 5, 4, 3, 2, 1, 1))
    return value[1] in "1289" and total % 10 == 0


def is_hkid(value: str) -> bool:
    """Weights 9 to 1 over a blank (36) or letter, a letter and seven digits, by 11; A is a check of ten."""
    padded = value if len(value) == 9 else " " + value
    total = sum(
        (36 if letter == " " else worth(letter)) * weight
        for letter, weight in zip(padded[:8], range(9, 1, -1), strict=True)
    )
    return (total + (10 if padded[8] == "A" else worth(padded[8]))) % 11 == 0


def is_nric(value: str) -> bool:
    """Weights 2, 7, 6, 5, 4, 3, 2 by 11 and a table of letters for each series."""
    start = {"S": 0, "T": 4, "F": 0, "G": 4, "M": 3}[value[0]]
    letters = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "F": "XWUTRQPNMLK", "G": "XWUTRQPNMLK", "M": "XWUTRQPNJLK"}
    rest = (start + weighted(value[1:8], (2, 7, 6, 5, 4, 3, 2))) % 11
    return letters[value[0]][10 - rest if value[0] == "M" else rest] == value[8]


def is_uen(value: str) -> bool:
    """The three forms of ACRA, by their weights."""
    if len(value) == 9:
        return "XMKECAWLJDB"[weighted(value[:8], (10, 4, 9, 3, 8, 2, 7, 1)) % 11] == value[8]
    if value[0].isdecimal():
        return "ZKCMDNERGWH"[weighted(value[:9], (10, 8, 6, 4, 9, 7, 5, 3, 1)) % 11] == value[9]
    signs = "ABCDEFGHJKLMNPQRSTUVWX0123456789"
    total = sum(
        signs.find(letter) * weight for letter, weight in zip(value[:9], (4, 3, 5, 3, 10, 2, 2, 5, 7), strict=True)
    )
    return signs[(total - 5) % 11] == value[9]


def is_rrn(value: str) -> bool:
    """A birthday and a sign of sex and century; since October 2020 there is no check digit."""
    return yymmdd(value) and value[6] in "12345678" and varied(value[7:])


def is_rrn_checked(value: str) -> bool:
    """As above, with the check by 11 of numbers given before: 11 minus the rest, 13 for foreigners."""
    if not is_rrn(value):
        return False
    rest = weighted(value[:12], (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11
    without = value[6] in "3478" and value[:4] >= "2010"
    return without or ((13 if value[6] in "5678" else 11) - rest) % 10 == int(value[12])


def is_brn(value: str) -> bool:
    """Weights 1, 3, 7, 1, 3, 7, 1, 3, 5, and the tens of the last product."""
    total = weighted(value[:9], (1, 3, 7, 1, 3, 7, 1, 3, 5)) + int(value[8]) * 5 // 10
    return -total % 10 == int(value[9]) and varied(value)


def is_my_number(value: str) -> bool:
    """Weights 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2 by 11; a rest below two is 0."""
    rest = weighted(value[:11], (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if rest < 2 else 11 - rest) == int(value[11]) and varied(value)


def is_thai(value: str) -> bool:
    """Weights 13 to 2 by 11."""
    return (
        value[0] != "0"
        and value[1] != "0"
        and (11 - weighted(value[:12], range(13, 1, -1)) % 11) % 10 == int(value[12])
        and varied(value)
    )


def is_nik(value: str) -> bool:
    """A province, and a birthday with 40 more in the day for women."""
    day = int(value[6:8])
    return "11" <= value[:2] <= "96" and is_date(
        2000 + int(value[10:12]), int(value[8:10]), day - 40 if day > 40 else day
    )


_PASS = (
    "passport*",
    "护照*",
    "護照*",
    "여권*",
    "旅券*",
    "パスポート*",
    "travel document*",
    "paspor",
    "ho chieu",
    "通行证*",
)

ROWS = (
    Identifier(
        id="cn.resident",
        kind="national_id",
        shapes=("9" * 18, "9" * 17 + "A", "999999 99999999 999X"),
        words=Words(
            "身份证*", "身份證*", "公民身份*", "证件号*", "resident id*", "id card", "identity*", "id number", "居民*"
        ),
        form=r"\d{17}[\dX]",
        valid=is_resident,
        bare=Bare.ANYWHERE,
    ),
    Identifier(
        id="cn.resident.day",
        kind="national_id",
        shapes=("9" * 18, "9" * 17 + "A", "999999999999999"),
        words=Words("身份证*", "身份證*", "公民身份*", "证件号*", "resident id*", "chinese id*", "居民*", "身份"),
        form=r"\d{17}[\dX]|\d{15}",
        valid=lambda value: is_resident_day(value) if len(value) == 18 else yymmdd(value[6:]),
    ),
    Identifier(
        id="cn.uscc",
        kind="tax_id",
        shapes=("99999999XXXXXXXXXX",),
        words=Words("统一社会信用代码*", "信用代码*", "纳税人识别号*", "税号*", "uscc"),
        form=r"[1-9A-HJ-NP-RT-UW-Y][0-9A-HJ-NP-RT-UW-Y]\d{6}[0-9A-HJ-NP-RT-UW-Y]{10}",
        valid=is_uscc,
        bare=Bare.NEVER,
    ),
    Identifier(
        id="cn.uscc.letters",
        kind="tax_id",
        shapes=("99999999XXXXXXXXXX",),
        words=Words("信用代码*", "纳税人识别号*"),
        form=r"9[1239]\d{6}[0-9A-HJ-NP-RT-UW-Y]{10}",
        valid=is_uscc,
        bare=Bare.ANYWHERE,
        loose=True,
    ),
    Identifier(
        id="cn.passport",
        kind="passport",
        shapes=("A99999999", "AA9999999", "AA99999999", "A9999999", "A999999999"),
        words=Words(*_PASS),
        form=r"[A-Z]\d{7,9}|E[A-Z]\d{7}|[A-Z]{2}\d{7,8}",
    ),
    Identifier(
        id="cn.driver",
        kind="driver_license",
        shapes=("9" * 12, "9" * 18, "9" * 17 + "A"),
        words=Words("驾驶证*", "驾照*", "档案编号*"),
    ),
    Identifier(
        id="cn.account",
        kind="bank_account",
        shapes=("9" * 16, "9" * 17, "9" * 18, "9" * 19, "9999 9999 9999 9999", "9999 9999 9999 9999 999"),
        words=Words("银行卡*", "银行账*", "银行帐*", "卡号*", "账号*", "帐号*", "账户*", "开户*", "信用卡*", "储蓄卡*"),
    ),
    Identifier(
        id="cn.social",
        kind="national_id",
        shapes=("9" * 9, "9" * 10, "9" * 12, "A99999999", "AAA999999"),
        words=Words("社保*", "社会保障*", "医保*", "公积金*"),
    ),
    Identifier(
        id="tw.id",
        kind="national_id",
        shapes=("A999999999",),
        words=Words("身分證*", "身份證*", "統一編號*", "taiwan*", "居留證*", "national id*"),
        valid=is_tw_id,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="hk.id",
        kind="national_id",
        shapes=("A9999999", "A999999A", "AA9999999", "AA999999A"),
        words=Words("hkid*", "身份證*", "身份证*", "hong kong*", "香港*"),
        form=r"[A-Z]{1,2}\d{6}[\dA]",
        valid=is_hkid,
    ),
    Identifier(
        id="sg.nric",
        kind="national_id",
        shapes=("A9999999A",),
        words=Words("nric*", "fin", "singapore*", "identity*", "ic"),
        form=r"[STFGM]\d{7}[A-Z]",
        valid=is_nric,
        bare=Bare.ANYWHERE,
        loose=True,
    ),
    Identifier(
        id="sg.uen",
        kind="tax_id",
        shapes=("99999999A", "999999999A", "A99AA9999A"),
        words=Words("uen*", "acra", "business registration*", "gst*"),
        form=r"\d{8,9}[A-Z]|[TSR]\d\d[A-Z][A-Z]\d{4}[A-Z]",
        valid=is_uen,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="kr.rrn",
        kind="national_id",
        shapes=("999999 9999999",),
        separators="-",
        words=Words("주민*", "외국인*", "rrn", "frn", "korean*", "resident registration*"),
        valid=is_rrn,
        bare=Bare.ANYWHERE,
    ),
    Identifier(
        id="kr.rrn.plain",
        kind="national_id",
        shapes=("9999999999999",),
        words=Words("주민*", "외국인*", "rrn", "frn", "korean*", "resident registration*"),
        valid=is_rrn_checked,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="kr.brn",
        kind="tax_id",
        shapes=("9999999999", "999 99 99999"),
        separators="-",
        words=Words("사업자*", "brn", "business registration*"),
        valid=is_brn,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="kr.licence",
        kind="driver_license",
        shapes=("99 99 999999 99",),
        words=Words("운전면허*", "면허*", "driv*", "licen*"),
        separators="- ",
        form=r"(?:1[1-9]|2[0-8])\d{10}",
        bare=Bare.ALONE,
    ),
    Identifier(
        id="kr.licence.plain",
        kind="driver_license",
        shapes=("999999999999",),
        words=Words("운전면허*", "면허*", "driv*", "licen*"),
        form=r"(?:1[1-9]|2[0-8])\d{10}",
    ),
    Identifier(
        id="kr.passport",
        kind="passport",
        shapes=("A99999999", "A999A9999"),
        words=Words(*_PASS),
        form=r"(?:[MSRODG]\d{8}|[MSRODG]\d{3}[A-Z]\d{4})",
        valid=lambda value: value[1:] != "12345678" or value[0] == "M",
        bare=Bare.ALONE,
    ),
    Identifier(
        id="jp.mynumber",
        kind="national_id",
        shapes=("999999999999", "9999 9999 9999"),
        words=Words("マイナンバー*", "個人番号*", "my number", "my no", "mynumber"),
        valid=is_my_number,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="jp.licence",
        kind="driver_license",
        shapes=("999999999999",),
        words=Words("運転免許*", "免許証*", "保険証*", "被保険者*"),
    ),
    Identifier(
        id="th.id",
        kind="national_id",
        shapes=("9999999999999", "9 9999 99999 99 9"),
        words=Words("thai*", "tnin", "บัตรประชาชน*", "ประชาชน*", "เลขประจำตัว*"),
        separators="- ",
        valid=is_thai,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="my.nric",
        kind="national_id",
        shapes=("999999 99 9999",),
        separators="-",
        words=Words("mykad*", "nric*", "kad pengenalan*", "malaysia*", "ic"),
        valid=yymmdd,
        bare=Bare.ANYWHERE,
    ),
    Identifier(
        id="my.nric.plain",
        kind="national_id",
        shapes=("999999999999",),
        words=Words("mykad*", "nric*", "kad pengenalan*", "ic number", "ic no"),
        valid=yymmdd,
    ),
    Identifier(
        id="id.nik",
        kind="national_id",
        shapes=("9999999999999999", "9999 9999 9999 9999"),
        words=Words("nik", "ktp*", "kependudukan*", "indonesia*", "no kk", "kartu keluarga"),
        valid=is_nik,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="id.npwp",
        kind="tax_id",
        shapes=("99 999 999 9 999 999", "999999999999999"),
        words=Words("npwp*"),
        mixed=True,
    ),
    Identifier(
        id="ph.number",
        kind="tax_id",
        shapes=("999 999 999", "999 999 999 999", "999 999 999 99999", "999999999", "999999999999"),
        words=Words("tin", "philippine*", "bir", "philhealth*"),
        separators="-",
        form=r"[1-57-9]\d{8}(?:\d{3}|\d{5})?",
    ),
    Identifier(
        id="ph.social",
        kind="national_id",
        shapes=(
            "99 9999999 9",
            "9999 9999999 9",
            "99 999999999 9",
            "9999 9999 9999",
            "9999 9999 9999 9999",
            "9999999999",
            "999999999999",
        ),
        words=Words(
            "sss", "umid", "crn", "philsys*", "philid", "philhealth*", "pag ibig", "pagibig", "gsis", "psn", "pcn"
        ),
        separators="-",
    ),
    Identifier(
        id="vn.cccd",
        kind="national_id",
        shapes=("999999999999", "999999999"),
        words=Words("cccd*", "cmnd*", "can cuoc*", "chung minh*", "vietnam*"),
    ),
)
