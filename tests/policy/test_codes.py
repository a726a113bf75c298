"""The table of codes is the list of codes: nothing is used that it does not explain, nothing explained that is unused."""

import re
from pathlib import Path

from gateway.policy.codes import CODES

GATEWAY = Path(__file__).parents[2] / "gateway"
USED = {
    code
    for path in GATEWAY.rglob("*.py")
    if path.name != "codes.py"
    for code in re.findall(r"\"(P\d{3})\"", path.read_text())
}


def test_every_code_that_is_used_is_explained():
    assert sorted(USED - CODES.keys()) == []


def test_every_code_that_is_explained_is_used():
    assert sorted(CODES.keys() - USED) == []


def test_codes_are_in_order_and_say_what_to_do():
    assert list(CODES) == sorted(CODES)
    assert [id for id, code in CODES.items() if not (code.meaning and code.remedy)] == []
