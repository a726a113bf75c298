"""Names lead to backends, and a fact nobody declared is unknown."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.catalog import AUTO, PASSPORT, Backend, Timeouts, granted, names, needed


def backend(id, *aliases, **passport):
    return Backend(id, "openai", "http://127.0.0.1:1/v1", f"{id}-model", passport, aliases)


LOCAL = backend("local", "fast", "small", zone="inhouse")
CLOUD = backend("cloud", "fast", zone="us-vendors")
PLAIN = backend("plain")


@pytest.mark.parametrize(
    ("backends", "expected"),
    [
        ((), {AUTO: ()}),
        ((PLAIN,), {AUTO: (PLAIN,), "plain": (PLAIN,)}),
        (
            (LOCAL, CLOUD, PLAIN),
            {
                AUTO: (LOCAL, CLOUD, PLAIN),
                "local": (LOCAL,),
                "cloud": (CLOUD,),
                "plain": (PLAIN,),
                "fast": (LOCAL, CLOUD),
                "small": (LOCAL,),
            },
        ),
        (
            (CLOUD, LOCAL),
            {AUTO: (CLOUD, LOCAL), "cloud": (CLOUD,), "local": (LOCAL,), "fast": (CLOUD, LOCAL), "small": (LOCAL,)},
        ),
    ],
)
def test_every_name_has_its_backends(backends, expected):
    assert expected == names(backends)


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("uvwxyz"), unique=True, max_size=3), max_size=6)
)
@settings(max_examples=100, deadline=None)
def test_a_name_leads_only_to_those_that_bear_it(aliases):
    backends = tuple(backend(id, *also) for id, also in aliases.items())
    table = names(backends)
    assert {AUTO, *aliases, *(alias for also in aliases.values() for alias in also)} == set(table)
    for name in set(table) - {AUTO}:
        assert tuple(each for each in backends if name in (each.id, *each.aliases)) == table[name]


@pytest.mark.parametrize(
    ("of", "name", "expected"),
    [(LOCAL, "zone", "inhouse"), (LOCAL, "region", None), (PLAIN, "zone", None), (PLAIN, "no such fact", None)],
)
def test_a_missing_fact_is_unknown_and_never_assumed(of, name, expected):
    assert expected == of.fact(name)


@pytest.mark.parametrize("name", PASSPORT)
def test_a_declared_fact_is_told_as_it_is(name):
    assert backend("any", **{name: "said"}).fact(name) == "said"


@pytest.mark.parametrize(("of", "expected"), [(LOCAL, "inhouse"), (CLOUD, "us-vendors"), (PLAIN, "unknown")])
def test_the_zone_is_always_shown(of, expected):
    assert expected == of.zone


def test_what_is_undeclared_is_absent():
    expected = (None, None, None, None, frozenset({"chat"}), Timeouts())
    actual = (PLAIN.key_ref, PLAIN.context, PLAIN.max_output, PLAIN.price, PLAIN.capabilities, PLAIN.timeouts)
    assert expected == actual


def test_no_field_holds_a_secret():
    assert {"key", "api_key", "token", "secret"}.isdisjoint(Backend.__struct_fields__)


@pytest.mark.parametrize("value", [LOCAL, Timeouts()])
def test_the_catalog_is_frozen(value):
    with pytest.raises(AttributeError):
        setattr(value, msgspec.structs.fields(value)[0].name, "other")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((), {"chat"}),
        (("tools", "vision"), {"chat", "tools", "vision"}),
        (("chat", "responses"), {"chat", "responses"}),
        (("embeddings",), {"embeddings"}),
        (("responses", "tools"), {"responses", "tools"}),
    ],
)
def test_a_request_that_is_not_said_to_be_anything_else_is_a_chat(said, expected):
    assert needed(said) == expected


@pytest.mark.parametrize(
    ("deployment", "fetches"), [("vendor_api", True), ("hosted_elsewhere", True), ("self_hosted", False), (None, False)]
)
def test_what_is_ours_fetches_nothing_unless_its_row_says_so(deployment, fetches):
    assert granted(["chat"], deployment) == {"chat", *(("urls",) if fetches else ())}
    assert granted(["chat", "urls"], deployment) == {"chat", "urls"}
