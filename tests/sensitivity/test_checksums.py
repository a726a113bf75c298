import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sensitivity import checksums

PUBLISHED = (
    (checksums.luhn, "79927398713", "79927398710"),  # ISO/IEC 7812
    (checksums.luhn, "4111111111111111", "4111111111111112"),
    (checksums.verhoeff, "2363", "2364"),  # Verhoeff 1969: 236 has the check 3
    (checksums.mod11_10, "33392005961", "33392005960"),  # Croatian OIB
    (checksums.mod11_10, "86095742719", "86095742718"),  # German tax id
    (checksums.mod11_2, "11010519491231002X", "110105194912310021"),  # GB 11643
    (checksums.mod11_2, "0000000218250097", "0000000218250098"),  # ORCID
)


@pytest.mark.parametrize(("check", "right", "wrong"), PUBLISHED)
def test_published_examples(check, right, wrong):
    assert check(right)
    assert not check(wrong)


def test_iban_of_the_registry():
    assert checksums.mod97("WEST12345698765432GB82") == 1
    assert checksums.mod97("WEST12345698765432GB83") != 1


def test_icao_9303():
    assert checksums.icao("L898902C") == 3
    assert checksums.icao("740812") == 2


@given(st.text(string.digits, min_size=3, max_size=18), st.data())
def test_one_wrong_digit_is_always_caught(body, data):
    for check in (checksums.luhn, checksums.verhoeff):
        right = next(body + digit for digit in string.digits if check(body + digit))
        place = data.draw(st.integers(0, len(body)))
        digit = data.draw(st.sampled_from(sorted(set(string.digits) - {right[place]})))
        assert not check(right[:place] + digit + right[place + 1 :])


@pytest.mark.parametrize("text", ["", "a", "12a4", "½", "٣"])
def test_what_is_no_number_passes_nowhere(text):
    assert not checksums.luhn(text + "x")
    assert not checksums.verhoeff(text + "x")


@pytest.mark.parametrize(
    ("day", "exists"),
    [((2024, 2, 29), True), ((2023, 2, 29), False), ((1900, 2, 29), False), ((2000, 2, 29), True), ((2024, 4, 31), False),
     ((2024, 13, 1), False), ((2024, 0, 1), False), ((2024, 1, 0), False)],
)  # fmt: skip
def test_days(day, exists):
    assert checksums.is_date(*day) is exists


def test_days_as_they_are_written():
    assert checksums.yymmdd("991231")
    assert checksums.ddmmyy("311299")
    assert checksums.yyyymmdd("19991231")
    assert not checksums.yyyymmdd("17991231")
    assert not checksums.varied("000")
    assert checksums.worth("Z") == 35
    assert checksums.worth("-") == 0
    assert checksums.digits_sum("79", (2, 1)) == 1 + 4 + 9
