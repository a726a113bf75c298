"""Numbers of a person that no office gives a shape: what counts is the label before them.

A label is a noun that names somebody's number ("customer number", "nr polisy", "número de historia", "住院号"); between
it and the value may stand only what joins the two ("is", ":", "no."). The value must hold enough digits.
"""

import re
from collections.abc import Iterator

import msgspec

from gateway.sensitivity.detector import Hit
from gateway.sensitivity.lexicon import Lexicon
from gateway.sensitivity.shapes import Claim, is_cut, is_denied, settle
from gateway.sensitivity.sight import Sight, Words


class Label(msgspec.Struct, frozen=True):
    """What a label says of the value after it, and how many digits that must have. `full` labels say "number"
    themselves; the others need it after them, or a colon."""

    id: str
    kind: str
    words: Words
    least: int = 4
    full: bool = True


_NUMBER = ("number", "no", "num", "nr", "id", "code", "#", "numbers", "ids", "identifier", "reference", "ref", "nos")


def _numbered(*nouns: str) -> tuple[str, ...]:
    """English labels: each noun with each word for a number."""
    return tuple(f"{noun} {word}" for noun in nouns for word in _NUMBER if word != "#")


LABELS = (
    Label(
        "label.medical", "medical_id",
        Words(
            *_numbered("medical record", "patient", "health record", "chart", "hospital", "health insurance",
            "health plan",
                       "beneficiary", "insurance", "insurance policy", "insurance member", "health card", "health",
                       "medical license", "medicaid", "medicare", "prescription", "case record",
                       "health plan beneficiary",
                       "medical", "subscriber", "insurance group", "admission", "encounter", "donor", "npi", "doctor",
                       "provider"),
            "mrn", "mrns", "no de historia", "n o de historia", "historia numero", "tarjeta sanitaria",
            "nr ubezpieczenia",
            "numer historii choroby", "nr historii choroby", "patientid",
            "nhc", "historia clinica", "numero de historia", "no historia", "n historia",
            "num historia", "cipa",
            "hospital id", "numer pacjenta", "id pacjenta", "nr pacjenta", "karta pacjenta", "numer ubezpieczenia",
            "patientennummer", "fallnummer",
            "versichertennummer", "versicherungsnummer", "krankenversicherungsnummer", "numero de patient",
            "numero patient",
            "numero de dossier", "ipp", "tessera sanitaria", "cartella clinica", "numero do paciente", "prontuario",
            "住院号",
            "门诊号", "病历号", "病案号", "就诊卡号", "医保卡号", "医保号", "患者编号", "病人编号", "患者番号",
            "保险单号", "medical id",
        ),
    ),
    Label(
        "label.national", "national_id",
        Words(
            *_numbered("national id", "identity card", "id card", "national identity", "national identification",
            "citizen",
                       "resident", "residence permit", "social security", "social insurance", "national insurance",
                       "voter",
                       "identification", "alien registration", "immigration", "visa", "green card",
                       "personal identification"),
            "ssn", "nass", "nuss", "numero de identificacion", "numero de identidad", "documento de identidad",
            "nr dowodu", "numer dowodu",
            "dowod osobisty nr", "dowodu osobistego", "ausweisnummer", "personalausweisnummer", "personalausweis",
            "sozialversicherungsnummer",
            "numero de securite sociale", "carte d identite", "carta d identita", "carta di identita",
            "documento d identita",
            "numero de seguridad social", "numero de la seguridad social", "seguridad social", "personnummer",
            "a number",
            "cin", "身份证号", "身份证号码", "证件号", "证件号码", "社保号", "社会保障号", "seria i numer dowodu",
            "karta pobytu", "karty pobytu",
            "kartu pobytu",
        ), 5,
    ),
    Label(
        "label.tax", "tax_id",
        Words(*_numbered("tax", "taxpayer", "tax identification", "vat registration", "company registration"),
        "vat number", "vat id",
        "tin", "itin", "ein",
              "steuernummer", "steuer id", "steueridentifikationsnummer", "partita iva", "numero fiscal",
              "identificacion fiscal",
              "numero de contribuinte", "纳税人识别号", "税号"), 6,
    ),
    Label(
        "label.passport", "passport",
        Words("passport", *_numbered("passport", "travel document"), "pasaporte", "numero de pasaporte", "paszport",
        "paszportu", "nr paszportu",
              "numer paszportu", "reisepass", "reisepassnummer", "passnummer", "passeport", "numero de passeport",
              "passaporto",
              "passaporte", "numero do passaporte", "paspoort", "护照号", "护照号码", "护照",
              "旅券番号", "여권번호", "паспорт"), 5,
    ),
    Label(
        "label.licence", "driver_license",
        Words("driver s license", "driver s licence", "drivers license", "drivers licence", "driver license",
        "driver licence",
              "driving licence", "driving license", *_numbered("driver s license", "driver license",
              "driving licence", "drivers license",
              "driving license", "driver s licence", "license", "licence", "dl", "driver"), "dl",
              "permiso de conducir", "licencia de conducir", "carnet de conducir",
              "prawo jazdy", "prawa jazdy", "fuhrerschein", "fuhrerscheinnummer", "permis de conduire",
              "patente di guida", "patente",
              "carta de conducao", "cnh", "驾驶证号", "驾照号", "驾驶证档案编号"), 5,
    ),
    Label(
        "label.account", "bank_account",
        Words(*_numbered("account", "bank account", "acct", "checking account", "savings account", "routing", "aba",
        "sort", "transit", "iban",
                         "loan", "mortgage", "credit account", "brokerage account", "swift", "bic", "wire"),
              "account ending", "account", "sort code", "routing", "bank account", "checking account",
              "savings account", "numer konta", "nr konta", "numer rachunku", "nr rachunku", "rachunek bankowy",
              "konto bankowe", "konta bankowego", "kontonummer",
              "bankleitzahl", "blz", "numero de cuenta", "cuenta bancaria", "cuenta corriente", "numero de compte",
              "compte bancaire",
              "rib", "conto corrente", "numero di conto", "conta bancaria", "numero da conta", "conta corrente",
              "rekeningnummer",
              "银行账号", "银行卡号", "账号", "帐号", "银行账户", "开户行账户", "账户", "卡号", "口座番号",
            "계좌번호"), 6,
    ),
    Label(
        "label.card", "credit_card",
        Words(*_numbered("credit card", "debit card", "card", "payment card"), "credit card", "debit card",
        "numer karty", "nr karty", "karty kredytowej",
              "karta kredytowa", "kreditkartennummer", "kreditkarte", "kartennummer", "tarjeta de credito",
              "numero de tarjeta", "carte bancaire", "numero de carte",
              "carte de credit", "carta di credito", "numero di carta", "cartao de credito", "numero do cartao",
              "信用卡号"), 12,
    ),
    Label(
        "label.plate", "vehicle_plate",
        Words(*_numbered("license plate", "licence plate", "number plate", "plate", "vehicle registration",
        "registration", "vehicle identification", "vin", "vehicle", "chassis"),
              "license plate", "licence plate", "vin", "number plate", "matricula", "placa", "immatriculation",
              "targa", "kennzeichen",
              "fahrgestellnummer", "rejestracyjny", "rejestracyjnych", "nr rejestracyjny", "numer rejestracyjny",
              "numer vin", "bastidor", "车牌号", "车架号"), 3,
    ),
    Label(
        "label.person", "other_id",
        Words(
            *_numbered("customer", "client", "member", "membership", "employee", "staff", "student", "policy",
            "claim", "subscriber",
                       "badge", "personnel", "payroll", "participant", "applicant", "application",
                       "enrollment", "registration",
                       "certificate", "loyalty", "frequent flyer", "rewards", "customer account", "case", "inmate",
                       "professional license", "nursing license", "officer", "military",
                       "library card", "device", "imei", "imsi", "insurance policy", "worker", "known traveler",
                       "tenant", "gym", "biometric"),
            "employeeid", "id pracownika", "军官证", "customerid", "imei", "imsi", "iccid", "nocol", "no col", "n col",
            "num col", "colegiado",
            "numero de colegiado", "episodio", "expediente",
            "numero de cliente", "numero de socio", "numero de empleado", "numero de poliza", "poliza",
            "id de cliente", "nr klienta",
            "numer klienta", "numer polisy", "nr polisy", "polisa nr", "polisy nr", "numer legitymacji",
            "nr legitymacji",
            "nr pracownika", "numer pracownika", "numer czlonkowski", "numer albumu", "nr albumu", "numer indeksu",
            "id klienta", "identyfikator klienta",
            "numer ewidencyjny", "kundennummer", "kunden nr", "mitgliedsnummer", "personalnummer", "matrikelnummer",
            "vertragsnummer", "policennummer", "mitarbeiternummer", "numero client", "numero de client",
            "numero d adherent",
            "matricule", "numero de contrat", "codice cliente", "numero cliente", "numero di polizza", "matricola",
            "numero do cliente",
            "numero da apolice", "matricula", "客户编号", "客户号", "会员号", "会员编号", "员工编号", "工号",
            "员工号", "学号", "保单号", "合同编号",
            "用户编号",
        ), 4,
    ),
    Label(
        "label.short", "other_id",
        Words("medical record", "patient", "policy", "claim", "customer", "client", "member", "employee", "student",
        "user", "user id",
              "insurance", "license", "licence", "badge", "polisa", "klient", "pacjent", "pracownik", "cliente",
              "paciente", "poliza",
              "kunde", "patient", "client", "assicurato"), 5, full=False,
    ),
)  # fmt: skip

_JOIN = re.compile(
    r"""(?:[\s:：=#,"'`()\[\]|>*–\-.]{1,3}"""
    r"(?:(?:number|numbers|no|nr|num|id|is|was|are|as|of|code|card|for|ending|in|with|the|my|numer|numero|número|nummer|numéro|es|to|jest|"
    r"ist|lautet|est|foi|seria|i|e|y|n°|nº|°|º)(?![0-9A-Za-z]))?){0,4}"
    r"""[\s:：=#"'`()\[\]|>*º°–\-.]{0,3}(?:号码|号|为|是|：|:|의|는|은|は){0,3}\s?""",
    re.IGNORECASE,
)
_SAID = re.compile(r"[#:：№]|\bno\.|\bnr\b|nº")
_VALUE = re.compile(
    r"(?:[A-Za-z]{1,4}[\-/]|[A-Z]{1,4} )?(?=[A-Za-z]{0,12}[0-9])[0-9A-Za-z]{1,24}(?:[\-/.][0-9A-Za-z]{1,12}){0,6}"
    r"(?:[ ](?=[0-9A-Z]*[0-9])[0-9A-Z]{1,10}(?![a-z])){0,6}"
)
_WORTH_IT = re.compile(r"[0-9](?:[ \-./]?[0-9]){2}|[0-9][A-Za-z]")
_YEAR = re.compile(r"(?:19|20)\d\d(?:[-/.]\d\d?(?:[-/.]\d+)?)?|\d\d?[-/.]\d\d?[-/.](?:19|20)\d\d")
_ANY = Words(*(word for label in LABELS for word in label.words.spoken))
WORDS = (*(label.words for label in LABELS), _ANY)


def find_labelled(lexicon: Lexicon, sight: Sight) -> Iterator[Hit]:
    """The value after each label."""
    text = sight.text
    if _WORTH_IT.search(text) is None:
        return
    mentions = lexicon.read(sight)
    if not mentions.has(_ANY):
        return
    claims: list[Claim] = []
    whole = _VALUE.fullmatch(text) if mentions.names(_ANY) else None
    for label in LABELS:
        if whole is not None and mentions.names(label.words) and is_value(text, 0, len(text), label.least):
            claims.append(Claim(1, Hit(0, len(text), label.kind, label.id)))
        for _, after in mentions.of(label.words):
            joined = _JOIN.match(text, after)
            if joined is None or (joined.end() == after and text[after - 1].isascii()):
                continue
            if not label.full and _SAID.search(joined[0]) is None:
                continue
            match = _VALUE.match(text, joined.end())
            if match is None:
                continue
            start, end = match.span()
            if is_value(text, start, end, label.least) and not is_denied(mentions, start, end):
                claims.append(Claim(1, Hit(start, end, label.kind, label.id)))
    yield from settle(claims)


def is_value(text: str, start: int, end: int, least: int) -> bool:
    """Whether what stands after a label looks given, not counted: digits enough, no year, no sum of money."""
    value = text[start:end]
    digits = sum(letter.isdecimal() for letter in value)
    small = sum("a" <= letter <= "z" for letter in value)
    return digits >= least and small <= digits and _YEAR.fullmatch(value) is None and not is_cut(text, start, end)
