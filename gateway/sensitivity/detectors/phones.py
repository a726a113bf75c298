"""Telephone numbers: international by country code, national by the ways of writing that nothing else has, and any
other grouping beside a word that speaks of telephones.

Sources: ITU E.164 and its list of country codes, the national numbering plans.
"""

import re
from collections.abc import Iterator

from gateway.sensitivity.detector import Hit
from gateway.sensitivity.lexicon import Lexicon, Mentions
from gateway.sensitivity.sight import Sight, Words

_CODES = frozenset(
    [
        "1",
        "7",
        "20",
        "27",
        "30",
        "31",
        "32",
        "33",
        "34",
        "36",
        "39",
        "40",
        "41",
        "43",
        "44",
        "45",
        "46",
        "47",
        "48",
        "49",
        "51",
        "52",
        "53",
        "54",
        "55",
        "56",
        "57",
        "58",
        "60",
        "61",
        "62",
        "63",
        "64",
        "65",
        "66",
        "81",
        "82",
        "84",
        "86",
        "90",
        "91",
        "92",
        "93",
        "94",
        "95",
        "98",
    ]
)
_LONG_CODES = re.compile(
    r"2[1-69]\d|35\d|37\d|38\d|42[013]|50\d|59\d|67\d|68\d|69\d|80[08]|85\d|87\d|88[0128]|96\d|97\d|99\d"
)

_CANDIDATE = re.compile(
    r"[0-9](?:[ \-./\u00a0\u2009\u2011\u2013]?[ (\[]?[0-9)\]]){4,22}+"
    r"(?:[ ,]{0,2}(?:x|ext\.?|extension|int\.?|wew\.?|#)[ .:]{0,2}[0-9]{1,6})?",
    re.IGNORECASE,
)
_NOT_DIGIT = re.compile(r"[^0-9]")
_EXTENSION = re.compile(r"[ ,]*(?:x|e|i|w|#).*", re.IGNORECASE | re.DOTALL)
_PREFIXED = re.compile(r"00[1-9]\d{0,2}[ \-./(]")
"""The international prefix, with the country's code set apart: without, it is any number that begins with zeros."""
_DATE = re.compile(
    r"(?:19|20)\d\d[-./ ](?:0?[1-9]|1[0-2])[-./ ](?:0?[1-9]|[12]\d|3[01])(?:[ T].*)?"
    r"|(?:0?[1-9]|[12]\d|3[01])[-./ ](?:0?[1-9]|[12]\d|3[01])[-./ ](?:1[5-9]|20)\d\d(?:[ ].*)?"
    r"|(?:19|20)\d\d[-–/ ]{1,3}(?:19|20)\d\d|\d{1,3}(?:\.\d{1,3}){3}|\d{1,3}(?:[ .]000)+|\d{1,5}/\d{1,5}"
    r"|\d+\.\d+|\d{1,3}(?:\.\d{3})+"
)

_YEARS = re.compile(r"(?:^|[ \-])(?:19|20)\d\d[ \-](?:19|20)\d\d(?:$|[ \-])")
_DISTINCT = re.compile(
    r"\(?[2-9]\d\d\)[ .-]?[2-9]\d\d[ .-]\d{4}"  # North America, the area in brackets
    r"|(?:1[ .-])?[2-9]\d\d([.-])[2-9]\d\d\1\d{4}"
    r"|1[ .-]\(?[2-9]\d\d\)?[ .-][2-9]\d\d[ .-]\d{4}"
    r"|001[ .-][2-9]\d\d[ .-]\d{3}[ .-]\d{4}"
    r"|0[1-79]([ .-])\d\d\2\d\d\2\d\d\2\d\d"  # France
    r"|07\d{3}[ -]\d{3}[ -]?\d{3}|0\d{3}[ -]\d{3}[ -]\d{4}|0\d{4}[ -]\d{6}"
    r"|020[ -]\d{4}[ -]\d{4}|\(0\d{2,4}\)[ -]?\d{3,4}[ -]?\d{3,4}"
    r"|0\d{2}[ -]\d{3}[ -]\d{4}|0\d{2}[ -]\d{4}[ -]\d{4}|0\d{2}[ -]\d{3}[ -]\d{2}[ -]\d{2}"
    r"|0\d{3}[ -]\d{3}[ -]\d{2}[ -]\d{2}"
    r"|0[2-9][ -]\d{4}[ -]\d{4}|04\d\d[ -]\d{3}[ -]\d{3}"  # Australia
    r"|\(?0?\d\d\)[ -]?9?\d{4}-\d{4}"  # Brazil
    r"|1[3-9]\d[ -]\d{4}[ -]\d{4}"  # China
    r"|[6-9]\d{4}[ -]\d{5}"  # India
    r"|8[ -]?\(\d{3}\)[ -]?\d{3}-?\d\d-?\d\d|0 ?\(\d{3}\) ?\d{3} ?\d{2} ?\d{2}|0 ?\(9\d{2}\) ?\d{3} \d{4}"
    r"|0[ -]5\d\d[ -]\d{3}[ -]\d{2}[ -]\d{2}"
)
_PLAIN = re.compile(
    r"1[3-9]\d{9}|05[0-5]\d{8}|09[1-9]\d{8}|07[3-9]\d{8}|0[2-4][12]\d2\d{6}"  # mobile numbers written as one
    r"|5[0-5]\d[ -]\d{3}[ -]\d{2}[ -]\d{2}|5[0-5]\d{8}|[679]\d\d \d{3} \d{3}|[679]\d\d \d\d \d\d \d\d"
    r"|[2-9]\d\d [2-9]\d\d \d{4}|3[2-9]\d[ -]\d{3}[ -]?\d{4}"
)

_BEFORE = Words(
    "phone*", "telephone*", "tel", "tele", "telef*", "tlf*", "tfno*", "tfn", "tlfno", "tno", "mobile*", "cell*",
    "cellphone*",
    "fax*", "call", "calls", "calling", "called", "text me", "sms", "whatsapp", "dial", "dialing", "ring", "reach",
    "hotline",
    "landline", "handy*", "mobil*", "movil*", "celular*", "telefon*", "anruf*", "rufnummer*", "durchwahl", "festnetz*",
    "numer telefonu", "nr tel", "kom", "komork*", "komorkow*", "zadzwon*", "dzwon*", "kontakt*", "contact*", "contacto",
    "llam*", "portable", "appel*", "joindre", "cellulare", "chiam*", "telemovel", "telemo*", "ligar", "ligue",
    "phone number",
    "fon", "gsm", "cep", "cep no", "ara", "numaram", "电话*", "手机*", "联系*", "致电*", "拨打*", "传真*",
    "號碼", "電話*", "手機*",
    "号码", "座机*", "分机*", "携帯*", "전화*", "휴대*", "연락*", "тел", "телефон*", "моб", "звон*", "τηλ*", "โทร*",
    "puh",
    "puhelin*",
    "telefonnummer",
    "tlf nr", "mob", "smartphone", "pager", "voicemail", "emergency contact", "numero de contacto",
)  # fmt: skip
_AFTER = Words(
    "office", "fax", "mobile", "cell", "home", "work", "phone", "tel", "ext", "extension", "direct", "whatsapp",
    "komorka",
)  # fmt: skip
WORDS = (_BEFORE, _AFTER)


def find_phone(lexicon: Lexicon, sight: Sight) -> Iterator[Hit]:
    """Each run of digits in brackets and groups that is a telephone number."""
    text = sight.text
    mentions: Mentions | None = None
    for match in _CANDIDATE.finditer(text):
        start, end = match.span()
        start = _reach(text, start)
        if start < 0:
            continue
        end = start + len(text[start:end].rstrip(" (["))
        written = text[start:end]
        if end < len(text) and (text[end] in _TAIL or (text[end] in ".,:-/" and text[end + 1 : end + 2].isdecimal())):
            continue
        core = _EXTENSION.sub("", written)
        digits = _NOT_DIGIT.sub("", core)
        if not 6 + core.isdecimal() <= len(digits) <= 15 or len(set(digits)) < 2 + (len(digits) > 8):
            continue
        prefixed = _PREFIXED.match(core)
        if prefixed or core[0] == "+" or core[:2] == "(+":
            if is_international(digits[2:] if prefixed else digits):
                yield Hit(start, end, "phone", "phone.international")
                continue
            if core[0] == "+":
                continue
        if _DATE.fullmatch(core.strip("()")) or _YEARS.search(core):
            continue
        if _DISTINCT.fullmatch(core) is not None:
            yield Hit(start, end, "phone", "phone.national")
            continue
        if _PLAIN.fullmatch(core) is not None and (sight.alone(start, end) or is_beside_han(text, start, end)):
            yield Hit(start, end, "phone", "phone.mobile")
            continue
        mentions = mentions or lexicon.read(sight)
        if mentions.near(_BEFORE, start, end, 20 if core.isdecimal() and len(digits) < 9 else 30, 0) or mentions.near(
            _AFTER, start, end, 0, 10
        ):
            yield Hit(start, end, "phone", "phone.named")


def _reach(text: str, start: int) -> int:
    """Where a number begins whose first digit is here, with its plus and bracket; -1 when it is part of something."""
    if text[start - 1 : start] == "(":
        start -= 1
    if text[start - 1 : start] == "+":
        start -= 1
    if text[start - 1 : start] == "(":
        start -= 1
    if start and (text[start - 1] in _HEAD or (text[start - 1] in ".," and text[start - 2 : start - 1].isdecimal())):
        return -1
    return start


def is_international(digits: str) -> bool:
    """A country code, and as many digits as E.164 has."""
    if not 8 <= len(digits) <= 15:
        return False
    if digits[0] == "1":
        return len(digits) == 11 and digits[1] in "23456789"
    return digits[:2] in _CODES or digits[0] == "7" or _LONG_CODES.match(digits) is not None


def is_beside_han(text: str, start: int, end: int) -> bool:
    """Whether a Chinese mobile number stands in Chinese text, where numbers follow the verb without any word."""
    near = text[max(0, start - 2) : start] + text[end : end + 2]
    return end - start == 11 and text[start] == "1" and any("\u4e00" <= letter <= "\u9fff" for letter in near)


_HEAD = frozenset("0123456789_@%&$€£#/\\+ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_TAIL = frozenset("0123456789_@%€$£ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
