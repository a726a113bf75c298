"""Number plates, and British postcodes, which stand for a dozen doors each.

Sources: DVLA INF104, BMV (Turkey), FRSC (Nigeria), MoRTH (India), DGT, SIV, KBA, GA 36-2018 (China); Royal Mail PAF.
"""

from gateway.sensitivity.detector import Detector, pattern
from gateway.sensitivity.shapes import Bare, Identifier
from gateway.sensitivity.sight import Words

_PLATE = (
    "plate*", "license plate*", "vehicle*", "car", "car reg", "registration*", "reg", "vrn", "bike*", "number plate*",
    "plaka*",
    "arac*", "matricula*", "placa*", "immatriculation*", "plaque*", "targa*", "kennzeichen*", "rejestracyjn*",
    "tablic*",
    "kenteken*", "车牌*", "車牌*", "parked", "truck", "van", "motorcycle*", "kfz*", "auto", "coche", "voiture",
    "samochod*",
)  # fmt: skip
_NAMED = tuple(word for word in _PLATE if word not in {"car", "auto", "van", "reg", "truck", "bike*", "registration*"})
_AREAS = (
    "AB|AL|BA|BB|BD|BH|BL|BN|BR|BS|BT|CA|CB|CF|CH|CM|CO|CR|CT|CV|CW|DA|DD|DE|DG|DH|DL|DN|DT|DY|EC|EH|EN|EX|FK|FY|GL|GU|GY|"
    "HA|HD|HG|HP|HR|HS|HU|HX|IG|IM|IP|IV|JE|KA|KT|KW|KY|LA|LD|LE|LL|LN|LS|LU|ME|MK|ML|NE|NG|NN|NP|NR|NW|OL|OX|PA|PE|PH|PL|"
    "PO|PR|RG|RH|RM|SA|SE|SG|SK|SL|SM|SN|SO|SP|SR|SS|ST|SW|SY|TA|TD|TF|TN|TQ|TR|TS|TW|UB|WA|WC|WD|WF|WN|WR|WS|WV|YO|ZE|"
    "[BEGLMNSW]"
)
_STATES = (
    "AN|AP|AR|AS|BR|CG|CH|DD|DL|DN|GA|GJ|HP|HR|JH|JK|KA|KL|LA|LD|MH|ML|MN|MP|MZ|NL|OD|OR|PB|PY|RJ|SK|TN|TR|TS|UK|UP|WB"
)
_POSTCODE = rf"GIR0AA|(?:{_AREAS})(?:\d\d?|\d[A-HJKPSTUW]|\d[ABEHMNPRV-Y])\d[ABD-HJLNP-UW-Z]{{2}}"

IDENTIFIERS = (
    Identifier(
        id="plate.gb",
        kind="vehicle_plate",
        shapes=("AA99AAA", "AA99 AAA"),
        words=Words(*_PLATE),
        form=r"[A-HJ-PR-Y][A-HJ-PR-Y](?:0[1-9]|[12]\d|5[1-9]|[67]\d)[A-HJ-PR-Z]{3}",
        bare=Bare.ALONE,
        capital=True,
    ),
    Identifier(
        id="plate.gb.old",
        kind="vehicle_plate",
        shapes=(
            *(f"A{digits}{gap}AAA" for digits in ("9", "99", "999") for gap in ("", " ")),
            *(f"AAA{gap}{digits}A" for digits in ("9", "99", "999") for gap in ("", " ")),
        ),
        words=Words(*_PLATE),
        form=r"[A-HJ-NPR-TV-Y][1-9]\d{0,2}[A-HJ-PR-Z]{3}|[A-HJ-PR-Z]{3}[1-9]\d{0,2}[A-HJ-NPR-TV-Y]",
        separators=" ",
        bare=Bare.ALONE,
        capital=True,
    ),
    Identifier(
        id="plate.tr",
        kind="vehicle_plate",
        shapes=tuple(
            f"99{gap}{letters}{gap}{digits}"
            for gap in ("", " ")
            for letters, counts in (("A", (2, 3, 4, 5)), ("AA", (2, 3, 4)), ("AAA", (2, 3, 4)))
            for digits in ("9" * count for count in counts)
        ),
        words=Words("plaka*", "plate*", "arac*", "vehicle*"),
        form=r"(?:0[1-9]|[1-7]\d|8[01])(?!JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC|ENE|ABR|DIC|MAI|OKT|DEZ)[A-Z]{1,3}\d+",
        separators=" -",
        bare=Bare.ALONE,
        capital=True,
    ),
    Identifier(
        id="plate.ng",
        kind="vehicle_plate",
        shapes=("AAA999AA", "AAA 999AA", "AAA 999 AA"),
        words=Words(*_PLATE),
        separators=" -",
        mixed=True,
        bare=Bare.ALONE,
        capital=True,
    ),
    Identifier(
        id="plate.in",
        kind="vehicle_plate",
        shapes=tuple(
            f"AA{gap}{office}{gap}{series}{gap}9999"
            for gap in ("", " ")
            for office in ("9", "99")
            for series in ("A", "AA", "AAA")
        ),
        words=Words(*_PLATE),
        form=rf"(?:{_STATES})\d{{1,2}}[A-Z]{{1,3}}\d{{4}}",
        separators=" -",
        bare=Bare.ANYWHERE,
        capital=True,
    ),
    Identifier(
        id="plate.in.old",
        kind="vehicle_plate",
        shapes=("AAA9999",),
        words=Words(*_PLATE),
        form=rf"(?:{_STATES}|MC|DE|MM)[A-Z]\d{{4}}",
        bare=Bare.ALONE,
        capital=True,
    ),
    Identifier(
        id="plate.europe",
        kind="vehicle_plate",
        shapes=(
            "AA 999 AA", "AA999AA", "9999AAA", "9999 AAA", "A AA 9999", "A AA 999", "A A 9999", "A A 999", "AA AA 999",
            "AA AA 9999", "AA A 9999", "AA A 999", "AAA A 999", "AAA AA 999", "AAA AA 99", "AAA A 9999", "A AA9999",
            "A A9999",
            "AA AA999", "AAA AA999", "AA 99 AA", "99 AA 99", "99 99 AA", "AA 9999 AA", "9 AAA 999", "999 AA 9",
            "99 AAA 9",
        ),
        words=Words(*_NAMED),
        separators=" -",
        mixed=True,
        capital=True,
    ),
    Identifier(
        id="plate.europe.bare",
        kind="vehicle_plate",
        shapes=("AA 999 AA", "AA999AA", "9999AAA", "9999 AAA", "A AA 9999", "A AA 999", "AA AA 999", "AA AA 9999",
        "AAA AA 999"),
        words=Words(*_NAMED),
        form=r"[A-HJ-NP-TV-Z]{2}\d{3}[A-HJ-NP-TV-Z]{2}|\d{4}[B-DF-HJ-NP-TV-Z]{3}|[A-Z]{2,5}[1-9]\d{2,3}",
        separators="- ",
        mixed=True,
        bare=Bare.ALONE,
        capital=True,
    ),
    Identifier(
        id="plate.pl",
        kind="vehicle_plate",
        shapes=("AA 99999", "AAA 9999", "AAA 99999", "AA 9999A", "AA 999AA", "AAA 9A99", "AAA 99A9", "AAA 9AA9",
        "AAA A999",
                "AA99999", "AAA9999", "AAA99999", "AA9999A", "AA999AA", "AAA9A99", "AAAA999", "AAA 99AA", "AA 9A999",
                "AAA99AA"),
        words=Words("rejestracyjn*", "tablic*", "rejestracj*"),
        separators=" ",
        capital=True,
    ),
    Identifier(
        id="postcode.gb",
        kind="postcode",
        shapes=tuple(f"{area}{gap}9AA" for area in ("A9", "A99", "AA9", "AA99", "A9A", "AA9A",
        "AAA") for gap in (" ",)),
        words=Words("postcode*", "post code*", "postal*", "address*"),
        form=_POSTCODE,
        separators=" ",
        bare=Bare.ANYWHERE,
        capital=True,
    ),
    Identifier(
        id="postcode.gb.joined",
        kind="postcode",
        shapes=("A99AA", "A999AA", "AA99AA", "AA999AA", "A9A9AA", "AA9A9AA", "AAA9AA"),
        words=Words("postcode*", "post code*", "postal*", "address*"),
        form=_POSTCODE,
        bare=Bare.ALONE,
        capital=True,
    ),
)  # fmt: skip

ROWS: tuple[Detector, ...] = (
    pattern(
        "plate.cn",
        "vehicle_plate",
        r"([京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z][·•\- ]?[A-Z0-9]*[0-9][A-Z0-9]*)",
        trigger="[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z]",
        check=lambda _sight, start, end: 7 <= end - start <= 9,
    ),
)
