"""The price book, from figures as they are written to charges: tiers, service tiers, dates, and our own machines."""

from decimal import Decimal

import pytest
import yaml
from support.policy_trees import SHIPPED, encoded, places, read, shipped

from gateway.core.price import UNKNOWN_SERVICE, charge, per_gpu_hour, per_million, usd
from gateway.core.usage import BUCKETS, READ, Usage
from gateway.policy.parse import parse
from gateway.policy.price_files import BookPrice
from gateway.policy.prices import in_force, prices
from gateway.policy.tree import Tree
from gateway.providers import BASE_URLS

ROW = "input: 4, output: 20, source: list, date: 2026-11-22"


def book(models, version="v1"):
    return f"version: {version}\nmodels:\n{models}"


def priced(models, today="2026-11-22"):
    """The prices of a book on a day, and since when they are so."""
    found = Tree(encoded({"prices.yaml": book(models)}), {}, {})
    made = prices(found, today)
    assert found.problems == []
    return made


def model(fields, today="2026-11-22"):
    return priced(f"  m: {{{ROW}, {fields}}}", today)[0]["m"]


def cost(price, service="", **counts):
    """USD."""
    return usd(charge(Usage(**counts), price, service))


MILLION = 10**6


def test_a_price_without_more_is_the_same_at_any_length():
    price = priced(f"  m: {{{ROW}}}")[0]["m"]
    assert price == per_million("v1:m", input=Decimal(4), output=Decimal(20))
    assert cost(price, input_uncached=3 * MILLION, output=MILLION) == "32"


@pytest.mark.parametrize(
    ("read", "expected"),
    [(100, "0.0024"), (101, "0.00484"), (200, "0.005632"), (201, "0.01204")],
)
def test_a_tier_holds_for_the_whole_request_beyond_its_step(read, expected):
    price = model("tiers: [{above: 100, input: 8, output: 40.32}, {above: 200, input: 20, output: 80.2}]")
    assert cost(price, input_uncached=read, output=100) == expected


@pytest.mark.parametrize(
    ("fields", "service", "expected"),
    [
        ("services: {flex: 0.5}", "", "24"),
        ("services: {flex: 0.5}", "flex", "12"),
        ("services: {priority: 1.8}", "priority", "43.2"),
        ("services: {flex: 0.5}", UNKNOWN_SERVICE, "24"),
        ("services: {flex: 0.5, priority: 2}", UNKNOWN_SERVICE, "48"),
        ("services: {batch: {input: 1, output: 12}}", "batch", "13"),
        ("services: {batch: {input: 9, output: 1}}", UNKNOWN_SERVICE, "29"),
        ("services: {free: 0}", "free", "0"),
        ("tiers: [{above: 10, input: 10, output: 30}], services: {flex: 0.5}", "flex", "20"),
        (
            "tiers: [{above: 10, input: 10, output: 30}], services: {batch: {input: 1, output: 1, tiers: [{above: 10, input: 2, output: 3}]}}",
            "batch",
            "5",
        ),
    ],
)
def test_a_service_tier_is_a_factor_or_has_its_own_figures(fields, service, expected):
    assert cost(model(fields), service, input_uncached=MILLION, output=MILLION) == expected


# Dates.

DATED = f"  m: [{{from: 2027-01-01, {ROW.replace('20', '30', 1)}}}, {{{ROW}}}, {{from: 2026-12-01, {ROW.replace('4', '5', 1)}}}]"
FUTURE = f"  m: {{from: 2027-01-01, {ROW}}}"


@pytest.mark.parametrize(
    ("models", "today", "version", "since"),
    [
        (DATED, "2026-11-30", "v1:m", ""),
        (DATED, "2026-12-01", "v1:m@2026-12-01", "2026-12-01"),
        (DATED, "2026-12-31", "v1:m@2026-12-01", "2026-12-01"),
        (DATED, "2027-01-01", "v1:m@2027-01-01", "2027-01-01"),
        (FUTURE, "2027-01-01", "v1:m@2027-01-01", "2027-01-01"),
        (FUTURE, "2026-12-31", None, ""),
    ],
)
def test_the_last_price_that_has_begun_is_in_force(models, today, version, since):
    made, begun = priced(models, today)
    assert (made["m"] and made["m"].version, begun) == (version, since)


def test_a_price_that_has_not_begun_is_no_price_and_no_mistake():
    files = {
        "prices.yaml": book(FUTURE),
        "catalog/a.yaml": "backends: {m: {provider: openai, price: book}}",
    }
    found = {}
    for today in ("2026-12-31", "2027-01-01"):
        parsed = read(files, today=today)
        assert parsed.problems == ()
        found[today] = (parsed.bundle.backends[0].price is not None, parsed.bundle.since)
    assert found == {"2026-12-31": (False, ""), "2027-01-01": (True, "2027-01-01")}


def test_the_day_names_the_policy_whether_a_price_or_a_status_began():
    files = {
        "prices.yaml": book(FUTURE),
        "catalog/a.yaml": "backends: {m: {provider: openai, price: book, status: {active: 2026-06-01}}}",
    }
    since = [read(files, today=day).bundle.since for day in ("2026-05-31", "2026-06-01", "2027-01-01")]
    assert since == ["", "2026-06-01", "2027-01-01"]


def test_of_rows_the_last_that_has_begun_counts():
    rows = [BookPrice.model_validate({"input": 1, "output": 1, "source": "s", "date": "2026-01-01", "from": day}) for day in ("2026-03-01", None, "2026-02-01")]  # fmt: skip
    assert [in_force(rows, day) for day in ("2026-01-31", "2026-02-01", "2026-03-01")] == [1, 2, 0]
    assert in_force(rows[:1], "2026-02-28") is None


# Our own machines.


@pytest.mark.parametrize(
    ("fields", "utilisation"),
    [("", "1"), (", utilisation: 0.25", "0.25"), (", utilisation: 1", "1")],
)
def test_a_machine_costs_what_it_costs_idle_too_where_that_is_known(fields, utilisation):
    row = f"backends: {{own: {{provider: openai, price: {{gpu_hour: 16.80, tokens_per_second: 1800{fields}}}}}}}"
    price = read({"catalog/a.yaml": row}).bundle.backends[0].price
    assert price == per_gpu_hour(
        "catalog:own",
        usd_per_hour=Decimal("16.80"),
        tokens_per_second=Decimal(1800),
        utilisation=Decimal(utilisation),
    )


# Mistakes.


@pytest.mark.parametrize(
    ("fields", "at", "code", "message"),
    [
        ("services: {flex: 0.3333333}", "0.3333333", "P102", "`flex`: decimal input should have no more than 6 decimal places"),
        ("cache_read: 0.000001, services: {flex: 0.5}", "0.5", "P102", "0.5 times the price is finer than a pico-USD per token; write the figures out"),
        ("services: {default: 0.5}", "default", "P106", "`default` is no tier apart: what it costs are the figures beside"),
        ("services: {auto: 2}", "auto", "P106", "`auto` is no tier apart: what it costs are the figures beside"),
        ("services: {Flex: 2}", "Flex", "P102", "`Flex` is not the name of a service tier such as `flex`: small letters, digits, `_` and `-`"),
        ("services: {flex: -1}", "-1", "P102", "`flex` is at least 0"),
        ("services: {flex: {input: 1}}", "{input: 1}", "P102", "missing field `output`"),
        ("services: {flex: {input: 1, outptu: 2, output: 1}}", "outptu", "P101", "unknown field `outptu`; did you mean `output`?"),
        ("tiers: [{above: 9, input: 1, output: 1}], services: {flex: {input: 1, output: 1}}", "flex", "P106", "`flex` needs `tiers`, too: the usual price rises with the prompt"),
        ("tiers: [{above: 9, input: 1, output: 1}, {above: 9, input: 1, output: 1}]", "9, input: 1, output: 1}]", "P102", "tiers stand in order, shortest prompts first"),
        ("tiers: [{above: 0, input: 1, output: 1}]", "0", "P102", "`above` is more than 0"),
        ("tiers: [{above: 9, input: 1}]", "{above", "P102", "missing field `output`"),
        ("cache_wirte: 1", "cache_wirte", "P101", "unknown field `cache_wirte`; did you mean `cache_write`?"),
        ("fron: 2026-01-01", "fron", "P101", "unknown field `fron`; did you mean `from`?"),
        ("from: soon", "soon", "P102", "`soon` is not a day such as `2026-11-22`"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_place_and_says_what_to_do(fields, at, code, message):
    text = book(f"  m: {{{ROW}, {fields}}}")
    (problem,) = read({"prices.yaml": text}).problems
    assert text.splitlines()[problem.mark.line - 1][problem.mark.column - 1 :].startswith(at)
    assert (problem.code, problem.message) == (code, message)


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (f"  m: [{{{ROW}}}, {{{ROW}}}]", ["prices.yaml:3:6 P102"]),
        (f"  m: [{{from: 2026-01-01, {ROW}}}, {{from: 2026-01-01, {ROW}}}]", ["prices.yaml:3:6 P102"]),
        ("  m: []", ["prices.yaml:3:6 P102"]),
        ("  m: 7", ["prices.yaml:3:6 P102"]),
        (f"  m: [{{{ROW}}}, {{from: 2999-01-01, {ROW}, services: {{auto: 1}}}}]", ["prices.yaml:3:147 P106"]),
        (f"  m: [{{{ROW}, sauce: x}}]", ["prices.yaml:3:62 P101"]),
    ],
)
def test_a_mistake_in_a_list_of_prices(models, expected):
    """Also in one that begins some day: that day must not be the one on which the tree stops loading."""
    assert places(read({"prices.yaml": book(models)})) == expected


def test_a_price_in_the_catalog_has_tiers_and_services_too():
    row = "backends: {x: {provider: openai, price: {input: 1, output: 2, tiers: [{above: 5, input: 2, output: 4}], services: {flex: 0.5}}}}"
    price = read({"catalog/a.yaml": row}).bundle.backends[0].price
    assert (price.version, cost(price, "flex", input_uncached=6)) == ("catalog:x", "0.000006")


# The prices that come with the gateway, against the figures as they are written, worked out with decimals.

PUBLISHED = yaml.load((SHIPPED / "prices.yaml").read_text(), yaml.BaseLoader)
NAMES = {"input_uncached": "input"}
BESIDE = {"cache_read": "input", "cache_write": "input", "cache_write_long": "cache_write", "reasoning": "output"}
ENTRIES = [
    (name, row.get("from", ""), row)
    for name, written in PUBLISHED["models"].items()
    for row in (written if isinstance(written, list) else [written])
]
LARGE = Usage(
    input_uncached=400_001, cache_read=30_003, cache_write=2_007, cache_write_long=501, output=4_099, reasoning=777
)
SMALL = Usage(input_uncached=1_001, cache_read=503, cache_write=57, cache_write_long=29, output=97, reasoning=31)


def figure(row, name):
    """USD per million tokens, as somebody would read it from the file."""
    while name not in row:
        name = BESIDE[name]
    return Decimal(row[name])


def bill(row, usage, service):
    """What a call costs by a row of the file, in USD."""
    factor, chosen = Decimal(1), row
    if service:
        written = row["services"][service]
        if isinstance(written, dict):
            chosen = written
        else:
            factor = Decimal(written)
    read = sum(getattr(usage, name) for name in BUCKETS[:READ])
    row_of_length = chosen
    for tier in chosen.get("tiers", []):
        if read > int(tier["above"]):
            row_of_length = tier
    counted = [name for name in BUCKETS if "audio" not in name]
    return (
        sum(getattr(usage, name) * figure(row_of_length, NAMES.get(name, name)) for name in counted) * factor / MILLION
    )


@pytest.mark.parametrize(("name", "begins", "row"), ENTRIES, ids=[f"{name}@{begins}" for name, begins, _ in ENTRIES])
@pytest.mark.parametrize("usage", [SMALL, LARGE], ids=["small", "large"])
def test_each_published_price_charges_what_its_figures_say(name, begins, row, usage):
    made, _ = prices(Tree({"prices.yaml": (SHIPPED / "prices.yaml").read_bytes()}, {}, {}), begins or "2026-12-31")
    price = made[name]
    assert price.version == f"{PUBLISHED['version']}:{name}" + (f"@{begins}" if begins else "")
    charged = {service: usd(charge(usage, price, service)) for service in ("", *row.get("services", {}))}
    assert {service: Decimal(cost) for service, cost in charged.items()} == {
        service: bill(row, usage, service) for service in charged
    }


@pytest.mark.parametrize(
    ("name", "service", "counts", "expected"),
    [
        # 100,000 x 4 + 20,000 x 0.40 + 1,000 x 20, all by the million
        ("gpt-5.6-sol", "", {"input_uncached": 100_000, "cache_read": 20_000, "output": 1_000}, "0.428"),
        ("gpt-5.6-sol", "flex", {"input_uncached": 100_000, "cache_read": 20_000, "output": 1_000}, "0.214"),
        # one token beyond the step: 272,001 x 8 + 1,000 x 30
        ("gpt-5.6-sol", "", {"input_uncached": 272_000, "output": 1_000}, "1.108"),
        ("gpt-5.6-sol", "", {"input_uncached": 272_001, "output": 1_000}, "2.206008"),
        ("gpt-5.6-sol", "priority", {"input_uncached": 272_001, "output": 1_000}, "4.412016"),
        # 5 minutes and an hour in the cache: 1,000 x 5 + 1,000 x 8
        ("claude-opus-5-5", "", {"cache_write": 1_000, "cache_write_long": 1_000}, "0.013"),
        ("claude-haiku-5-5", "", {"cache_read": 100_001, "output": 10, "reasoning": 90}, "0.00525005"),
        # a batch halves what is read and written, not what is cached
        ("gemini-3.1-pro-preview", "batch", {"input_uncached": 1_000, "cache_read": 1_000, "output": 100}, "0.0018"),
        ("gemini-3.8-flash", "priority", {"input_uncached": 1_000, "output": 100}, "0.002025"),
        ("kimi-k3", "", {"cache_write_long": 1_000, "output": 1}, "0.006015"),
        # 1,000 x 10 + 1,000 x 1 + 1,000 x 12.50 + 1,000 x 20 + 100 x 50
        (
            "claude-mythos-5",
            "",
            {
                "input_uncached": 1_000,
                "cache_read": 1_000,
                "cache_write": 1_000,
                "cache_write_long": 1_000,
                "output": 100,
            },
            "0.0485",
        ),
        ("claude-fable-5", "batch", {"input_uncached": 1_000, "output": 100}, "0.0075"),
        # a tenth more in a region
        ("eu.anthropic.claude-fable-5", "", {"input_uncached": 1_000, "output": 100}, "0.0165"),
        ("text-embedding-3-small", "", {"input_uncached": 1_000_000}, "0.02"),
        # from the 200,000th token on
        ("grok-4.7", "", {"input_uncached": 199_999, "output": 1_000}, "0.405998"),
        ("grok-4.7", "", {"input_uncached": 200_000, "output": 1_000}, "0.812"),
        ("MiniMax-M3", "", {"input_uncached": 512_001, "cache_read": 0, "output": 1_000}, "0.3096006"),
        # three lengths: 32,000 x 1.2, 32,001 x 2.4, 128,001 x 3
        ("qwen3-max", "", {"input_uncached": 32_000, "output": 1_000}, "0.0444"),
        ("qwen3-max", "", {"input_uncached": 32_001, "output": 1_000}, "0.0888024"),
        ("qwen3-max", "", {"input_uncached": 128_001, "output": 1_000}, "0.399003"),
        ("openai/gpt-oss-120b", "", {"input_uncached": 1_000, "cache_read": 1_000, "output": 1_000}, "0.000825"),
    ],
)
def test_a_worked_example(name, service, counts, expected):
    made, _ = prices(Tree({"prices.yaml": (SHIPPED / "prices.yaml").read_bytes()}, {}, {}), "2026-12-31")
    assert cost(made[name], service, **counts) == expected


def test_every_published_price_is_of_a_model_that_the_catalog_has():
    parsed = parse(shipped(), BASE_URLS, today="2026-12-31")
    priced_rows = [backend for backend in parsed.bundle.backends if backend.price is not None]
    of_book = {backend.model for backend in priced_rows if backend.price.version.startswith(PUBLISHED["version"])}
    assert of_book == set(PUBLISHED["models"])
