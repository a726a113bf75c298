"""Provider keys: found where the catalog says, and never printed."""

import copy
import logging
import pickle

import pytest

from gateway.adapters.secrets import Secret, find, not_offered
from gateway.core.catalog import Backend

VALUE = "sk-live-0123456789"


def value(secret):
    return None if secret is None else secret.reveal()


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (VALUE, VALUE),
        (f"  {VALUE}\n", VALUE),
        (None, None),
        ("", None),
        (" \n", None),
        ("a\nb", None),  # it would end a header
        ("a\x1bb", None),
        ("schlüssel", None),
    ],
)
def test_a_key_from_the_environment_and_from_a_file(monkeypatch, tmp_path, held, expected):
    path = tmp_path / "key"
    if held is None:
        monkeypatch.delenv("A_KEY", raising=False)
    else:
        monkeypatch.setenv("A_KEY", held)
        path.write_text(held, encoding="utf-8")
    assert [value(find("env:A_KEY")), value(find(f"file:{path}"))] == [expected, expected]


@pytest.mark.parametrize(
    ("named", "held", "expected"),
    [
        (None, VALUE, VALUE),
        ("", f"{VALUE}\n", VALUE),
        (" ", VALUE, VALUE),
        ("sk-of-the-environment", VALUE, "sk-of-the-environment"),
        (None, " ", None),
        (None, "a\nb", None),
        (None, None, None),
    ],
)
def test_a_key_of_the_environment_may_be_mounted(monkeypatch, tmp_path, named, held, expected):
    if held is not None:
        (tmp_path / "key").write_text(held)
    monkeypatch.setenv("A_KEY_FILE", str(tmp_path / "key"))
    if named is None:
        monkeypatch.delenv("A_KEY", raising=False)
    else:
        monkeypatch.setenv("A_KEY", named)
    assert value(find("env:A_KEY")) == expected
    backend = Backend("a", "openai", "http://x", "a", {}, key_ref="env:A_KEY")
    reason = {} if expected else {"a": "the file that A_KEY_FILE names is missing or empty"}
    assert not_offered([backend]) == reason


def test_a_file_that_cannot_be_read_is_missing(tmp_path):
    (tmp_path / "latin").write_bytes(b"\xff\xfe")
    assert [find(f"file:{tmp_path / name}") for name in ("latin", "none", ".")] == [None, None, None]


def test_a_path_may_hold_colons(tmp_path):
    (tmp_path / "a:b").write_text(VALUE)
    assert value(find(f"file:{tmp_path}/a:b")) == VALUE


@pytest.mark.parametrize(
    "shown",
    [
        repr,
        str,
        "{}".format,
        "{!r}".format,
        "%s".__mod__,
        lambda secret: f"{secret}",
        lambda secret: f"{[secret]} { ({'k': secret}) }",
    ],
)
def test_no_way_to_print_shows_the_value(shown):
    said = shown(Secret(VALUE))
    assert ("***" in said, VALUE in said) == (True, False)


def test_no_log_and_no_error_shows_the_value(caplog):
    secret = Secret(VALUE)
    logging.getLogger("x").error("key %s %r", secret, secret)
    with pytest.raises(TypeError) as error:
        _ = secret + "x"
    with pytest.raises(TypeError) as formatted:
        f"{secret:>20}"
    assert [VALUE in text for text in (caplog.text, str(error.value), str(formatted.value))] == [False] * 3


def test_a_secret_has_no_dict_and_reveals_only_when_asked():
    secret = Secret(VALUE)
    assert (hasattr(secret, "__dict__"), secret.reveal()) == (False, VALUE)
    assert copy.copy(secret).reveal() == pickle.loads(pickle.dumps(secret)).reveal() == VALUE


def test_what_is_not_offered_has_its_reason(monkeypatch, tmp_path):
    monkeypatch.setenv("A_KEY", VALUE)
    monkeypatch.setenv("EMPTY_KEY", " ")
    monkeypatch.delenv("NO_KEY", raising=False)
    (tmp_path / "key").write_text(VALUE)
    (tmp_path / "empty").write_text("\n")
    references = {
        "keyless": None,
        "env": "env:A_KEY",
        "file": f"file:{tmp_path}/key",
        "env-none": "env:NO_KEY",
        "env-empty": "env:EMPTY_KEY",
        "file-none": f"file:{tmp_path}/none",
        "file-empty": f"file:{tmp_path}/empty",
    }
    backends = [Backend(id, "openai", "http://x", id, {}, key_ref=reference) for id, reference in references.items()]
    assert not_offered(backends) == {
        "env-none": "NO_KEY is not set",
        "env-empty": "EMPTY_KEY is not set",
        "file-none": "its key file is missing or empty",
        "file-empty": "its key file is missing or empty",
    }


def test_a_reason_names_no_path_and_no_value(monkeypatch, tmp_path):
    monkeypatch.setenv("A_KEY", "schlüssel-0123")
    backends = [
        Backend("a", "openai", "http://x", "a", {}, key_ref="env:A_KEY"),
        Backend("b", "openai", "http://x", "b", {}, key_ref=f"file:{tmp_path}/b"),
    ]
    said = " ".join(not_offered(backends).values())
    assert ("schlüssel" in said, str(tmp_path) in said) == (False, False)


@pytest.mark.parametrize(
    ("key", "data", "shown"),
    [
        (VALUE, f"Incorrect API key provided: {VALUE}.", f"Incorrect API key provided: {'*' * len(VALUE)}."),
        (VALUE, "hello", "hello"),
        ("EMPTY", "the list is EMPTY", "the list is EMPTY"),
    ],
)
def test_whoever_repeats_it_is_not_repeated(key, data, shown):
    assert Secret(key).out_of(data.encode()) == shown.encode()


@pytest.mark.parametrize(
    ("data", "begun"),
    [
        (b"", 0),
        (b"no", 0),
        (b"so s", 1),
        (b"sk-proj-0123456789abcde", 23),
        (b"sk-proj-0123456789abcdef", 0),
        (b"sk-sk-proj", 7),
        (b"ssss", 1),
    ],
)
def test_the_beginning_of_a_value_is_seen(data, begun):
    assert Secret("sk-proj-0123456789abcdef").begun_in(data) == begun
    assert Secret("short").begun_in(b"sho") == 0
