"""Cards, bank accounts and wallets, by their checksums.

Sources: ISO/IEC 7812 and the schemes' number ranges, the IBAN registry (lengths), ISO 9362 (BIC), BIP-173 and BIP-350
(bech32), Bitcoin's base58check.
"""

import re
from collections.abc import Iterator
from hashlib import sha256

from gateway.sensitivity.checksums import luhn, mod97, varied
from gateway.sensitivity.detector import Detector, Hit, pattern
from gateway.sensitivity.shapes import Bare, Identifier, is_cut
from gateway.sensitivity.sight import Sight, Words

_RANGES = (
    (r"4\d{12}(?:\d{3}){0,2}", "Visa"),
    (r"(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}", "Mastercard"),
    (r"3[47]\d{13}", "American Express"),
    (r"3(?:0[0-59]|[689]\d)\d{11}(?:\d{2})?", "Diners Club"),
    (r"(?:6011|64[4-9]\d|65\d\d)\d{12}(?:\d{3})?", "Discover"),
    (r"(?:2131|1800)\d{11}|35(?:2[89]|[3-8]\d)\d{12}(?:\d{3})?", "JCB"),
    (r"62\d{14,17}", "UnionPay"),
    (r"(?:5[06-8]|6[037])\d{14}(?:\d{3})?", "Maestro, RuPay, Elo"),
    (r"220[0-4]\d{12}(?:\d{3})?|9792\d{12}", "Mir, Troy"),
)

IDENTIFIERS = (
    Identifier(
        id="card",
        kind="credit_card",
        shapes=(
            *("9" * length for length in (13, 14, 15, 16, 17, 18, 19)), "9999 9999 9999 9999", "9999 999999 99999",
            "9999 999999 9999", "9999 9999 9999 9999 999", "9999 9999 9999 999", "99999999 99999999",
            "999999 9999999999",
        ),
        words=Words(
            "card*", "credit*", "debit*", "visa", "mastercard", "amex", "cc", "tarjeta*", "karta", "karty", "kart*",
            "carte*", "kreditkarte*", "carta", "cartao", "信用卡*", "卡号*", "银行卡*",
            "american express", "payment*", "pan",
        ),
        form="|".join(form for form, _ in _RANGES),
        valid=lambda value: luhn(value) and varied(value),
        bare=Bare.ANYWHERE,
        loose=True,
    ),
)  # fmt: skip

_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FO FI GL NL SD FK", 19: "MK SI", 20: "AT BA EE XK LT LU MN", 21: "HR LV LI CH",
        22: "BH BG CR GE DE IE ME RS GB VA", 23: "GI IL AE OM TL IQ SO", 24: "AD CZ MD PK RO SA SK ES SE TN VG",
        25: "PT LY ST", 26: "IS TR", 27: "FR GR IT MR MC SM BI DJ", 28: "AL AZ BY CY DO SV GT HU LB NI PL",
        29: "BR EG PS QA UA", 30: "JO KW MU", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_LENGTHS |= {"XK": 20, "IQ": 23, "GE": 22, "KZ": 20, "BY": 28, "MC": 27, "FO": 18}
_IBAN = re.compile(r"[0-9](?<=[A-Za-z]{2}[0-9])[0-9](?:[ \-]?[0-9A-Za-z]){11,30}+")
_IBAN_WORDS = Words("iban*", "account*", "konto*", "rachun*", "cuenta*", "compte*", "conto*", "rekening*", "bank*")
_SEPARATOR = re.compile(r"[ \-]")


def find_iban(sight: Sight) -> Iterator[Hit]:
    """An IBAN whose rest by 97 is one; or with its name before it and of its country's length, whatever the rest."""
    for match in _IBAN.finditer(sight.text):
        start = match.start() - 2  # found by its digits, of which a text has fewer than letters
        length = _LENGTHS.get(sight.text[start : start + 2].upper())
        if length is None:
            continue
        end, left = start, length
        while left and end < match.end():
            left -= sight.text[end].isalnum()
            end += 1
        if left or is_cut(sight.text, start, end):
            continue
        value = _SEPARATOR.sub("", sight.text[start:end]).upper()
        if mod97(value[4:] + value[:4]) == 1 or (
            value[12:].isdecimal() and sight.near(start, end, _IBAN_WORDS, 32, 0) and value[4:].strip("0")
        ):
            yield Hit(start, end, "iban", "iban")


_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def is_base58check(value: str) -> bool:
    """The last four of 25 bytes are the first of a double SHA-256 of the others."""
    number = 0
    for letter in value:
        number = number * 58 + _BASE58.index(letter)
    if number >> 200:
        return False
    whole = number.to_bytes(25, "big")
    return sha256(sha256(whole[:-4]).digest()).digest()[:4] == whole[-4:]


def is_bech32(value: str) -> bool:
    """The BCH code of BIP-173 (constant 1) or BIP-350 (bech32m)."""
    value = value.lower()
    head, _, data = value.rpartition("1")
    state = 1
    numbers = [ord(c) >> 5 for c in head] + [0] + [ord(c) & 31 for c in head] + [_BECH32.index(c) for c in data]
    for number in numbers:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ number
        for place, polynomial in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            if top >> place & 1:
                state ^= polynomial
    return state in {1, 0x2BC830A3}


_LONG = "[0-9A-Za-z]{25}"
_BIC_WORDS = Words("swift*", "bic")
_OTHER_BANKS = frozenset(
    ("US", "CA", "JP", "CN", "AU", "NZ", "IN", "SG", "HK", "MX", "KR", "ZA", "TH", "MY", "ID", "PH")
)


def is_bic(sight: Sight, start: int, end: int) -> bool:
    """Named so just before, and with a country that has banks in its fifth and sixth place."""
    country = sight.text[start + 4 : start + 6]
    return (country in _LENGTHS or country in _OTHER_BANKS) and sight.near(start, end, _BIC_WORDS, 28, 0)


ROWS: tuple[Detector, ...] = (
    Detector("iban", "[A-Za-z]{2}[0-9]{2}", find_iban),
    pattern(
        "wallet.base58",
        "crypto_wallet",
        r"\b([13LMDT][1-9A-HJ-NP-Za-km-z]{25,34})\b",
        trigger=_LONG,
        check=lambda sight, start, end: is_base58check(sight.text[start:end]),
    ),
    pattern(
        "wallet.bech32",
        "crypto_wallet",
        r"\b((?:bc|tb|ltc)1[02-9ac-hj-np-z]{11,71}|(?:BC|LTC)1[02-9AC-HJ-NP-Z]{11,71})\b",
        trigger=r"(?i)(?:bc|tb|ltc)1",
        check=lambda sight, start, end: is_bech32(sight.text[start:end]),
    ),
    pattern(
        "wallet.ethereum",
        "crypto_wallet",
        r"\b(0x[0-9a-fA-F]{40})\b",
        trigger="0x[0-9a-fA-F]{8}",
        check=lambda sight, start, end: len(set(sight.text[start + 2 : end].lower())) > 4,
    ),
    pattern(
        "wallet.named",
        "crypto_wallet",
        r"\b([48][1-9A-HJ-NP-Za-km-z]{94}|r[1-9A-HJ-NP-Za-km-z]{24,34}|[1-9A-HJ-NP-Za-km-z]{43,44}|[13][1-9A-HJ-NP-Za-km-z]{32,33})\b",
        trigger=_LONG,
        words=Words("monero", "xmr", "ripple", "xrp", "solana", "sol", "bitcoin*", "btc", "wallet", "crypto*"),
        check=lambda sight, start, end: not sight.text[start:end].isalpha() and "\\" not in sight.text[end : end + 1],
    ),
    pattern(
        "bic",
        "bank_account",
        r"\b([A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?)\b",
        trigger="(?i)swift|bic",
        check=is_bic,
    ),
)
