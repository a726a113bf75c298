"""Check digits, as their standards define them. Every function takes a value without separators and is total.

Sources: ISO/IEC 7064 (mod 97-10, mod 11-10, mod 11-2), ISO/IEC 7812-1 annex B (Luhn), J. Verhoeff's dihedral code as
UIDAI uses it, ICAO 9303 part 3 (7-3-1). A scheme that only one country uses stands beside that country's rows.
"""

from collections.abc import Sequence
from operator import mul

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Letters as ISO 7064 and ICAO 9303 count them: A is 10, Z is 35."""

_VALUE = {letter: number for number, letter in enumerate(ALPHABET)}
_DAYS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)

_TURN = (
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
)
_SHUFFLE = (
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
)


def worth(letter: str) -> int:
    """What a digit or a capital letter counts; anything else counts nothing."""
    return _VALUE.get(letter, 0)


def weighted(value: str, weights: Sequence[int]) -> int:
    """The sum of every digit or letter times its weight, over the shorter of the two."""
    return sum(map(mul, map(_VALUE.__getitem__, value), weights))


def digits_sum(value: str, weights: Sequence[int]) -> int:
    """As `weighted`, but of each product its digits are added: 7 times 2 counts 1 + 4."""
    return sum(sum(divmod(_VALUE.get(letter, 0) * weight, 10)) for letter, weight in zip(value, weights, strict=False))


def luhn(value: str) -> bool:
    """ISO/IEC 7812: every second digit from the right doubled, the sum of all digits ends in 0."""
    if not value.isdecimal():
        return False
    total = sum(map(int, value[-1::-2])) + sum(_DOUBLED[int(digit)] for digit in value[-2::-2])
    return total % 10 == 0


def verhoeff(value: str) -> bool:
    """The dihedral code: catches every single error and every swap of neighbours."""
    if not value.isdecimal():
        return False
    state = 0
    for place, digit in enumerate(reversed(value)):
        state = int(_TURN[state][int(_SHUFFLE[place % 8][int(digit)])])
    return state == 0


def mod97(value: str) -> int:
    """The rest of a value by 97, its letters counted as two digits (ISO 7064 mod 97-10 wants 1)."""
    return int("".join(str(_VALUE[letter]) for letter in value)) % 97


def mod11_10(value: str) -> bool:
    """ISO 7064 mod 11,10: German tax and VAT ids, Croatian OIB."""
    state = 10
    for digit in value[:-1]:
        state = ((state + int(digit)) % 10 or 10) * 2 % 11
    return (state + int(value[-1])) % 10 == 1


def mod11_2(value: str) -> bool:
    """ISO 7064 mod 11-2, where X is a check of ten: Chinese resident ids, ORCID, ISNI."""
    state = 0
    for digit in value[:-1]:
        state = (state + int(digit)) * 2 % 11
    return (state + (10 if value[-1] == "X" else int(value[-1]))) % 11 == 1


def icao(value: str) -> int:
    """ICAO 9303: weights 7, 3, 1 over digits and letters, the last digit of the sum."""
    return weighted(value, (7, 3, 1) * (len(value) // 3 + 1)) % 10


def is_date(year: int, month: int, day: int) -> bool:
    """Whether such a day exists; year 0 stands for one not known, and may be a leap year."""
    if not 1 <= month <= 12 or not 1 <= day <= _DAYS[month]:
        return False
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return not (month == 2 and day == 29 and not leap)


def yymmdd(value: str) -> bool:
    """Whether a value begins with a day written YYMMDD, of an unknown century."""
    return is_date(int(value[:2]) + 2000, int(value[2:4]), int(value[4:6]))


def ddmmyy(value: str) -> bool:
    """Whether a value begins with a day written DDMMYY, of an unknown century."""
    return is_date(int(value[4:6]) + 2000, int(value[2:4]), int(value[:2]))


def yyyymmdd(value: str) -> bool:
    """Whether a value begins with a day of 1900 to 2099, written YYYYMMDD."""
    return value[:2] in {"19", "20"} and is_date(int(value[:4]), int(value[4:6]), int(value[6:8]))


def varied(value: str) -> bool:
    """Whether a value has at least two different characters: many check digits hold for a row of zeros."""
    return len(set(value)) > 1
