import pytest
from support.identifiers import wrong

from gateway.sensitivity.detectors.payment import IDENTIFIERS, ROWS, is_base58check, is_bech32
from gateway.sensitivity.sight import Sight

CASES = {
    "card": ("paid with 4111 1111 1111 1111 today", "paid with 4111 1111 1111 1112 today"),
}


def test_every_row_finds_its_own_and_not_its_look_alike():
    assert wrong(IDENTIFIERS, CASES) == []


@pytest.mark.parametrize(
    "number",
    ["378282246310005", "3714-496353-98431", "30569309025904", "6011111111111117", "3530111333300000", "5555555555554444",
     "2223003122003222", "6200000000000005", "4222222222222"],
)  # fmt: skip
def test_cards_of_every_scheme(number):
    assert wrong(IDENTIFIERS, {"card": (f"billed to {number} today", f"billed to {number}0 today")}) == []


FOUND = {
    "iban": [
        "GB82 WEST 1234 5698 7654 32", "pay de89370400440532013000 now", "PL61 1090 1014 0000 0712 1981 2874",
        "ES91-2100-0418-4502-0005-1332", "NO93 8601 1117 947", "my IBAN: DE89 3704 0044 0532 0130 01",
        "MT84MALT011000012345MTLCAST001S and more",
    ],
    "wallet.base58": ["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "to 3P14159f73E4gFr7JterCCQh9QjiTjiZrG now"],
    "wallet.bech32": [
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    ],
    "wallet.ethereum": ["send to 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"],
    "wallet.named": ["solana wallet 7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLtVx"],
    "bic": ["SWIFT: DEUTDEFF500", "our BIC is COBADEFF"],
}  # fmt: skip

NOT_FOUND = {
    "iban": [
        "GB82 WEST 1234 5698 7654 33",
        "GB82 WEST 1234 5698 7654 321",
        "XX82 WEST 1234 5698 7654 32",
        "GB82 WEST",
        "no12 apples",
    ],
    "wallet.base58": ["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"],
    "wallet.bech32": ["bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"],
    "wallet.ethereum": ["0x0000000000000000000000000000000000000000", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed00"],
    "wallet.named": ["7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLtVx"],
    "bic": ["SWIFT IS SOMEWHERE", "DEUTDEFF500 alone"],
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_detector_finds_its_own_and_not_its_look_alike(row):
    assert [text for text in FOUND[row.id] if not list(row.find(Sight(text)))] == []
    assert [text for text in NOT_FOUND[row.id] if list(row.find(Sight(text)))] == []


def test_an_iban_ends_where_its_country_says():
    [hit] = ROWS[0].find(Sight("on GB82 WEST 1234 5698 7654 32 by May"))
    assert (hit.start, hit.end) == (3, 30)


def test_checks_of_wallets():
    assert is_base58check("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa")
    assert not is_base58check("z" * 35)
    assert is_bech32("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")
