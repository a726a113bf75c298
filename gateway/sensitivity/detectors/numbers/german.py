"""Germany, Austria and Switzerland.

Sources: BZSt (Steuer-Id), DRV (Versicherungsnummer, VKVV), GKV-Spitzenverband (Krankenversichertennummer), KBV (LANR),
BMI (serial numbers of cards and passports, ICAO 9303), SVC (Austrian social insurance), ZAS (AHV), BFS (UID).
"""

from gateway.sensitivity.checksums import digits_sum, icao, is_date, mod11_10, varied, weighted, worth
from gateway.sensitivity.shapes import Bare, Identifier
from gateway.sensitivity.sight import Words


def is_steuer_id(value: str) -> bool:
    """ISO 7064, no leading zero, and among the first ten digits at most three alike (tests have none)."""
    return value[0] != "0" and len(set(value[:10])) >= 8 and mod11_10(value)


def is_rvnr(value: str) -> bool:
    """The letter as two digits, weights 2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1, sums of digits, by ten."""
    day, month = int(value[2:4]), int(value[4:6])
    digits = f"{value[:8]}{worth(value[8]) - 9:02}{value[9:11]}"
    return (
        1 <= (day - 50 if day > 50 else day) <= 31
        and 1 <= month <= 12
        and digits_sum(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)) % 10 == int(value[11])
    )


def is_kvnr(value: str) -> bool:
    """The letter as two digits, weights 1 and 2 in turn, sums of digits, by ten."""
    return digits_sum(f"{worth(value[0]) - 9:02}{value[1:9]}", (1, 2) * 5) % 10 == int(value[9]) and varied(value[1:])


def is_lanr(value: str) -> bool:
    """Weights 4 and 9 in turn over six digits; the last two digits name what the doctor does."""
    return (
        -weighted(value[:6], (4, 9) * 3) % 10 == int(value[6]) and "01" <= value[7:] != "99" and value[:6] != "000000"
    )


def is_serial(value: str) -> bool:
    """The last digit is the ICAO check of all before."""
    return icao(value[:-1]) == int(value[-1])


def is_at_svnr(value: str) -> bool:
    """Three digits, a check digit, a birthday; months 13 to 15 are for days not known."""
    born = is_date(2000 + int(value[8:]), min(int(value[6:8]), 12), int(value[4:6]))
    return born and value[0] != "0" and weighted(value, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) % 11 == int(value[3])


def is_at_uid(value: str) -> bool:
    """ATU and eight digits, the last of them a Luhn of its own."""
    return (96 - digits_sum(value[3:10], (1, 2) * 4)) % 10 == int(value[10])


def is_ahv(value: str) -> bool:
    """EAN-13 with the country code 756."""
    return value[:3] == "756" and weighted(value, (1, 3) * 7) % 10 == 0


def is_ch_uid(value: str) -> bool:
    """CHE and nine digits, weights 5, 4, 3, 2, 7, 6, 5, 4 by 11."""
    return -weighted(value[3:11], (5, 4, 3, 2, 7, 6, 5, 4)) % 11 == int(value[11])


_ICAO = "[CFGHJKLMNPRTVWXYZ]"
_PASS = ("reisepass*", "pass nr", "passnummer", "passport*", "pass", "ausweis*")

ROWS = (
    Identifier(
        id="de.steuer",
        kind="tax_id",
        shapes=("99999999999", "99 999 999 999"),
        words=Words("steuer*", "idnr", "id nr", "tin", "tax id*", "steueridentifikation*", "tax identification*"),
        valid=is_steuer_id,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="de.steuernummer",
        kind="tax_id",
        shapes=("99 999 99999", "999 999 99999", "9999999999999", "999 9999 9999", "99 9999 9999", "999999999999"),
        separators="/ ",
        words=Words("steuernummer*", "steuernr", "st nr", "steuer nr", "finanzamt"),
    ),
    Identifier(
        id="de.rvnr",
        kind="national_id",
        shapes=("99999999A999", "99 999999 A 999", "99 999999 A 99 9", "99999999 A 999"),
        words=Words("rvnr", "rentenversicherung*", "sozialversicherung*", "sv nummer", "versicherungsnummer", "svnr"),
        valid=is_rvnr,
        bare=Bare.ANYWHERE,
        loose=True,
    ),
    Identifier(
        id="de.kvnr",
        kind="medical_id",
        shapes=("A999999999", "A 999999999", "A999 999 999"),
        words=Words("kvnr", "krankenversicher*", "krankenkasse*", "egk*", "versicherten*", "gesundheitskarte"),
        valid=is_kvnr,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="de.lanr",
        kind="medical_id",
        shapes=("999999999", "9999999 99"),
        words=Words("lanr", "arztnummer*", "arzt nr", "lebenslange*"),
        valid=is_lanr,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="de.bsnr",
        kind="medical_id",
        shapes=("999999999",),
        words=Words("bsnr", "betriebsstatt*", "betriebsstaett*", "institutionskennzeichen", "ik nummer"),
    ),
    Identifier(
        id="de.serial",
        kind="passport",
        shapes=("AXXXXXXX9",),
        words=Words(*_PASS, "personalausweis*"),
        form=_ICAO + r"(?=[0-9A-Z]*\d)[0-9CFGHJKLMNPRTVWXYZ]{7}\d",
        valid=is_serial,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="de.serial.checked",
        kind="national_id",
        shapes=("AXXXXXXXX9", "A99999999"),
        words=Words(*_PASS, "personalausweis*", "ausweisnummer"),
        form=_ICAO + r"[0-9CFGHJKLMNPRTVWXYZ]{8}\d|T\d{8}",
        valid=lambda value: len(value) == 9 or is_serial(value),
        bare=Bare.NEVER,
    ),
    Identifier(
        id="de.licence",
        kind="driver_license",
        shapes=("A999AAAAA99", "A999AAA9A99", "AXXXXXXXX99", "AXXXXXXXX9A", "AXXXXXXXX9X"),
        words=Words("fuhrerschein*", "fahrerlaubnis*", "fuehrerschein*", "driv*", "licen*"),
        form=r"[A-Z][0-9A-Z]{2}[0-9A-Z]{6}\d[0-9A-Z]",
    ),
    Identifier(
        id="de.vat",
        kind="tax_id",
        shapes=("AA999999999", "AA 999999999", "AA 999 999 999", "AA999 999 999"),
        words=Words("ust*", "umsatzsteuer*", "vat*", "mwst*"),
        form=r"DE[1-9]\d{8}",
        valid=lambda value: mod11_10(value[2:]) and varied(value[3:10]),
        bare=Bare.ALONE,
    ),
    Identifier(
        id="de.register",
        kind="tax_id",
        shapes=("AAA 9999", "AAA 99999", "AAA 999999", "AAA9999", "AAA99999", "AAA999999"),
        words=Words("handelsregister*", "amtsgericht*", "registergericht*"),
        form=r"HR[AB][1-9]\d{3,5}",
        bare=Bare.ALONE,
    ),
    Identifier(
        id="at.svnr",
        kind="national_id",
        shapes=("9999999999", "9999 999999", "9999 99 99 99"),
        words=Words("svnr", "sozialversicherung*", "sv nummer", "versicherungsnummer", "sv nr", "e card"),
        valid=is_at_svnr,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="at.vat",
        kind="tax_id",
        shapes=("AAA99999999", "AAA 99999999"),
        words=Words("uid*", "ust*", "vat*"),
        form=r"ATU\d{8}",
        valid=is_at_uid,
        bare=Bare.ANYWHERE,
    ),
    Identifier(
        id="ch.ahv",
        kind="national_id",
        shapes=("9999999999999", "999 9999 9999 99"),
        words=Words("ahv*", "avs", "sozialversicherung*", "navs", "nss"),
        form=r"756\d{10}",
        valid=is_ahv,
        bare=Bare.ANYWHERE,
        loose=True,
    ),
    Identifier(
        id="ch.uid",
        kind="tax_id",
        shapes=("AAA999999999", "AAA 999 999 999", "AAA 999999999"),
        words=Words("uid*", "ide", "mwst*", "tva", "iva"),
        form=r"CHE\d{9}",
        valid=is_ch_uid,
        bare=Bare.ANYWHERE,
        mixed=True,
    ),
    Identifier(
        id="ch.passport",
        kind="passport",
        shapes=("A9999999",),
        words=Words(*_PASS),
    ),
)
