"""The plan only narrows what the policy permits, and says why."""

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.prices import price

from gateway.core.budget import Exceeded, Limit, Spend
from gateway.core.catalog import Backend
from gateway.core.chat import parse
from gateway.core.decision import Candidate, Decision, Exclusion, Facts, Obligation, Ruling, Verdict
from gateway.core.errors import Refusal
from gateway.core.fallback import Attempt
from gateway.core.price import Schedule, Tier
from gateway.routing.plan import TYPICAL_OUTPUT, exhausted, narrowed, plan, planned_again, refusal, revocation, without

FACTS = Facts("internal", frozenset(), "general", "default", "team", "app", "key")
ASKED = Facts("confidential", frozenset(), "general", "default", "team", "app", "key")
YES, NO, FORBIDDEN = Verdict(("p",), ()), Verdict((), ()), Verdict(("p",), ("f2", "f1"))
CHEAP, DEAR, FREE = price(1, 2), price(10, 20), price(0, 0)


def backend(id, price=CHEAP, context=None, capabilities=("chat",)):
    return Backend(
        id, "openai", "http://127.0.0.1:1", "m", {}, price=price, context=context, capabilities=frozenset(capabilities)
    )


def chat(text="x" * 30, *members):
    return parse(
        b",".join([b'{"model":"auto","messages":[{"role":"user","content":"%b"}]' % text.encode(), *members]) + b"}"
    )


def planned(backends, verdicts, request=None, not_offered=None, order=()):
    return plan(
        id="dec-1",
        digest="digest",
        requested="auto",
        backends=backends,
        ruling=Ruling(FACTS, verdicts, frozenset(order)),
        demand=(request or chat()).demand,
        not_offered=not_offered or {},
    )


def ids(decision):
    return [candidate.backend.id for candidate in decision.candidates]


TOOLS = chat("x", b'"tools":[{}]', b'"logprobs":true')
LONG = chat("x" * 808)


@pytest.mark.parametrize(
    ("of", "verdict", "request_", "not_offered", "expected"),
    [
        (backend("b"), NO, chat(), {}, Exclusion("b", "policy", (), "no rule permits it")),
        (backend("b"), None, chat(), {}, Exclusion("b", "policy", (), "no rule permits it")),
        (backend("b"), FORBIDDEN, chat(), {}, Exclusion("b", "policy", ("f2", "f1"), "forbidden")),
        (
            backend("b", None),
            YES,
            chat(),
            {},
            Exclusion("b", "price", (), "has no price, so its cost could not be booked"),
        ),
        (backend("b"), YES, chat(), {"b": "no key"}, Exclusion("b", "offer", (), "no key")),
        (backend("b"), YES, TOOLS, {}, Exclusion("b", "capability", (), "lacks logprobs, tools")),
        (
            backend("b", capabilities=("chat", "tools")),
            YES,
            TOOLS,
            {},
            Exclusion("b", "capability", (), "lacks logprobs"),
        ),
        (
            backend("b", context=100),
            YES,
            LONG,
            {},
            Exclusion("b", "context", (), "the prompt has at least 101 tokens, its context is 100"),
        ),
        # what no policy changes is said before the policy, what the operator can mend after it
        (backend("b"), FORBIDDEN, TOOLS, {"b": "no key"}, Exclusion("b", "capability", (), "lacks logprobs, tools")),
        (backend("b", None), NO, chat(), {"b": "no key"}, Exclusion("b", "policy", (), "no rule permits it")),
    ],
)
def test_an_exclusion_has_its_reason(of, verdict, request_, not_offered, expected):
    verdicts = {} if verdict is None else {"b": verdict}
    assert Decision("dec-1", "digest", "auto", FACTS, (), (expected,)) == planned([of], verdicts, request_, not_offered)


@pytest.mark.parametrize(
    ("of", "request_"),
    [
        (backend("b"), chat()),
        (backend("b", context=101), LONG),
        (backend("b", context=1), chat("x" * 8)),
        (backend("b", capabilities=("chat", "tools", "logprobs", "vision")), TOOLS),
        (backend("b"), chat("x" * 10**6)),  # an undeclared context excludes nothing
    ],
)
def test_what_can_and_may_is_a_candidate(of, request_):
    assert ids(planned([of], {"b": YES}, request_, {"other": "no key"})) == ["b"]


def test_a_plan_repeats_what_it_was_told():
    ruling = Ruling(ASKED, {"b": Verdict(("p", "q"), ())}, frozenset())
    of = backend("b")
    expected = Decision("dec-9", "sha", "fast", ASKED, (Candidate(of, ("p", "q"), 18 + 2 * TYPICAL_OUTPUT),), ())
    assert expected == plan(
        id="dec-9", digest="sha", requested="fast", backends=[of], ruling=ruling, demand=chat().demand, not_offered={}
    )


@pytest.mark.parametrize(
    ("backends", "order", "expected"),
    [
        ([backend("b", DEAR), backend("a", CHEAP)], (), ["a", "b"]),
        ([backend("b", CHEAP), backend("a", DEAR)], (), ["a", "b"]),
        ([backend("b", CHEAP), backend("a", DEAR)], ("cost",), ["b", "a"]),
        ([backend("a", DEAR), backend("b", CHEAP)], ("cost",), ["b", "a"]),
        ([backend("c"), backend("a"), backend("b")], ("cost",), ["a", "b", "c"]),
        (
            [backend("c", FREE), backend("b", DEAR), backend("a", DEAR), backend("d", CHEAP)],
            ("cost",),
            ["c", "d", "a", "b"],
        ),
        ([backend("b", CHEAP), backend("a", DEAR)], ("other",), ["a", "b"]),
    ],
)
def test_the_order_is_by_cost_where_asked_and_then_by_id(backends, order, expected):
    assert expected == ids(planned(backends, {each.id: YES for each in backends}, order=order))


READS_CHEAP = backend("reads", price(1, 100))
WRITES_CHEAP = backend("writes", price(100, 1))


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (chat("x" * 30), ["writes", "reads"]),
        (chat("x" * 30_000), ["reads", "writes"]),
        (chat("x" * 30, b'"max_tokens":1'), ["reads", "writes"]),
        (chat("x" * 30, b'"max_tokens":0'), ["writes", "reads"]),
        (chat("x" * 30, b'"max_tokens":1000000'), ["writes", "reads"]),
        (chat("x" * 30, b'"max_tokens":1', b'"n":128'), ["writes", "reads"]),
    ],
    ids=["short", "long", "one token", "no limit", "many tokens", "one token in each of 128 choices"],
)
def test_the_cheaper_for_this_request_comes_first(request_, expected):
    decision = planned([READS_CHEAP, WRITES_CHEAP], {"reads": YES, "writes": YES}, request_, order=("cost",))
    assert expected == ids(decision)


FLEXES = backend("flexes", price(10, 10, services={"flex": Schedule(price(1, 1).rates)}))
STEPS = backend("steps", price(4, 4, tiers=(Tier(10_000, price(40, 40).rates),)))


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (chat("x"), ["steps", "flexes"]),
        (chat("x", b'"service_tier":"flex"'), ["flexes", "steps"]),
        (chat("x", b'"service_tier":"gold"'), ["steps", "flexes"]),
        (chat("x" * 33_000), ["flexes", "steps"]),
    ],
    ids=["usual", "flex", "unknown", "long"],
)
def test_the_rates_that_apply_to_this_request_are_compared(request_, expected):
    decision = planned([FLEXES, STEPS], {"flexes": YES, "steps": YES}, request_, order=("cost",))
    assert expected == ids(decision)


@st.composite
def situations(draw):
    named = draw(st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=6))
    capabilities = st.sets(st.sampled_from(["tools", "logprobs", "vision"])).map(lambda some: {"chat", *some})
    backends = [
        backend(
            id,
            draw(st.sampled_from([None, CHEAP, DEAR, FREE])),
            draw(st.sampled_from([None, 1, 10**6])),
            draw(capabilities),
        )
        for id in named
    ]
    verdicts = draw(st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from([YES, NO, FORBIDDEN])))
    not_offered = draw(st.dictionaries(st.sampled_from("abcdefgh"), st.just("no key"), max_size=3))
    order = draw(st.sampled_from([(), ("cost",)]))
    return backends, verdicts, draw(st.sampled_from([chat(), TOOLS, LONG])), not_offered, order


@given(situations())
@settings(max_examples=200, deadline=None)
def test_no_candidate_is_one_that_the_ruling_does_not_permit(situation):
    backends, verdicts, request, not_offered, _ = situation
    decision = planned(*situation)
    assert {
        each.id
        for each in backends
        if verdicts.get(each.id, NO).permitted
        and each.price is not None
        and each.id not in not_offered
        and request.needs <= each.capabilities
        and (each.context != 1 or request.text_bytes < 16)
    } == set(ids(decision))


@given(situations())
@settings(max_examples=100, deadline=None)
def test_each_backend_is_a_candidate_or_excluded_once(situation):
    decision = planned(*situation)
    assert sorted(each.id for each in situation[0]) == sorted(
        ids(decision) + [each.backend for each in decision.excluded]
    )


@given(situations(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_the_catalog_never_matters(situation, random):
    backends, *others = situation
    shuffled = list(backends)
    random.shuffle(shuffled)
    assert planned(backends, *others).candidates == planned(shuffled, *others).candidates


@pytest.mark.parametrize("by", ["policy", "offer", "price", "context", "capability"])
@given(situations(), st.sampled_from("abcdefgh"))
@settings(max_examples=60, deadline=None)
def test_a_further_exclusion_takes_out_one_and_leaves_the_order(by, situation, id):
    backends, verdicts, request, not_offered, order = situation
    before = planned(*situation).candidates
    worse = {"price": {"price": None}, "context": {"context": -1}, "capability": {"capabilities": frozenset()}}
    backends = [msgspec.structs.replace(each, **worse.get(by, {})) if each.id == id else each for each in backends]
    if by == "policy":
        verdicts = {**verdicts, id: Verdict(("p",), ("new",))}
    if by == "offer":
        not_offered = {**not_offered, id: "new"}
    after = planned(backends, verdicts, request, not_offered, order).candidates
    assert tuple(candidate for candidate in before if candidate.backend.id != id) == after


def excluded(*by):
    return tuple(
        Exclusion(f"b{at}", each, ("rule-2", "rule-1") if each == "policy" else (), "why") for at, each in enumerate(by)
    )


RULED = [
    ("load", Refusal.OVERLOADED, 429),
    ("health", Refusal.NO_BACKEND, 503),
    ("budget", Refusal.BUDGET_EXCEEDED, 402),
    ("offer", Refusal.NO_BACKEND, 503),
    ("price", Refusal.NO_BACKEND, 503),
    ("policy", Refusal.POLICY_DENIED, 403),
    ("capability", Refusal.UNSUPPORTED, 400),
    ("context", Refusal.CONTEXT_TOO_LONG, 400),
]
"""What is said where backends are out for several reasons: the first one that holds for any of them."""
SPENT = Exceeded(Limit("l#1", "l", Spend("key", "day", 5)), "k", 5, 0, 5, 60.0)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("kinds", range(1, len(RULED) + 1))
def test_a_refusal_has_its_ruled_status_whatever_it_is_mixed_with(kinds, backwards):
    for some in itertools.combinations([by for by, *_ in RULED], kinds):
        said = excluded(*(reversed(some) if backwards else some))
        refused = refusal(Decision("dec-1", "digest", "fast", FACTS, (), said), [SPENT] if "budget" in some else [])
        expected, status = next(row[1:] for row in RULED if row[0] in some)
        assert (refused.refusal, refused.refusal.status) == (expected, status), some
        assert (refused.retry_after is None) is (status in {403, 400}), some
        assert refused.param == ("messages" if set(some) == {"context"} else None), some
        assert ("rule-1" in refused.message) is ("policy" in some and status != 402), some


def poor(per, spent, reserved, needed):
    """The plan when a limit of 10 has no room, 600 s before its window ends."""
    limit = Exceeded(Limit("l#1", "l", Spend(per, "day", 10)), "k", spent, reserved, 10, 660.0, needed)
    decision = exhausted(planned([backend("a")], {"a": YES}), backend("a"), limit, 60.0)
    return refusal(decision, [limit])


@pytest.mark.parametrize(
    ("spent", "reserved", "needed", "wait"),
    [(10, 0, 1, 600), (5, 0, 6, 600), (5, 5, 6, 600), (5, 5, 5, 2), (0, 10, 1, 2), (0, 10, 0, 600)],
)
def test_room_that_calls_under_way_hold_is_there_again_soon(spent, reserved, needed, wait):
    refused = poor("key", spent, reserved, needed)
    assert (refused.refusal, refused.retry_after) == (Refusal.BUDGET_EXCEEDED, wait)
    assert ("when calls under way have ended" in refused.message) is (wait == 2)


@pytest.mark.parametrize(
    ("per", "own"),
    [("key", True), ("app", True), ("team", True), ("project", True), ("provider", False), ("organisation", False)],
)
def test_what_others_spend_is_not_told(per, own):
    refused = poor(per, 7, 2, 4)
    [told] = refused.details["budgets"]
    assert (told.keys() >= {"limit_usd", "settled_usd", "reserved_usd"}) is own
    assert told.keys() >= {"limit", "per", "window", "needed_usd", "resets_at"}
    assert ("USD spent" in refused.message) is own


FINDS = "its operator finds the reason with `gateway policy explain`"


def test_an_empty_catalog_is_no_backend():
    refused = refusal(Decision("dec-1", "digest", "fast", FACTS, (), ()))
    assert (refused.refusal, refused.retry_after) == (Refusal.NO_BACKEND, 30)


@pytest.mark.parametrize(
    ("exclusions", "expected"),
    [
        (excluded("policy"), "policy denies model `fast` for this request (rules: rule-1, rule-2); decision dec-1"),
        (
            (Exclusion("b", "policy", (), "no rule permits it"),),
            "policy denies model `fast` for this request (no rule permits it); decision dec-1",
        ),
        (
            excluded("offer", "capability"),
            f"no backend of model `fast` that may be asked is in service; {FINDS}",
        ),
        (
            excluded("offer", "policy"),
            f"no backend of model `fast` that may be asked is in service; policy denies others (rules: rule-1, rule-2); {FINDS}",
        ),
        (excluded("capability", "context"), "no backend of model `fast` can do this: why (b0, b1)"),
    ],
)
def test_a_refusal_says_what_stands_in_the_way(exclusions, expected):
    assert expected == refusal(Decision("dec-1", "digest", "fast", FACTS, (), exclusions)).message


@pytest.mark.parametrize(
    ("by", "final"), [(("price",), True), (("price", "policy"), True), (("offer",), False), (("offer", "price"), False)]
)
def test_sdks_do_not_ask_again_for_what_has_no_price(by, final):
    refused = refusal(Decision("dec-1", "digest", "fast", FACTS, (), excluded(*by)))
    assert refused.refusal.status == 503
    assert ((b"x-should-retry", b"false") in refused.headers) is final


LIMIT, STRICTER, STRIP = (
    Obligation("max_output_tokens", 9),
    Obligation("max_output_tokens", 5),
    Obligation("strip_images"),
)
UNKNOWN = Obligation("whisper")


def obliged(*do, **more):
    return Verdict(("p",), (), do, **more)


def test_a_candidate_carries_what_its_verdict_says():
    verdict = obliged(LIMIT, watched=("w",), broken=("x",))
    (candidate,) = planned([backend("b")], {"b": verdict}).candidates
    assert (candidate.do, candidate.watched, candidate.broken) == ((LIMIT,), ("w",), ("x",))


def test_a_limit_that_will_be_set_counts_in_what_is_expected():
    (free,) = planned([backend("b")], {"b": YES}).candidates
    (limited,) = planned([backend("b")], {"b": obliged(LIMIT)}).candidates
    assert free.expected_pico_usd - limited.expected_pico_usd == (TYPICAL_OUTPUT - 9) * CHEAP.rates.output


def test_who_gets_no_images_needs_no_eyes():
    image = parse(b'{"model":"auto","messages":[{"role":"user","content":[{"type":"image_url"}]}]}')
    both = [backend("a"), backend("b")]
    assert ids(planned(both, {"a": obliged(STRIP), "b": YES}, image)) == ["a"]


def test_what_cannot_be_done_is_denied():
    decision = planned([backend("b")], {"b": obliged(LIMIT, UNKNOWN)})
    assert decision.candidates == ()
    assert [(each.by, each.reason) for each in decision.excluded] == [
        ("policy", "requires what cannot be done here: whisper")
    ]


A, B, C = (backend(id) for id in "abc")
PLANNED = planned([A, B, C], {"a": YES, "b": YES, "c": YES})


def asking(hop=2):
    return Attempt(hop, PLANNED.candidates[hop - 1])


def test_a_decision_that_both_policies_repeat_is_the_same():
    assert narrowed(PLANNED, asking(), YES, YES) is PLANNED
    assert narrowed(PLANNED, asking(), YES, Verdict(("other",), ())) is PLANNED


@pytest.mark.parametrize("denial", [NO, FORBIDDEN, obliged(UNKNOWN)], ids=["not permitted", "forbidden", "undoable"])
@pytest.mark.parametrize("newest", [True, False])
def test_either_policy_takes_a_candidate_out(newest, denial):
    verdicts = (YES, denial) if newest else (denial, YES)
    narrower = narrowed(PLANNED, asking(), *verdicts)
    assert ids(narrower) == ["a", "c"]
    assert narrower.excluded == (Exclusion("b", "policy", denial.forbids, "revoked while the request was under way"),)


@pytest.mark.parametrize(
    ("pinned", "newest", "expected"),
    [
        ((LIMIT,), (), (LIMIT,)),
        ((), (LIMIT,), (LIMIT,)),
        ((LIMIT,), (STRICTER,), (STRICTER,)),
        ((STRICTER,), (LIMIT, STRIP), (STRICTER, STRIP)),
    ],
)
def test_the_obligations_of_both_are_kept_and_the_stricter_wins(pinned, newest, expected):
    narrower = narrowed(PLANNED, asking(), obliged(*pinned), obliged(*newest))
    assert [candidate.do for candidate in narrower.candidates] == [(), expected, ()]
    assert narrowed(narrower, Attempt(2, narrower.candidates[1]), obliged(*pinned), obliged(*newest)) is narrower


def test_what_is_watched_and_broken_is_that_of_both():
    narrower = narrowed(PLANNED, asking(), obliged(watched=("w",), broken=("x",)), obliged(watched=("v", "w")))
    assert (narrower.candidates[1].watched, narrower.candidates[1].broken) == (("w", "v"), ("x",))


def test_a_candidate_that_is_out_leaves_the_others_in_order():
    assert ids(without(PLANNED, A, FORBIDDEN)) == ["b", "c"]


@pytest.mark.parametrize(
    ("calls", "fresh", "expected", "out"),
    [
        (1, {"a": YES, "b": YES, "c": YES}, ["a", "b", "c"], []),
        (1, {"a": NO, "b": NO, "c": YES}, ["a", "c"], ["b"]),
        (2, {"a": NO, "b": NO, "c": NO}, ["a", "b"], ["c"]),
        (2, {"a": YES, "b": YES, "d": YES}, ["a", "b", "d"], ["c"]),
    ],
)
def test_a_later_plan_follows_what_was_called(calls, fresh, expected, out):
    again = planned_again(PLANNED, calls, planned([A, B, C, *([backend("d")] if "d" in fresh else [])], fresh))
    assert ids(again) == expected
    assert [each.backend for each in again.excluded] == out
    assert again.candidates[:calls] == PLANNED.candidates[:calls]


def test_a_call_that_was_cut_names_the_rules():
    refused = revocation(PLANNED, Verdict((), ("z", "y")))
    assert (refused.refusal, refused.message) == (
        Refusal.POLICY_DENIED,
        "policy has come to deny model `auto` while it was answering (rules: y, z); decision dec-1",
    )


@pytest.mark.parametrize(
    ("lacking", "expected"),
    [
        ({"away": "no `n`", "free": "no `n`", "out": "no `n`"}, Refusal.POLICY_DENIED),
        ({"away": "no `n`"}, Refusal.NO_BACKEND),
        ({}, Refusal.NO_BACKEND),
    ],
)
def test_who_is_not_there_and_could_not_do_it_either_is_no_backend_to_wait_for(lacking, expected):
    """Whom the policy denies is not asked what it could do: it stays denied."""
    backends = [backend("away"), backend("free", price=None), backend("out")]
    decision = plan(
        id="dec-1",
        digest="digest",
        requested="auto",
        backends=backends,
        ruling=Ruling(FACTS, {"away": YES, "free": YES, "out": FORBIDDEN}, frozenset()),
        demand=chat().demand,
        not_offered={"away": "no key"},
        lacks=lambda backend, do: lacking.get(backend.id, ""),
    )
    assert refusal(decision).refusal is expected


def test_of_many_that_lack_the_same_a_few_are_named():
    backends = [backend(f"b{at}", capabilities=("embeddings",)) for at in range(9)]
    refused = refusal(planned(backends, {each.id: YES for each in backends}))
    assert refused.message == "no backend of model `auto` can do this: lacks chat (b0, b1, b2 and 6 more)"
