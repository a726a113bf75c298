"""A tree of files: a bundle, or every problem with its place."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.catalog import Backend, Timeouts
from gateway.core.labels import LEVELS
from gateway.core.price import per_gpu_hour, per_million
from gateway.policy.document import Mark
from gateway.policy.model import Atom, Rule
from gateway.policy.parse import Parsed, digest_of, kind_of, parse
from gateway.providers import BASE_URLS

SHIPPED = Path(__file__).parents[2] / "routing_policies"
PROVIDERS = {"openai": "https://api.openai.com/v1", "vllm": None}
VOCABULARY = """\
levels: {public: a, internal: b, confidential: c, restricted: d}
tags: {secret: a, pii: b}
purposes: {general: a, hr: b}
deployments: {self_hosted: a, vendor_api: b}
zones: {inhouse: a, us-vendors: b}
regions: {eu: a, us: b}
origins: {eu: a, us: b}
licences: {mit: a, proprietary: b}
statuses: {active: a, suspended: b}
retentions: {none: a, zdr: b}
training: {never: a, allowed: b}
audiences: {anyone: a}
"""
CATALOG = """\
backends:
  gpt:
    provider: openai
    price: book
    deployment: vendor_api
"""
PRICES = """\
version: v1
models:
  gpt: {input: 4, output: 20, source: list, date: 2026-11-22}
"""
RULES = """\
policy: base
owner: security
rules:
  - id: own
    permit: {to: {deployment: self_hosted}}
"""
BASE = {"vocabulary.yaml": VOCABULARY, "prices.yaml": PRICES, "catalog/a.yaml": CATALOG, "policies/a.yaml": RULES}


def read(changes=(), extra=(), providers=PROVIDERS):
    tree = {name: text.encode() for name, text in (BASE | dict(changes)).items() if text is not None}
    return parse(tree, providers, {name: text.encode() for name, text in dict(extra).items()})


def places(parsed):
    return [f"{each.mark} {each.code}" for each in parsed.problems]


def backend(fields, name="x"):
    return f"backends:\n  {name}:\n    provider: openai\n    {fields}\n"


def rules(*entries):
    return "policy: p\nowner: o\nrules:\n" + "".join(f"  - {entry}\n" for entry in entries)


def test_a_good_tree_has_no_problems():
    parsed = read()
    assert (places(parsed), [rule.id for rule in parsed.bundle.rules]) == ([], ["own"])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # P001 to P003: no strict YAML
        ({"policies/a.yaml": "a: [\n"}, ["policies/a.yaml:2:1 P001"]),
        ({"policies/a.yaml": "policy: a\nowner: b\npolicy: c\nrules: []"}, ["policies/a.yaml:3:1 P002"]),
        (
            {"policies/a.yaml": "policy: &x a\nowner: *x\nrules: []"},
            ["policies/a.yaml:1:9 P003", "policies/a.yaml:2:8 P003"],
        ),
        # P004, P005: which files there are
        ({"invariants.yaml": "{}"}, ["invariants.yaml:1:1 P004"]),
        ({"policies/a.yml": RULES}, ["policies/a.yml:1:1 P004"]),
        ({"vocabulary.yaml": None}, ["vocabulary.yaml:1:1 P005"]),
        ({"x/vocabulary.yaml": VOCABULARY}, ["x/vocabulary.yaml:1:1 P004"]),
        # P101, P102: the shape of a file
        ({"catalog/b.yaml": backend("contxt: 1")}, ["catalog/b.yaml:4:5 P101"]),
        ({"catalog/b.yaml": backend("timeout: {connect: 5s, idel: 1s}")}, ["catalog/b.yaml:4:28 P101"]),
        ({"catalog/b.yaml": "backends:\n  x:\n    price: book\n"}, ["catalog/b.yaml:3:5 P102"]),
        ({"catalog/b.yaml": backend("price: {input: 1}")}, ["catalog/b.yaml:4:12 P102"]),
        ({"catalog/b.yaml": backend("price: {gpu_hour: 1}")}, ["catalog/b.yaml:4:12 P102"]),
        ({"catalog/b.yaml": backend("price: {input: 1, output: -1}")}, ["catalog/b.yaml:4:31 P102"]),
        ({"catalog/b.yaml": backend('price: {input: "1", output: 1}')}, ["catalog/b.yaml:4:20 P102"]),
        ({"catalog/b.yaml": backend("timeout: {connect: 5}")}, ["catalog/b.yaml:4:24 P102"]),
        ({"catalog/b.yaml": backend("api_key: sk-live")}, ["catalog/b.yaml:4:14 P102"]),
        ({"catalog/b.yaml": backend("aliases: [ok, 'not ok']")}, ["catalog/b.yaml:4:19 P102"]),
        ({"policies/a.yaml": ""}, ["policies/a.yaml:1:1 P102"]),
        ({"policies/a.yaml": "[]"}, ["policies/a.yaml:1:1 P102"]),
        ({"policies/a.yaml": "policy: a\nrules: []"}, ["policies/a.yaml:1:1 P102"]),
        ({"policies/a.yaml": rules("{id: a, permitt: {}}")}, ["policies/a.yaml:4:13 P101"]),
        ({"policies/a.yaml": rules("{id: a, forbid: {when: []}}")}, ["policies/a.yaml:4:28 P102"]),
        ({"prices.yaml": PRICES + "  x: {input: 1, output: 1, source: s}\n"}, ["prices.yaml:4:6 P102"]),
        # P103: words that are not known
        ({"catalog/b.yaml": "backends:\n  x: {provider: opnai}\n"}, ["catalog/b.yaml:2:17 P103"]),
        ({"catalog/b.yaml": backend("capabilities: [chat, vison]")}, ["catalog/b.yaml:4:26 P103"]),
        ({"catalog/b.yaml": backend("region: eu\n    zone: moon")}, ["catalog/b.yaml:5:11 P103"]),
        ({"policies/a.yaml": rules("{id: a, permit: {to: {backend: gpd}}}")}, ["policies/a.yaml:4:36 P103"]),
        ({"policies/a.yaml": rules("{id: a, prefer: {order: [luck]}}")}, ["policies/a.yaml:4:30 P103"]),
        # P104: attributes
        ({"policies/a.yaml": rules("{id: a, forbid: {when: {zone: eu}}}")}, ["policies/a.yaml:4:29 P104"]),
        # P105: names that clash
        ({"catalog/b.yaml": CATALOG}, ["catalog/b.yaml:2:3 P105"]),
        ({"catalog/b.yaml": backend("aliases: [a, gpt]")}, ["catalog/b.yaml:4:18 P105"]),
        ({"catalog/b.yaml": backend("aliases: [x]")}, ["catalog/b.yaml:4:15 P105"]),
        ({"catalog/b.yaml": backend("aliases: [auto]")}, ["catalog/b.yaml:4:15 P105"]),
        ({"catalog/b.yaml": backend("region: eu", "auto")}, ["catalog/b.yaml:2:3 P105"]),
        ({"catalog/b.yaml": backend("aliases: [s, s]")}, ["catalog/b.yaml:4:18 P105"]),
        ({"x/prices.yaml": PRICES}, ["x/prices.yaml:1:1 P004"]),
        # P106: levels and effects
        (
            {"vocabulary.yaml": VOCABULARY.replace("public: a, internal: b", "internal: b, public: a")},
            ["vocabulary.yaml:1:9 P106"],
        ),
        (
            {"vocabulary.yaml": VOCABULARY.replace("restricted: d", "restricted: d, top: e")},
            ["vocabulary.yaml:1:9 P106"],
        ),
        ({"policies/a.yaml": rules("{id: a, permit: {}, forbid: {}}")}, ["policies/a.yaml:4:10 P106"]),
        ({"policies/a.yaml": rules("{id: a}")}, ["policies/a.yaml:4:10 P106"]),
        ({"policies/a.yaml": rules("{id: a, permit: }")}, ["policies/a.yaml:4:13 P102"]),
        # P107, P108: what a backend needs
        ({"catalog/b.yaml": "backends:\n  x: {provider: vllm}\n"}, ["catalog/b.yaml:2:3 P107"]),
        ({"catalog/b.yaml": backend("price: book")}, ["catalog/b.yaml:4:12 P108"]),
        ({"catalog/b.yaml": backend("price: book\n    model: gtp")}, ["catalog/b.yaml:4:12 P108"]),
        ({"prices.yaml": None}, ["catalog/a.yaml:4:12 P108"]),
        # P210: rule ids
        ({"policies/a.yaml": rules("{id: a, permit: {}}", "{id: a, forbid: {}}")}, ["policies/a.yaml:5:10 P210"]),
        ({"policies/b.yaml": RULES}, ["policies/b.yaml:4:9 P210"]),
    ],
)
def test_a_problem_has_its_place_and_code(changes, expected):
    parsed = read(changes)
    assert (places(parsed), parsed.bundle) == (expected, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"catalog/b.yaml": backend("contxt: 1")}, "unknown field `contxt`; did you mean `context`?"),
        ({"catalog/b.yaml": "backends:\n  x: {provider: opnai}\n"}, "unknown provider `opnai`; did you mean `openai`?"),
        ({"catalog/b.yaml": backend("capabilities: [vison]")}, "unknown capability `vison`; did you mean `vision`?"),
        ({"catalog/b.yaml": backend("zone: inhose")}, "unknown value `inhose` for backend.zone; did you mean `inhouse`?"),
        ({"catalog/b.yaml": backend("zone: x")}, "unknown value `x` for backend.zone; known: inhouse, us-vendors"),
        ({"catalog/b.yaml": backend("price: book\n    model: gp")}, "the price book has no model `gp`; did you mean `gpt`?"),
        ({"catalog/b.yaml": CATALOG}, "backend `gpt` is declared twice, first at catalog/a.yaml:2:3"),
        ({"catalog/b.yaml": backend("aliases: [gpt]")}, "alias `gpt` is also a backend, at catalog/a.yaml:2:3"),
        ({"catalog/b.yaml": backend("aliases: [auto]")}, "`auto` stands for every backend and cannot be a name"),
        ({"catalog/b.yaml": backend("api_key: sk-x")}, "`sk-x` is not a valid api_key"),
        ({"catalog/b.yaml": "backends:\n  x: {provider: vllm}\n"}, "backend `x` needs a `base_url`: `vllm` has no default"),
        ({"catalog/b.yaml": "backends:\n  x: {}\n"}, "missing field `provider`"),
        ({"policies/a.yaml": rules("{id: a, forbidd: {}}")}, "unknown field `forbidd`; did you mean `forbid`?"),
        ({"policies/b.yaml": RULES}, "rule id `own` is used twice, first at policies/a.yaml:4:9"),
        ({"policies/a.yaml": rules("{id: a, permit: {}, forbid: {}}")}, "rule `a` has exactly one of permit, forbid, prefer; it has `permit` and `forbid`"),
        ({"policies/a.yaml": rules("{id: a}")}, "rule `a` has exactly one of permit, forbid, prefer; it has none"),
        ({"policies/a.yaml": rules("{id: a, permit: {wen: {}}}")}, "unknown field `wen`; did you mean `when`?"),
        ({"vocabulary.yaml": None}, "a tree has exactly one vocabulary.yaml; found none"),
        ({"notes.yaml": ""}, "no known policy file; known: vocabulary.yaml, prices.yaml, catalog/*.yaml, policies/*.yaml"),
        ({"vocabulary.yaml": VOCABULARY.replace("restricted: d", "secret: d")}, "levels are, in this order: public, internal, confidential, restricted"),
    ],
)  # fmt: skip
def test_a_problem_says_what_to_do(changes, message):
    assert [each.message for each in read(changes).problems] == [message]


def test_every_problem_is_told_at_once_and_sorted():
    changes = {
        "x.yaml": "",
        "catalog/b.yaml": backend("zone: moon\n    capabilities: [fly]"),
        "policies/a.yaml": rules("{id: a, permit: {when: {team: 1, zone: eu}}}", "{id: a, forbid: {}}", "{id: c}"),
        "policies/b.yaml": "policy: &x b\nowner: o\nrules: []",
    }
    assert places(read(changes)) == [
        "catalog/b.yaml:4:11 P103",
        "catalog/b.yaml:5:20 P103",
        "policies/a.yaml:4:35 P102",
        "policies/a.yaml:4:38 P104",
        "policies/a.yaml:5:10 P210",
        "policies/a.yaml:6:10 P106",
        "policies/b.yaml:1:9 P003",
        "x.yaml:1:1 P004",
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"vocabulary.yaml": "levels: [\n"}, ["vocabulary.yaml:2:1 P001"]),
        ({"vocabulary.yaml": VOCABULARY.replace("audiences: {anyone: a}\n", "")}, ["vocabulary.yaml:1:1 P102"]),
        ({"prices.yaml": PRICES.replace("source: list, ", "")}, ["prices.yaml:3:8 P102"]),
        (
            {
                "catalog/a.yaml": CATALOG + "    regin: eu\n",
                "policies/a.yaml": rules("{id: a, permit: {to: {backend: gpt}}}"),
            },
            ["catalog/a.yaml:6:5 P101"],
        ),
        ({"catalog/b.yaml": backend("price: bok")}, ["catalog/b.yaml:4:12 P102"]),
    ],
)
def test_one_mistake_is_one_problem(changes, expected):
    assert places(read(changes)) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"policies/a.yaml": "[]"},
        {"catalog/b.yaml": backend("price: 5")},
        {"catalog/b.yaml": backend("price: {input: '1', output: 1}")},
    ],
)
def test_a_message_names_no_type_of_ours(changes):
    said = " ".join(each.message for each in read(changes).problems)
    assert [name for name in ("PolicyFile", "MachinePrice", "TokenPrice", "Decimal", "instance") if name in said] == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("vocabulary.yaml", "vocabulary"),
        ("prices.yaml", "prices"),
        ("catalog/own.yaml", "catalog"),
        ("policies/base.yaml", "policies"),
        ("/etc/gateway/policies/base.yaml", None),
        ("/etc/gateway/vocabulary.yaml", None),
        ("catalog.yaml", None),
        ("policies/base.yml", None),
        ("policies/sub/base.yaml", None),
        ("tests/base.yaml", None),
        ("prices.yaml.orig", None),
    ],
)
def test_the_kind_of_a_file(name, kind):
    assert kind_of(name) == kind


def test_a_backend_is_read_whole():
    entry = """\
backends:
  qwen:
    provider: vllm
    base_url: http://qwen:8000/v1/
    api_key: env:QWEN
    model: qwen3
    aliases: [smart, big]
    timeout: {connect: 1s, idle: 500ms}
    capabilities: [chat, tools]
    context: 4096
    max_output: 512
    price: {gpu_hour: 16.80, tokens_per_second: 1800}
    deployment: self_hosted
    zone: inhouse
    status: active
    source: CMDB
    review_by: 2027-02-01
"""
    (found,) = read({"catalog/a.yaml": entry}).bundle.backends
    assert found == Backend(
        id="qwen",
        provider="vllm",
        base_url="http://qwen:8000/v1",
        model="qwen3",
        passport={"deployment": "self_hosted", "zone": "inhouse", "status": "active"},
        aliases=("smart", "big"),
        key_ref="env:QWEN",
        timeouts=Timeouts(connect=1.0, idle=0.5),
        capabilities=frozenset({"chat", "tools"}),
        context=4096,
        max_output=512,
        price=per_gpu_hour("catalog:qwen", usd_per_hour=Decimal("16.80"), tokens_per_second=Decimal(1800)),
    )


def test_what_a_backend_leaves_out_has_defaults():
    (found,) = read().bundle.backends
    price = per_million("v1:gpt", input=Decimal(4), output=Decimal(20))
    assert found == Backend(
        "gpt", "openai", "https://api.openai.com/v1", "gpt", {"deployment": "vendor_api"}, price=price
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
    assert read({"catalog/b.yaml": backend(written)}).bundle.backends[1].price == expected


def test_a_rule_is_read_whole():
    text = """\
policy: base
owner: security
rules:
  - id: home
    why: It stays.
    forbid:
      when: {sensitivity: ">= confidential"}
      to: {deployment: {not: self_hosted}}
  - id: cheap
    prefer: {order: [cost], when: {purpose: hr}}
"""
    file = "policies/a.yaml"
    when = Atom("request", "sensitivity", "in", frozenset(LEVELS[2:]), "sensitivity >= confidential", Mark(file, 7, 14))
    to = Atom(
        "backend", "deployment", "not_in", frozenset({"self_hosted"}), "deployment not self_hosted", Mark(file, 8, 25)
    )
    hr = Atom("request", "purpose", "in", frozenset({"hr"}), "purpose is hr", Mark(file, 10, 36))
    assert read({file: text}).bundle.rules == (
        Rule("home", "forbid", (when,), (to,), "It stays.", "base", "security", Mark(file, 4, 9)),
        Rule("cheap", "prefer", (hr,), (), "", "base", "security", Mark(file, 9, 9), ("cost",)),
    )


def test_a_further_catalog_is_read_from_any_place():
    parsed = read(extra={"/state/found.yaml": "backends:\n  y: {provider: openai, zone: inhouse}\n"})
    assert ([each.id for each in parsed.bundle.backends], parsed.bundle.digest == read().bundle.digest) == (
        ["y", "gpt"],
        False,
    )


def test_a_further_catalog_may_not_name_a_backend_twice():
    assert places(read(extra={"z/found.yaml": CATALOG})) == ["z/found.yaml:2:3 P105"]


def test_sources_are_kept_for_messages():
    assert read().sources == BASE


@given(st.dictionaries(st.sampled_from(["a", "b", "c/d"]), st.binary(max_size=4), min_size=1), st.data())
def test_the_digest_changes_with_any_byte_and_name(tree, data):
    name = data.draw(st.sampled_from(sorted(tree)))
    moved = {(key if key != name else name + "x"): raw for key, raw in tree.items()}
    longer = tree | {name: tree[name] + b"\0"}
    flipped = longer | {name: tree[name] + b"\1"}
    assert len({digest_of(each) for each in (tree, moved, longer, flipped, {**tree, "e": b""})}) == 5


def test_the_digest_has_no_seams():
    assert digest_of({"a": b"1", "b": b"2"}) != digest_of({"a": b"1b\x001\x002"})
    assert digest_of({"a": b"1", "b": b"2"}) == digest_of({"b": b"2", "a": b"1"})


@given(st.sampled_from(sorted(BASE)), st.integers(0, 400), st.sampled_from(list(" \n:-[]{}#&*!'\"x1é")))
def test_no_single_edit_makes_it_raise(name, at, character):
    text = BASE[name]
    parsed = read({name: text[:at] + character + text[at + 1 :]})
    assert isinstance(parsed, Parsed)
    assert (parsed.bundle is None) is bool(parsed.problems)


def test_the_shipped_policies_load_without_problems():
    tree = {str(path.relative_to(SHIPPED)): path.read_bytes() for path in SHIPPED.glob("**/*.yaml")}
    parsed = parse(tree, BASE_URLS)
    assert (parsed.problems, len(parsed.bundle.rules) > 0, len(parsed.bundle.backends) > 0) == ((), True, True)
