from functools import partial

import pytest

from gateway.sensitivity.detectors.labelled import LABELS, WORDS, find_labelled
from gateway.sensitivity.lexicon import Lexicon
from gateway.sensitivity.shapes import DENIALS
from gateway.sensitivity.sight import Sight

find = partial(find_labelled, Lexicon((*WORDS, DENIALS)))

FOUND = (
    ("medical_id", "MRN: 0034512"), ("medical_id", "NHC: 287256/75"), ("medical_id", "CIPA: nhc-915943"), ("medical_id", "住院号：0012345678"),
    ("medical_id", "Her patient ID is P-88213."), ("medical_id", "Health insurance number XYZ123456789"),
    ("national_id", "NASS: 34 5647382945"), ("national_id", "national ID number 8503124567"), ("national_id", "seria i numer dowodu: ABC 123456"),
    ("tax_id", "VAT number: 12345678"), ("passport", "My passport number is X1234567."), ("passport", "护照号码为E12345678"),
    ("driver_license", "driver's license: D1234567"), ("driver_license", "licence no. 12-345-678"),
    ("bank_account", "account number is 000123456789"), ("bank_account", "nr konta: 12345678"), ("bank_account", "My account ending in 123456789"),
    ("credit_card", "credit card number 4532 1234 5678 9012"), ("vehicle_plate", "license plate is 7ABC123"), ("vehicle_plate", "VIN: 1HGCM82633A004352"),
    ("other_id", "My employee ID is EMP-48213."), ("other_id", "Numer klienta 00123456"), ("other_id", "NºCol: 28 28 57103"),
    ("other_id", "Episodio: 524652564"), ("other_id", "customer no: C-102938"), ("other_id", "会员号88812345"), ("other_id", "Kundennummer: 4711-0815"),
    ("other_id", "Employee: E-20934"), ("other_id", "medical record #4567891"),
)  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), FOUND)
def test_a_label_and_its_value(kind, text):
    assert [hit.kind for hit in find(Sight(text))] == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "account 2023", "the account of 1,234,567 people", "account number", "customer number one", "the patient was born 12/05/1980",
        "employee ID format", "member number 12", "not a passport number: X1234567", "page number 12345", "model number 123456",
        "account balance: 12345.67", "passport expires 2029", "user id = identifier1", "user 12345 logged in", "the patient 123456 times", "invoice 2024/05/1234 of VAT number 2024/05/1234", "order number 12345678", "my account has 123456 points",
        "the card number on page 12", "licence 2 or later", "policy number must be given within 30 days",
    ],
)  # fmt: skip
def test_a_number_that_is_no_ones(text):
    assert [text[hit.start : hit.end] for hit in find(Sight(text))] == []


@pytest.mark.parametrize(
    ("key", "text", "found"),
    [
        ("patient_id", "P-88213", ["medical_id"]),
        ("employeeId", "E20934", ["other_id"]),
        ("page_number", "20934", []),
        ("patient_id", "the 12345 steps", []),
    ],
)
def test_the_name_of_a_member_is_a_label(key, text, found):
    assert [hit.kind for hit in find(Sight(text, key))] == found


def test_every_label_has_a_case():
    assert {kind for kind, _ in FOUND} == {label.kind for label in LABELS}
