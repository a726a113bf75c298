"""All rows together: what the scanner's one pass must be able to rely on."""

import time

import pytest
import re2
from support.tokens import filled

from gateway.sensitivity.detectors import code, secrets
from gateway.sensitivity.sight import Sight

DETECTORS = (*secrets.ROWS, *code.ROWS)


def positives():
    """Every text in which a row finds something, from the tests of the families."""
    from sensitivity.detectors import test_connections, test_key_blocks, test_provider_tokens, test_vendor_tokens

    for module in (test_provider_tokens, test_vendor_tokens):
        yield from ((f"secrets.{row}", filled(token)) for row, token, _ in module.TABLE)
    yield from ((f"secrets.{row}", text) for row, text in test_key_blocks.FOUND)
    yield from ((f"secrets.{row}", text) for row, text, _ in test_connections.FOUND)


POSITIVES = list(positives())
PROSE = (
    "The committee met on Tuesday to discuss the long-term budget, which had been postponed twice. Marvin solved 40 problems "
    "today; how many did he solve yesterday? Options: (A) 12, (B) 20. It's a well-known fact that state-of-the-art methods "
    "don't always work: sometimes patience is the way to success. She said, “I would rather not pass on this.” "
)


@pytest.mark.parametrize(("row", "text"), POSITIVES)
def test_a_bundle_finds_what_its_rows_find(row, text):
    id = next(id for id, (_, rows) in secrets.TABLE.items() if row in {each.detector.id for each in rows})
    detector = next(each for each in secrets.ROWS if each.id == id)
    assert re2.search(detector.trigger, text)
    assert row in {hit.detector for hit in detector.find(Sight(text))}


def test_prose_meets_no_trigger():
    assert [row.id for row in DETECTORS if re2.search(row.trigger, PROSE)] == []


def test_ids_are_told_apart():
    ids = [row.detector.id for _, rows in secrets.TABLE.values() for row in rows]
    assert len(ids) == len(set(ids))


PIECES = [
    "password=", "password: a ", "key", "-----BEGIN RSA PRIVATE KEY-----", "AKIA", "ghp_", "sk-", "xoxb-", "eyJ", "eyJhbGci.", "://", "://a:b@",
    "a" * 40, "0123456789abcdef", "A1b2C3d4" * 8 + " ", ".", "-", "|", "$1$", "$2b$12$", ":::", "aB3.", "LS0tLS1CRUdJTi", "mysql -u root ",
    "psexec -u a ", "echo a ", "Authorization: Bearer ", "token = '", "'", '"', '"a": "b", ', "=", "/", "\\", "\n", " ", "{", "(", "[", "<a>",
    "def f(x):\n", "x = f(y);\n", "```\n", "```python\n", "10.1.2.3 ", "a.internal ", "http://a ", "a.", "//a.b:c/", "AZDO", "-us1", "{{a}} ", "${A} ",
    "identified by ", "seed phrase: ab ", "login a password ", "Id=aaaa:bbbb;", "'a', 'b', ", "is ", "secret is ", "пароль: з", "İ", "key=\n",
]  # fmt: skip


def seconds(find, text):
    sight = Sight(text)
    began = time.process_time()
    for _ in find(sight):
        pass
    return time.process_time() - began


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda row: row.id)
def test_time_is_linear(detector):
    """Four times the text may not take eight times the time, for anything repeated; a busy machine gets three tries."""
    slow = []
    for piece in PIECES:
        short, long = (piece * (size // len(piece)) for size in (8_000, 32_000))
        for _ in range(3):
            once, more = seconds(detector.find, short), seconds(detector.find, long)
            if more < 0.01 or more < 8 * once:
                break
        else:
            slow.append((piece, once, more))
    assert slow == []


@pytest.mark.parametrize("text", ["", "ABC", "İSTANBUL: Şifre", "ẞ", "ΑΣ"])
def test_lower_case_keeps_every_character_at_its_place(text):
    assert len(Sight(text).low) == len(text)
