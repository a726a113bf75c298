"""The catalog and the price book, from their files to backends: connection, price, passport, status by date, substitutes."""

from decimal import Decimal

import pytest
from support.policy_trees import FACTS, places, policy, read, rule

from gateway.core.catalog import PASSPORT, Backend, Timeouts, names
from gateway.core.price import Machine, per_gpu_hour, per_million
from gateway.policy.decide import Eligibility

PRICES = """\
version: v1
models:
  gpt: {input: 4, output: 20, source: list, date: 2026-11-22}
"""
CATALOG = """\
backends:
  gpt:
    provider: openai
    price: book
    deployment: vendor_api
"""
BASE = {"prices.yaml": PRICES, "catalog/a.yaml": CATALOG}


def with_row(fields, name="x", provider="openai"):
    return BASE | {"catalog/b.yaml": f"backends:\n  {name}:\n    provider: {provider}\n    {fields}\n"}


def backends(files, **options):
    parsed = read(files, **options)
    assert parsed.problems == ()
    return parsed.bundle.backends


def test_a_backend_is_read_whole():
    entry = """\
backends:
  qwen:
    provider: vllm
    base_url: http://qwen:8000/v1/
    api_key: env:QWEN
    model: qwen3
    reports_as: [qwen3-instruct, Our Qwen]
    aliases: [smart, big]
    timeout: {connect: 1s, idle: 500ms}
    capabilities: [chat, tools]
    context: 4096
    max_output: 512
    price: {gpu_hour: 16.80, tokens_per_second: 1800}
    deployment: self_hosted
    zone: inhouse
    region: eu
    weights_origin: cn
    operator_origin: us
    licence: mit
    status: active
    retention: none
    trains_on_data: never
    audience: anyone
    eligible_persons: [us_person, eu_person]
    substitute: gpt
    source: CMDB
    review_by: 2027-02-01
"""
    (found, _) = backends({"catalog/0.yaml": entry, "catalog/a.yaml": "backends: {gpt: {provider: openai}}"})
    assert found == Backend(
        id="qwen",
        provider="vllm",
        base_url="http://qwen:8000/v1",
        model="qwen3",
        passport={
            "deployment": "self_hosted",
            "zone": "inhouse",
            "region": "eu",
            "weights_origin": "cn",
            "operator_origin": "us",
            "licence": "mit",
            "status": "active",
            "retention": "none",
            "trains_on_data": "never",
            "audience": "anyone",
            "eligible_persons": frozenset({"us_person", "eu_person"}),
        },
        aliases=("smart", "big"),
        key_ref="env:QWEN",
        timeouts=Timeouts(connect=1.0, idle=0.5),
        capabilities=frozenset({"chat", "tools"}),
        context=4096,
        max_output=512,
        price=per_gpu_hour("catalog:qwen", usd_per_hour=Decimal("16.80"), tokens_per_second=Decimal(1800)),
        substitute="gpt",
        review_by="2027-02-01",
        machine=Machine(Decimal("16.80"), Decimal(1800)),
        reports_as=("qwen3-instruct", "Our Qwen"),
    )
    assert set(found.passport) == set(PASSPORT)


def test_what_a_backend_leaves_out_has_defaults():
    (found,) = backends(BASE)
    price = per_million("v1:gpt", input=Decimal(4), output=Decimal(20))
    assert found == Backend(
        "gpt",
        "openai",
        "https://api.openai.com/v1",
        "gpt",
        {"deployment": "vendor_api"},
        price=price,
        capabilities=frozenset({"chat", "urls"}),
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("region: eu", None),
        ("price: {input: 1, output: 2.5}", per_million("catalog:x", input=Decimal(1), output=Decimal("2.5"))),
        (
            "price: {input: 1, output: 2, cache_read: 0, cache_write: 0.000001, reasoning: 3}",
            per_million(
                "catalog:x",
                input=Decimal(1),
                output=Decimal(2),
                cache_read=Decimal(0),
                cache_write=Decimal("0.000001"),
                reasoning=Decimal(3),
            ),
        ),
        ("price: book\n    model: gpt", per_million("v1:gpt", input=Decimal(4), output=Decimal(20))),
    ],
)
def test_a_price(written, expected):
    assert backends(with_row(written))[1].price == expected


def test_what_has_no_price_costs_the_dearest_of_the_list_where_that_is_allowed():
    book = PRICES.replace("models:", "unpriced: allow\nmodels:")
    assert backends(with_row("region: eu"))[1].price is None
    assert backends(with_row("region: eu") | {"prices.yaml": book})[1].price == per_million(
        "unpriced", input=Decimal(4), output=Decimal(20)
    )
    empty = "version: v1\nunpriced: allow\nmodels: {}"
    assert backends({"catalog/a.yaml": "backends: {gpt: {provider: openai}}", "prices.yaml": empty})[0].price is None


@pytest.mark.parametrize(
    ("files", "place", "message"),
    [
        (with_row("region: eu", provider="opnai"), "3:15 P103", "unknown provider `opnai`; did you mean `openai`?"),
        (with_row("capabilities: [chat, vison]"), "4:26 P103", "unknown capability `vison`; did you mean `vision`?"),
        (with_row("region: eu\n    zone: inhose"), "5:11 P103", "unknown value `inhose` for backend.zone; did you mean `inhouse`?"),
        (with_row("zone: x"), "4:11 P103", "unknown value `x` for backend.zone; known: inhouse, us-vendors"),
        (with_row("eligible_persons: [us_person, martian]"), "4:35 P103", "unknown value `martian` for backend.eligible_persons; known: eu_person, us_person"),
        (with_row("status: off"), "4:13 P103", "unknown value `off` for backend.status; known: active, retired, sunset, suspended"),
        (with_row("status:\n      active: 2026-01-01\n      gone: 2026-02-01"), "6:7 P103", "unknown value `gone` for backend.status; known: active, retired, sunset, suspended"),
        (with_row("status: {active: 2026-01-01, retired: 2026-01-01}"), "4:13 P102", "two statuses begin on the same day"),
        (with_row("region: eu", "gpt"), "2:3 P105", "backend `gpt` is declared twice, first at catalog/a.yaml:2:3"),
        (with_row("aliases: [a, gpt]"), "4:18 P105", "alias `gpt` is also a backend, at catalog/a.yaml:2:3"),
        (with_row("aliases: [x]"), "4:15 P105", "alias `x` is also a backend, at catalog/b.yaml:2:3"),
        (with_row("aliases: [auto]"), "4:15 P105", "`auto` stands for every backend and cannot be a name"),
        (with_row("region: eu", "auto"), "2:3 P105", "`auto` stands for every backend and cannot be a name"),
        (with_row("aliases: [s, s]"), "4:18 P105", "alias `s` is given twice"),
        (with_row("reports_as: [y, z, y]"), "4:24 P105", "`y` is given twice: `reports_as` lists names beside the `model`"),
        (with_row("model: y\n    reports_as: [y]"), "5:18 P105", "`y` is given twice: `reports_as` lists names beside the `model`"),
        (with_row("region: eu", provider="vllm"), "2:3 P107", "backend `x` needs a `base_url`: `vllm` has no default"),
        (with_row("price: book"), "4:12 P108", "the price book has no model `x`; known: gpt"),
        (with_row("price: book\n    model: gtp"), "4:12 P108", "the price book has no model `gtp`; did you mean `gpt`?"),
        (with_row("substitute: gtp"), "4:17 P103", "a substitute is another backend; did you mean `gpt`?"),
        (with_row("substitute: x"), "4:17 P103", "a substitute is another backend; did you mean `x`?"),
        (with_row("aliases: [big]\n    substitute: big"), "5:17 P103", "a substitute is another backend; known: gpt, x"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_place_and_a_hint(files, place, message):
    (problem,) = read(files).problems
    assert (f"{problem.mark} {problem.code}", problem.message) == (f"catalog/b.yaml:{place}", message)


def test_a_bad_price_book_is_told_once():
    files = with_row("price: book") | {"prices.yaml": PRICES.replace("source: list, ", "")}
    assert places(read(files)) == ["prices.yaml:3:8 P102"]


def test_a_bad_file_of_the_catalog_is_told_once():
    files = with_row("substitute: y") | {
        "catalog/c.yaml": "backends: {y: {provder: openai}}",
        "policies/a.yaml": policy(rule("permit", to={"backend": "y"})),
    }
    assert [each.split(":")[0] for each in places(read(files))] == ["catalog/c.yaml", "catalog/c.yaml"]


# Status, by date.

DATED = "status: {active: 2026-01-01, suspended: 2026-06-15, retired: 2027-01-01}"


@pytest.mark.parametrize(
    ("today", "status"),
    [
        ("2025-12-31", None),
        ("2026-01-01", "active"),
        ("2026-06-14", "active"),
        ("2026-06-15", "suspended"),
        ("2026-12-31", "suspended"),
        ("2027-01-01", "retired"),
        ("9999-12-31", "retired"),
    ],
)
def test_a_status_begins_on_its_day(today, status):
    assert backends(with_row(DATED), today=today)[1].fact("status") == status


def test_before_its_first_day_a_status_is_unknown_and_so_held_against_the_backend():
    rules = policy(rule("permit"), rule("forbid", to={"status": ["suspended", "retired"]}))
    admitted = {}
    for today in ("2025-12-31", "2026-01-01", "2026-06-15"):
        files = with_row(DATED) | {"policies/a.yaml": rules}
        verdicts = Eligibility(read(files, today=today).bundle).ask(FACTS).verdicts
        admitted[today] = verdicts["x"].permitted
    assert admitted == {"2025-12-31": False, "2026-01-01": True, "2026-06-15": False}


def test_the_order_of_dates_in_the_file_does_not_matter():
    mixed = "status: {retired: 2027-01-01, active: 2026-01-01, suspended: 2026-06-15}"
    assert backends(with_row(mixed), today="2026-07-01")[1].fact("status") == "suspended"


# Substitutes.


def served(rows, today="2026-11-22"):
    """The backends behind each name."""
    catalog = {"backends": {id: {"provider": "openai"} | row for id, row in rows.items()}}
    table = names(backends({"catalog/a.yaml": catalog}, today=today))
    return {name: [each.id for each in behind] for name, behind in table.items() if name != "auto"}


def off(substitute, **fields):
    return {"status": "suspended", "substitute": substitute} | fields


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ({"a": {"status": "active", "substitute": "b"}, "b": {}}, {"a": ["a"], "b": ["b"]}),
        ({"a": {"substitute": "b"}, "b": {}}, {"a": ["a"], "b": ["b"]}),  # nobody says that it is off
        ({"a": {"status": "sunset", "substitute": "b"}, "b": {}}, {"a": ["a"], "b": ["b"]}),
        ({"a": off("b"), "b": {}}, {"a": ["a", "b"], "b": ["b"]}),
        ({"a": {"status": "retired", "substitute": "b"}, "b": {}}, {"a": ["a", "b"], "b": ["b"]}),
        ({"a": off("b", aliases=["smart"]), "b": {}}, {"a": ["a", "b"], "smart": ["a", "b"], "b": ["b"]}),
        ({"a": off("b"), "b": {"aliases": ["smart"]}}, {"a": ["a", "b"], "b": ["b"], "smart": ["b"]}),
        ({"a": off("b", aliases=["s"]), "b": {}, "c": {"aliases": ["s"]}}, {"a": ["a", "b"], "s": ["a", "b", "c"], "b": ["b"], "c": ["c"]}),
        ({"a": off("b", aliases=["s"]), "b": {}, "c": off("d", aliases=["s"]), "d": {}}, {"a": ["a", "b"], "s": ["a", "b", "c", "d"], "b": ["b"], "c": ["c", "d"], "d": ["d"]}),
        ({"a": off("b"), "b": off("c"), "c": {}}, {"a": ["a", "b", "c"], "b": ["b", "c"], "c": ["c"]}),
        ({"a": off("b"), "b": {"substitute": "c"}, "c": {}}, {"a": ["a", "b"], "b": ["b"], "c": ["c"]}),
        ({"a": off("b"), "b": off("a")}, {"a": ["a", "b"], "b": ["b", "a"]}),
        ({"a": off("b"), "b": off("c"), "c": off("b")}, {"a": ["a", "b", "c"], "b": ["b", "c"], "c": ["c", "b"]}),
    ],
)  # fmt: skip
def test_the_substitute_of_a_backend_out_of_use_answers_to_its_names(rows, expected):
    assert served(rows) == expected


def test_a_substitute_steps_in_on_the_day():
    rows = {"a": {"status": {"active": "2026-01-01", "suspended": "2026-06-15"}, "substitute": "b"}, "b": {}}
    assert [served(rows, today)["a"] for today in ("2026-06-14", "2026-06-15")] == [["a"], ["a", "b"]]
