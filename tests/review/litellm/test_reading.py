"""Configs and lists of keys become plain values, exactly or not at all."""

from decimal import Decimal

import pytest

from gateway.review.litellm.reading import (
    MAX_BYTES,
    config_in,
    decimal_of,
    included_in,
    keys_in,
    together,
    whole_of,
)
from gateway.review.litellm.values import Unreadable


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1.5", Decimal("1.5")),
        ("0.00000015", Decimal("0.00000015")),
        ("1.0e-06", Decimal("0.000001")),
        ("1e-6", "1e-6"),  # text in YAML 1.1, and a number all the same: see decimal_of
        (".inf", ".inf"),
        ("2024-02-01", "2024-02-01"),
        ("yes", True),
        ("~", None),
        ("os.environ/KEY", "os.environ/KEY"),
    ],
)
def test_values(written, value):
    assert config_in(f"a: {written}\n".encode()) == {"a": value}


def test_anchors_and_merges_are_read():
    assert config_in(b"a: &x {k: 1}\nb: {<<: *x, l: 2}\n1: c\n") == {"a": {"k": 1}, "b": {"k": 1, "l": 2}, "1": "c"}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "no sections"),
        (b"- 1", "no sections"),
        (b"a: [", "not YAML at line"),
        (b"a: \x00", "not YAML"),
        (b"a: !!python/object:os.system {}", "not YAML at line 1"),
        (b"a: 2024-99-99\nb: !!int x", "not YAML: ValueError"),
        (b"\xff", "not UTF-8"),
        (b"#" * (MAX_BYTES + 1), "larger than"),
        (b"[" * 5000, "nested deeper"),
        (b"k0: &k0 [x]\n" + b"".join(b"k%d: &k%d [*k%d]\n" % (n, n, n - 1) for n in range(1, 3000)), "nested deeper"),
        (b"a: 1\nb:\n  c: 1\n  c: 2", "line 4 has a key for the second time"),
        (b"a: &a [*a]", "inside of itself"),
        (b"\n".join(b"%c: &%c [%s]" % (c, c, b",".join([b"*%c" % (c - 1)] * 9) if c > 97 else b"x") for c in range(97, 107)),
         "more than"),
    ],
)  # fmt: skip
def test_what_is_no_config(raw, said):
    with pytest.raises(Unreadable, match=said):
        config_in(raw)


def test_what_is_included_goes_on_lists_and_replaces_the_rest():
    whole = together(
        {"include": ["b"], "model_list": [1], "litellm_settings": {"a": 1}},
        [{"model_list": [2], "litellm_settings": {"b": 2}}],
    )
    assert whole == {"include": ["b"], "model_list": [1, 2], "litellm_settings": {"b": 2}}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"backends": {}}, "no config of LiteLLM"),
        ({"model_list": []}, "no config of LiteLLM"),
        ({"model_list": {"a": 1}}, "`model_list` is no list"),
        ({"model_list": [1], "router_settings": [1]}, "`router_settings` has no fields"),
    ],
)
def test_what_is_no_config_of_litellm(config, said):
    with pytest.raises(Unreadable, match=said):
        together(config, [])


def test_includes():
    assert included_in({}) == ()
    assert included_in({"include": "a.yaml"}) == ("a.yaml",)
    assert included_in({"include": ["a.yaml", "b.yaml"]}) == ("a.yaml", "b.yaml")
    with pytest.raises(Unreadable, match="no list of files"):
        included_in({"include": [1]})


@pytest.mark.parametrize(
    ("raw", "keys", "pages"),
    [
        (b'{"keys": [{"key_alias": "a", "max_budget": 0.1}], "total_pages": 3}',
         [{"key_alias": "a", "max_budget": Decimal("0.1")}], 3),
        (b'[{"key_alias": "a"}]', [{"key_alias": "a"}], 1),
        (b'{"data": [{"key": "x", "info": {"key_alias": "a"}}]}', [{"key_alias": "a"}], 1),
        (b'{"keys": []}', [], 1),
    ],
)  # fmt: skip
def test_keys(raw, keys, pages):
    assert keys_in(raw) == (keys, pages)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"{", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"{}", "no list of keys"),
        (b'{"keys": ["88dc"]}', "only hashes"),
    ],
)
def test_what_are_no_keys(raw, said):
    with pytest.raises(Unreadable, match=said):
        keys_in(raw)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, Decimal(1)), ("1e-6", Decimal("0.000001")), (Decimal("0.1"), Decimal("0.1")),
        (True, None), ("x", None), ("NaN", None), (None, None), ([], None),
    ],
)  # fmt: skip
def test_decimals(value, number):
    assert decimal_of(value) == number


@pytest.mark.parametrize(
    ("value", "number"), [(5, 5), ("5", 5), (Decimal("5.0"), 5), (0, None), (-1, None), ("5.5", None)]
)
def test_whole_numbers(value, number):
    assert whole_of(value) == number
