"""Number plates, and British postcodes, which stand for a dozen doors.

Sources: DVLA INF104, BMV (Turkey), FRSC (Nigeria), MoRTH (India), DGT, SIV, KBA, GA 36-2018 (China); Royal Mail PAF.
"""

from gateway.sensitivity.detector import Check, Detector, pattern
from gateway.sensitivity.shapes import is_cut
from gateway.sensitivity.sight import Sight, Words

_PLATE = Words(
    "plate*", "license plate*", "vehicle*", "car", "car reg", "registration*", "reg", "vrn", "bike*", "number plate*", "plaka*",
    "arac*", "matricula*", "placa*", "immatriculation*", "plaque*", "targa*", "kennzeichen*", "rejestracyjn*", "tablic*",
    "kenteken*", "车牌*", "車牌*", "parked", "truck", "van", "motorcycle*", "kfz*", "auto", "coche", "voiture", "samochod*",
)  # fmt: skip
_POST = Words("postcode*", "post code*", "postal*", "address*", "zip*", "live*", "london")
_AREAS = frozenset(
    [
        "AB",
        "AL",
        "B",
        "BA",
        "BB",
        "BD",
        "BH",
        "BL",
        "BN",
        "BR",
        "BS",
        "BT",
        "CA",
        "CB",
        "CF",
        "CH",
        "CM",
        "CO",
        "CR",
        "CT",
        "CV",
        "CW",
        "DA",
        "DD",
        "DE",
        "DG",
        "DH",
        "DL",
        "DN",
        "DT",
        "DY",
        "E",
        "EC",
        "EH",
        "EN",
        "EX",
        "FK",
        "FY",
        "G",
        "GL",
        "GU",
        "GY",
        "HA",
        "HD",
        "HG",
        "HP",
        "HR",
        "HS",
        "HU",
        "HX",
        "IG",
        "IM",
        "IP",
        "IV",
        "JE",
        "KA",
        "KT",
        "KW",
        "KY",
        "L",
        "LA",
        "LD",
        "LE",
        "LL",
        "LN",
        "LS",
        "LU",
        "M",
        "ME",
        "MK",
        "ML",
        "N",
        "NE",
        "NG",
        "NN",
        "NP",
        "NR",
        "NW",
        "OL",
        "OX",
        "PA",
        "PE",
        "PH",
        "PL",
        "PO",
        "PR",
        "RG",
        "RH",
        "RM",
        "S",
        "SA",
        "SE",
        "SG",
        "SK",
        "SL",
        "SM",
        "SN",
        "SO",
        "SP",
        "SR",
        "SS",
        "ST",
        "SW",
        "SY",
        "TA",
        "TD",
        "TF",
        "TN",
        "TQ",
        "TR",
        "TS",
        "TW",
        "UB",
        "W",
        "WA",
        "WC",
        "WD",
        "WF",
        "WN",
        "WR",
        "WS",
        "WV",
        "YO",
        "ZE",
        "GIR",
    ]
)
_STATES = frozenset(
    [
        "AN",
        "AP",
        "AR",
        "AS",
        "BR",
        "CG",
        "CH",
        "DD",
        "DL",
        "DN",
        "GA",
        "GJ",
        "HP",
        "HR",
        "JH",
        "JK",
        "KA",
        "KL",
        "LA",
        "LD",
        "MH",
        "ML",
        "MN",
        "MP",
        "MZ",
        "NL",
        "OD",
        "OR",
        "PB",
        "PY",
        "RJ",
        "SK",
        "TN",
        "TR",
        "TS",
        "UK",
        "UP",
        "WB",
    ]
)


def _counts(words: Words, *, anywhere: bool = False) -> Check:
    """Where a plate counts: beside its words, or when a text holds nothing else."""

    def check(sight: Sight, start: int, end: int) -> bool:
        written = sight.text[start:end]
        if is_cut(sight.text, start, end):
            return False
        if (anywhere and written == written.upper()) or sight.whole(start, end):
            return True
        return written == written.upper() and sight.near(start, end, words, 40, 30)

    return check


def is_indian(sight: Sight, start: int, end: int) -> bool:
    """A state that exists; in capitals it counts anywhere."""
    written = sight.text[start:end]
    known = written[:2].upper() in _STATES and not is_cut(sight.text, start, end)
    return known and (written == written.upper() or sight.whole(start, end))


def is_postcode(sight: Sight, start: int, end: int) -> bool:
    """An area that exists; in capitals with its blank it counts anywhere."""
    written = sight.text[start:end]
    area = written[:2] if written[1].isalpha() else written[:1]
    if (area.upper() not in _AREAS and written[:3].upper() != "GIR") or is_cut(sight.text, start, end):
        return False
    if sight.whole(start, end):
        return True
    return written == written.upper() and (" " in written or sight.near(start, end, _POST))


ROWS: tuple[Detector, ...] = (
    pattern(
        "plate.gb",
        "vehicle_plate",
        r"(?i)\b([A-HJ-PR-Y][A-HJ-PR-Y](?:0[1-9]|[12]\d|5[1-9]|[67]\d) ?[A-HJ-PR-Z]{3})\b",
        trigger=r"(?i)\b[A-HJ-PR-Y]{2}[0-7]\d ?[A-HJ-PR-Z]{3}\b",
        check=_counts(_PLATE),
    ),
    pattern(
        "plate.gb.old",
        "vehicle_plate",
        r"(?i)\b([A-HJ-NPR-TV-Y][1-9]\d{0,2} ?[A-HJ-PR-Z]{3}|[A-HJ-PR-Z]{3} ?[1-9]\d{0,2}[A-HJ-NPR-TV-Y])\b",
        trigger=r"(?i)\b(?:[A-HJ-NPR-TV-Y]\d{1,3} ?[A-Z]{3}|[A-Z]{3} ?\d{1,3}[A-Y])\b",
        check=_counts(_PLATE),
    ),
    pattern(
        "plate.tr",
        "vehicle_plate",
        r"(?i)\b((?:0[1-9]|[1-7]\d|8[01])[ -]?(?:[A-Z][ -]?\d{2,5}|[A-Z]{2}[ -]?\d{2,4}|[A-Z]{3}[ -]?\d{2,4}))\b",
        trigger=r"(?i)\b\d\d[ -]?[A-Z]{1,3}[ -]?\d{2,5}\b",
        check=_counts(Words("plaka*", "plate*", "arac*", "vehicle*", "car")),
    ),
    pattern(
        "plate.ng",
        "vehicle_plate",
        r"(?i)\b([A-Z]{3}[- ]?\d{3}[A-Z]{2})\b",
        trigger=r"(?i)\b[A-Z]{3}[- ]?\d{3}[A-Z]{2}\b",
        check=_counts(_PLATE),
    ),
    pattern(
        "plate.in",
        "vehicle_plate",
        r"(?i)\b([A-Z]{2}[ -]?\d{1,2}[ -]?[A-Z]{1,3}[ -]?\d{4})\b",
        trigger=r"(?i)\b[A-Z]{2}[ -]?\d{1,2}[ -]?[A-Z]{1,3}[ -]?\d{4}\b",
        check=is_indian,
    ),
    pattern(
        "plate.in.old",
        "vehicle_plate",
        r"\b([A-Z]{3}\d{4}|[A-Z]{2}[A-Z]\d{1,4})\b",
        trigger=r"\b[A-Z]{3}\d{1,4}\b",
        check=lambda sight, start, end: sight.text[start : start + 2] in _STATES | {"MC"} and sight.whole(start, end),
    ),
    pattern(
        "plate.europe",
        "vehicle_plate",
        r"\b([A-Z]{2}-?\d{3}-?[A-Z]{2}|\d{4}[ -]?[B-DF-HJ-NP-TV-Z]{3}|[A-ZÄÖÜ]{1,3}-[A-Z]{1,2} ?\d{1,4}[EH]?|[A-Z]{2}-\d{2}-[A-Z]{2}|\d{2}-[A-Z]{2}-\d{2}|[A-Z]{3} ?\d[A-Z]\d\d|[A-Z]{3}-\d{3})\b",
        trigger=r"[A-Z]{1,3}[- ]?\d|\d[- ]?[A-Z]{2}",
        check=_counts(Words(*(word for word in _PLATE.spoken if word not in {"car", "auto", "van", "reg"}))),
    ),
    pattern(
        "plate.pl",
        "vehicle_plate",
        r"\b([A-Z]{2,3} ?[0-9][A-Z0-9]{3,4})\b",
        trigger=r"(?i)rejestr|tablic",
        check=_counts(Words("rejestracyjn*", "tablic*", "rejestracj*")),
    ),
    pattern(
        "plate.cn",
        "vehicle_plate",
        r"([京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z][·•\- ]?[A-Z0-9]{5,6})\b",
        trigger=r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z][·•\- ]?[A-Z0-9]{5}",
        check=lambda sight, start, end: any(c.isdecimal() for c in sight.text[start:end]),
    ),
    pattern(
        "postcode.gb",
        "postcode",
        r"(?i)\b(GIR ?0AA|[A-PR-UWYZ](?:\d{1,2}|[A-HK-Y]\d{1,2}|\d[A-HJKPSTUW]|[A-HK-Y]\d[ABEHMNPRV-Y]) ?\d[ABD-HJLNP-UW-Z]{2})\b",
        trigger=r"(?i)\b[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b|GIR ?0AA",
        check=is_postcode,
    ),
)
