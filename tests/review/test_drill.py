"""A drill says exactly which requests would have nobody, for each model name, and what became of recorded ones."""

import itertools

import msgspec
import pytest
from support.policy_trees import bundle, encoded, shipped
from support.random_policies import ROWS, Random, values_of

from gateway.core.chat import Demand
from gateway.core.record import End
from gateway.core.stored import Denied, Stored
from gateway.core.usage import NOTHING
from gateway.policy.decide import Eligibility
from gateway.policy.nearest import cell_of
from gateway.policy.parse import parse
from gateway.policy.space import intersect
from gateway.policy.suspend import suspended
from gateway.policy.vocabulary import BACKEND, REQUEST
from gateway.providers import BASE_URLS
from gateway.review.cases import problems
from gateway.review.drill import Name, Traffic, _Drill, drill, target, traffic
from gateway.review.example import usual

PRICE = {"input": 1, "output": 1}
BACKENDS = {
    "home": {"provider": "vllm", "base_url": "http://h/v1", "deployment": "self_hosted", "zone": "inhouse", "region": "eu"},
    "far": {"provider": "openai", "deployment": "vendor_api", "zone": "us-vendors", "operator_origin": "us", "region": "us"},
    "spare": {"provider": "openai", "deployment": "vendor_api", "zone": "us-vendors", "operator_origin": "us", "region": "us"},
    "cn": {"provider": "deepseek", "deployment": "vendor_api", "operator_origin": "cn", "weights_origin": "cn"},
}  # fmt: skip
MORE = {
    "home": {"aliases": ["smart"], "capabilities": ["chat", "tools"]},
    "far": {"aliases": ["smart", "vendor"], "capabilities": ["chat", "tools", "vision"], "substitute": "spare"},
    "spare": {"aliases": ["vendor"]},
}
OWN = {"id": "own", "permit": {"to": {"deployment": "self_hosted"}}}
VENDORS = {"id": "vendors", "permit": {"when": {"sensitivity": "<= internal"}, "to": {"deployment": "vendor_api"}}}
HR = {"id": "hr", "forbid": {"when": {"purpose": "hr"}, "to": {"backend": ["spare", "home"]}}}
ONCE = {"id": "once", "forbid": {"when": {"attempt": ">= 2"}, "to": {"backend": ["home", "spare", "cn"]}}}


def tree(*rules, backends=BACKENDS, more=MORE, price=PRICE):
    rows = {id: {**row, **more.get(id, {}), "price": price} for id, row in backends.items()}
    return bundle(*rules, files={"catalog/a.yaml": {"backends": rows}})


TREE = tree(OWN, VENDORS, HR, ONCE)


def by_name(found, *ids):
    return {each.name: each for each in drill(found, ids)}


@pytest.mark.parametrize(
    ("said", "ids"),
    [
        ("far", ("far",)),
        ("provider:openai", ("far", "spare")),
        ("provider:vllm", ("home",)),
        ("zone:us-vendors", ("far", "spare")),
        ("origin:cn", ("cn",)),
        ("origin:eu", ()),
        ("region:eu", ()),
        ("nobody", ()),
        ("", ()),
    ],
)
def test_a_target_is_a_backend_or_what_many_have_in_common(said, ids):
    assert target(TREE, said) == ids


def test_a_backend_may_have_a_colon_in_its_name():
    found = tree(OWN, backends={"zone:inhouse": BACKENDS["far"], "home": BACKENDS["home"]}, more={})
    assert target(found, "zone:inhouse") == ("zone:inhouse",)


def test_each_name_says_who_is_left_and_who_takes_over():
    found = by_name(TREE, "far")
    assert {name: (each.before, each.after, each.substitutes) for name, each in found.items()} == {
        "auto": (("home", "far", "spare", "cn"), ("home", "spare", "cn"), ()),
        "far": (("far",), ("spare",), ("spare",)),
        "smart": (("home", "far"), ("home", "spare"), ("spare",)),
        "vendor": (("far", "spare"), ("spare",), ()),
    }
    assert list(found) == ["auto", "far", "smart", "vendor"]


def test_requests_that_have_nobody_left_are_told_in_few_words_with_an_example():
    found = by_name(TREE, "far")
    hr, vision = {"purpose": "hr"}, {"needs": ["vision"]}
    assert {name: [(left.words, left.needs, left.example) for left in each.lost] for name, each in found.items()} == {
        "auto": [
            ({"purpose": "hr, unknown"}, "tools", {"needs": ["tools"]} | hr),
            ({}, "vision", vision),
        ],
        "far": [
            ({"purpose": "hr, unknown"}, "", {"model": "far"} | hr),
            ({}, "tools", {"model": "far", "needs": ["tools"]}),
            ({}, "vision", {"model": "far", "needs": ["vision"]}),
        ],
        "smart": [
            ({"purpose": "hr, unknown"}, "", {"model": "smart"} | hr),
            ({}, "vision", {"model": "smart", "needs": ["vision"]}),
        ],
        "vendor": [
            ({"purpose": "hr, unknown"}, "", {"model": "vendor"} | hr),
            ({}, "tools", {"model": "vendor", "needs": ["tools"]}),
            ({}, "vision", {"model": "vendor", "needs": ["vision"]}),
        ],
    }


def test_a_name_of_which_nobody_is_left_says_so_of_any_request():
    found = by_name(TREE, "far", "spare")
    assert found["vendor"].after == ()
    assert [(left.words, left.needs, left.example) for left in found["vendor"].lost] == [({}, "", {"model": "vendor"})]


def test_who_could_serve_nobody_before_is_not_missed():
    unpriced = tree(OWN, VENDORS, price=None)
    assert by_name(unpriced, "far")["far"] == Name("far", (), (), (), ())
    assert by_name(tree(OWN), "far")["far"] == Name("far", (), (), (), ())


def test_an_unpriced_substitute_does_not_take_over():
    rows = {id: {**row, "price": PRICE} for id, row in BACKENDS.items()}
    rows["far"]["substitute"] = "spare"
    del rows["spare"]["price"]
    found = bundle(OWN, VENDORS, files={"catalog/a.yaml": {"backends": rows}})
    assert by_name(found, "far")["far"].after == ()


FREE = [REQUEST[name] for name in ("purpose", "tags", "redaction", "team")]


class FewWords(Random):
    def scope(self, most=3):
        when = self.random.sample(FREE, self.random.randint(0, most - 1))
        to = self.random.sample(list(BACKEND.values()), self.random.choice([0, 0, 1]))
        return {
            "when": {each.name: self.condition(each) for each in when},
            "to": {each.name: self.condition(each) for each in to},
        }


@pytest.mark.parametrize("seed", range(25))
def test_the_lost_requests_are_exactly_those_with_somebody_before_and_nobody_after(seed):
    random = FewWords(seed)
    rows = {id: {**row, "price": PRICE} for id, row in ROWS.items()}
    found = bundle(*random.rules(5), files={"catalog/a.yaml": {"backends": rows}})
    ids = frozenset(random.random.sample(sorted(rows), 3))
    drilled = _Drill(found, ids)
    before, after = drilled.behind[0]["auto"], drilled.behind[1]["auto"]
    lost = drilled._lost(before, after)
    now, then = Eligibility(found), Eligibility(suspended(found, ids))
    possible = [["none", "done"] if each.name == "redaction" else values_of(each) for each in FREE]
    for values in itertools.product(*possible):
        facts = msgspec.structs.replace(usual(found), **dict(zip([each.field for each in FREE], values, strict=True)))
        served = [any(verdict.permitted for verdict in policy.ask(facts).verdicts.values()) for policy in (now, then)]
        inside = any(intersect(cell_of(drilled.cells, facts), cube) for cube in lost)
        assert inside is (served == [True, False])
    for cube in lost:
        wide = drilled._widened(cube, drilled._served_by(after))
        assert intersect(wide, cube) == cube
        assert not any(intersect(wide, other) for other in drilled._served_by(after))


def test_a_backend_that_cannot_chat_breaks_only_what_it_can_do():
    more = MORE | {"spare": {"aliases": ["vectors"], "capabilities": ["embeddings"]}}
    found = by_name(tree(OWN, VENDORS, more=more), "spare")
    assert {name: {left.needs for left in each.lost} for name, each in found.items()} == {
        "auto": {"embeddings"},
        "spare": {"embeddings"},
        "vectors": {"embeddings"},
    }
    assert found["spare"].lost[0].example == {"model": "spare", "needs": ["embeddings"]}


@pytest.mark.parametrize("said", ["zone:inhouse", "origin:us", "qwen-a"])
def test_each_example_is_a_test_that_somebody_serves_now_and_nobody_would(said):
    found = shipped_with([])
    ids = target(found, said)
    lost = [left for name in drill(found, ids) for left in name.lost]
    assert lost
    for name in drill(found, ids):  # nothing is said twice
        assert len({(left.needs, *left.words.items()) for left in name.lost}) == len(name.lost)
    tests = [
        {"name": f"t{at}", "request": left.example, "expect": {"decision": "permit"}} for at, left in enumerate(lost)
    ]
    found = shipped_with(tests)
    assert problems(found) == ()
    assert len(problems(suspended(found, ids))) == len(tests)


def shipped_with(tests):
    """The shipped tree with other tests."""
    files = {name: raw for name, raw in shipped().items() if not name.startswith("tests/")}
    parsed = parse(files | encoded({"tests/a.yaml": {"tests": tests}}), BASE_URLS)
    assert parsed.problems == ()
    return parsed.bundle


def stored(team, requested="auto", denied=(), **facts):
    facts = msgspec.structs.replace(usual(TREE), team=team, **facts)
    demand = Demand(frozenset({"chat"}), 9, 1, None, 1)
    return Stored("d", "r", 5.0, "x", requested, facts, demand, (), denied, None, NOTHING, 0, End.COMPLETE, 200)


def test_recorded_requests_are_counted_by_team():
    recorded = [
        stored("web", "far"),
        stored("web", "far", purpose="hr"),
        stored("web", "home"),
        stored("ml", "smart"),
        stored("ml", "gone"),
        stored("ml", "far", (Denied("spare", "offer", ()),)),
        stored("ml", "far", sensitivity="restricted"),
        stored(None, "vendor"),
    ]
    assert traffic(TREE, ["far"], iter(recorded)) == (
        Traffic("ml", 4, 1, 1),
        Traffic("unknown", 1, 1, 0),
        Traffic("web", 3, 1, 1),
    )


def test_a_request_that_another_backend_would_get_first_anyway_goes_nowhere_else():
    assert traffic(TREE, ["home"], [stored("web", "smart")]) == (Traffic("web", 1, 0, 0),)


def test_an_exception_that_was_open_counts_at_its_time():
    exceptions = {
        "exceptions": [
            {
                "id": "night",
                "rules": ["hr"],
                "principal": {"team": "web"},
                "backends": ["spare"],
                "starts": "1970-01-01T00:00:01Z",
                "expires": "1970-01-01T01:00:00Z",
                "ticket": "T-1",
                "requested_by": "ann",
                "approved_by": ["bob", "cem"],
            }
        ]
    }
    rows = {id: {**row, **MORE.get(id, {}), "price": PRICE} for id, row in BACKENDS.items()}
    files = {"catalog/a.yaml": {"backends": rows}, "exceptions/a.yaml": exceptions}
    found = bundle(OWN, VENDORS, HR | {"breakable": True}, files=files)
    open_then, closed_then = stored("web", "far", purpose="hr"), stored("ml", "far", purpose="hr")
    assert traffic(found, ["far"], (open_then, closed_then)) == (Traffic("ml", 1, 0, 1), Traffic("web", 1, 1, 0))
