from functools import partial

import pytest

from gateway.sensitivity.detectors.phones import WORDS, find_phone
from gateway.sensitivity.lexicon import Lexicon
from gateway.sensitivity.sight import Sight

find = partial(find_phone, Lexicon(WORDS))

NUMBERS = (
    "+1 (212) 555-0187", "+442079460958", "+44 20 7946 0958", "+49 (0)30 1234567", "+48 601-234-567", "0034 91 123 45 67",
    "+86 138 1234 5678", "+852 2345 6789", "(212) 555-0187", "212-555-0187", "212.555.0187", "1-800-555-0187",
    "212-555-0187x123", "001-755-329-4431", "06 12 34 56 78", "06.12.34.56.78", "07700 900123", "020 7946 0958",
    "0532 123 45 67", "0 (532) 123 45 67", "(11) 98765-4321", "138-1234-5678", "98765 43210", "090-1234-5678", "010-1234-5678",
    "0412 345 678", "8 (495) 123-45-67",
)  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_that_need_no_word(number):
    text = f"We agreed on {number} for now"
    assert [text[hit.start : hit.end] for hit in find(Sight(text))] == [number]


@pytest.mark.parametrize(
    "text",
    [
        "How to reach you? Call 73 448 266", "tel. 609 518571", "Tfno.+34679802102", "Telefon: 030 12345678", "fax (022) 0793-176",
        "mobile: 9469 9966", "zadzwoń pod 601234567", "电话：62345678", "9885 1152-Office", "phone 212 555 0187 ext. 12", "+12125550187",
        "13812345678", "他的手机13812345678", "call 33 93 31", "5321234567", "Komórka: 501-234-567", "T. móvil 612 345 678",
        "whatsapp 5512345678", "トクダ 電話 03-1234-5678",
    ],
)  # fmt: skip
def test_numbers_beside_a_word_or_alone(text):
    assert list(find(Sight(text)))


@pytest.mark.parametrize(
    "text",
    [
        "called on 2024-01-15 12:30", "call me on 12/05/2023", "She called 3 times and sold 1234567 apples.", "1 000 000 calls",
        "the years 1990-1995", "ISBN 978-83-01-00000-1", "10.0.19045", "192.168.100.200", "3.14159265358979", "+1 + 2 = 3",
        "price 123 456 789 zł", "0 1 1 0 1 0 1 1", "+999 123", "$212-555-0187", "id_212-555-0187", "212-555-01871", "112-155-0187",
        "0034567890124", "tel. 000000000", "12345678901234567890", "8 ( 9 ) 2 1", "1234-5678-9012",
    ],
)  # fmt: skip
def test_numbers_that_are_none(text):
    assert [text[hit.start : hit.end] for hit in find(Sight(text))] == []
