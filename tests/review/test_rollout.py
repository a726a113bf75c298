"""Files on trial: when the clock starts, what would be newly denied, what is ready, and the one word that changes."""

import msgspec
import pytest
from support.policy_trees import policy, read, rule

from gateway.core.chat import Demand
from gateway.core.decision import Facts
from gateway.core.record import End
from gateway.core.stored import Stored
from gateway.core.usage import Usage
from gateway.policy.document import Mark
from gateway.policy.model import Rollout
from gateway.review.replay import Turned
from gateway.review.rollout import Trial, begun, data, markdown, promoted, rewritten, text, trial

HOUR = 3600.0
FACTS = Facts("internal", frozenset(), "general", "default", "legal", "web", "k1", source_sensitivity="internal")
DEMAND = Demand(frozenset({"chat"}), 3000, 1, 100, 1)
STORED = Stored("dec-1", "req-1", 0.0, "d", "auto", FACTS, DEMAND, ("home",), (), "home", Usage(), 0, End.COMPLETE, 200)
CATALOG = {
    "home": {"provider": "vllm", "base_url": "http://h", "deployment": "self_hosted", "price": {"input": 1, "output": 2}},
    "far": {"provider": "openai", "deployment": "vendor_api", "price": {"input": 1, "output": 2}},
}  # fmt: skip
NO_HR = rule("forbid", {"purpose": "hr"}, id="no-hr")
NO_FAR = rule("forbid", to={"deployment": "vendor_api"}, id="no-far")


def tree(*rules, mode="shadow", after="24h", most="10%", others=()):
    """A tree where everything is permitted, with some rules on trial, and some more in another file."""
    files = {"catalog/a.yaml": {"backends": CATALOG}, "policies/other.yaml": policy(*others, mode="shadow")}
    on_trial = policy(*rules, mode=mode, promote={"after": after, "max_new_denials": most})
    parsed = read(files, main=policy(rule("permit")), trial=on_trial)
    assert parsed.problems == ()
    return parsed.bundle


BUNDLE = tree(NO_HR)
(ROLLOUT,) = BUNDLE.rollouts


def stored(number, hour=0.0, digest=BUNDLE.digest, **facts):
    return msgspec.structs.replace(
        STORED,
        decision_id=f"dec-{number}",
        time=hour * HOUR,
        policy_digest=digest,
        facts=msgspec.structs.replace(FACTS, **facts),
    )


def traffic(served, denied, bundle=BUNDLE):
    """One request an hour ago for each of those that would still be served, and those that would not."""
    several = [stored(number, digest=bundle.digest) for number in range(served)]
    return several + [stored(served + number, digest=bundle.digest, purpose="hr") for number in range(denied)]


def judged(bundle=BUNDLE, decisions=(), since=0.0, hours=24.0):
    (rollout,) = bundle.rollouts
    return trial(bundle, rollout, decisions, since, since + hours * HOUR if since is not None else 0.0)


@pytest.mark.parametrize(
    ("digests", "expected"),
    [
        ("", None),
        ("a", 0.0),
        ("aaa", 0.0),
        ("bba", 2.0),
        ("aab", None),
        ("abaa", 2.0),
        ("aba", 2.0),
        ("bab", None),
    ],
)
def test_a_trial_begins_after_the_last_decision_under_another_tree(digests, expected):
    decisions = [stored(hour, hour / HOUR, digest) for hour, digest in enumerate(digests)]
    assert begun(iter(decisions), "a") == expected


def test_a_suspension_by_order_does_not_start_the_clock_again():
    decisions = [stored(1, 1, "a"), stored(2, 2, "a+1f2e3d"), stored(3, 3, "a")]
    assert begun(decisions, "a") == HOUR
    assert begun([stored(1, 1, "a+1f2e3d")], "a") == HOUR


def test_what_would_be_newly_denied_is_counted_and_told():
    found = judged(decisions=traffic(9, 1))
    assert found == Trial(ROLLOUT, 24 * HOUR, 10, (Turned("legal", "k1", "auto", ("no-hr",), 1, "dec-9"),))
    assert (found.newly_denied, found.missing) == (1, ())


def test_what_only_loses_some_of_its_backends_is_not_denied():
    found = judged(tree(NO_FAR), [stored(1, digest=tree(NO_FAR).digest)])
    assert (found.requests, found.newly_denied) == (1, 0)


def test_what_is_denied_anyway_is_not_newly_denied():
    bundle = tree(NO_HR)
    strict = msgspec.structs.replace(bundle, rules=tuple(each for each in bundle.rules if each.effect != "permit"))
    assert judged(strict, traffic(0, 3)).newly_denied == 0


def test_other_files_on_trial_are_not_put_in_force():
    bundle = tree(NO_HR, others=[rule("forbid", id="all")])
    assert judged(bundle, traffic(9, 1, bundle)).newly_denied == 1


@pytest.mark.parametrize("mode", ["shadow", "warn"])
def test_a_file_is_judged_by_its_rules_in_force_whatever_its_mode(mode):
    bundle = tree(NO_HR, mode=mode)
    assert judged(bundle, traffic(1, 2, bundle)).newly_denied == 2


def test_only_decisions_of_the_trial_count():
    decisions = [stored(1, 1, purpose="hr"), stored(2, 5, "other", purpose="hr"), stored(3, 5), stored(4, 6)]
    assert (judged(decisions=decisions, since=5 * HOUR).requests, judged(decisions=decisions).requests) == (2, 3)


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (24.0, ()),
        (25.0, ()),
        (23.999, ("23h of 24h have passed since this tree came into force",)),
        (0.5, ("30m of 24h have passed since this tree came into force",)),
    ],
)
def test_a_trial_takes_its_time(hours, said):
    assert judged(decisions=traffic(1, 0), hours=hours).missing == said


@pytest.mark.parametrize(
    ("most", "served", "denied", "ready"),
    [
        ("10%", 9, 1, True),
        ("10%", 8, 1, False),
        ("0.1%", 999, 1, True),
        ("0.1%", 998, 1, False),
        ("0%", 5, 0, True),
        ("0%", 5, 1, False),
        ("100%", 0, 5, True),
        (2, 1, 2, True),
        (2, 1, 3, False),
        (0, 1, 0, True),
        (0, 1, 1, False),
    ],
)
def test_a_trial_has_a_bound_of_new_denials(most, served, denied, ready):
    bundle = tree(NO_HR, most=most)
    said = () if ready else (f"it would newly deny more than {most}",)
    assert judged(bundle, traffic(served, denied, bundle)).missing == said


def test_all_that_is_missing_is_told_at_once():
    assert len(judged(decisions=traffic(0, 1), hours=1).missing) == 2


@pytest.mark.parametrize(("decisions", "since"), [([], None), ([], 0.0), (traffic(3, 0), None)])
def test_without_a_decision_nothing_is_ready(decisions, since):
    assert judged(decisions=decisions, since=since).missing == ("this tree has not decided any request yet",)


def test_a_clock_that_was_set_back_makes_no_trial_older():
    assert judged(decisions=traffic(1, 0), hours=-5).seconds == 0.0


@pytest.mark.parametrize(("mode", "after"), [("shadow", "warn"), ("warn", "enforce")])
def test_the_promoted_tree_has_the_next_mode_in_that_file_alone(mode, after):
    bundle = tree(NO_HR, mode=mode, others=[NO_FAR])
    modes = {each.id: each.mode for each in promoted(bundle, bundle.rollouts).rules}
    assert modes == {"permit": "enforce", "no-hr": after, "no-far": "shadow"}


# One word.


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("mode: shadow\n", "mode: warn\n"),
        ("a: shadow\nmode:   shadow  # shadow\n", "a: shadow\nmode:   warn  # shadow\n"),
        ("# é\r\nmode: shadow\r\nb: 1\r\n", "# é\r\nmode: warn\r\nb: 1\r\n"),
        ("mode: 'shadow'", "mode: 'warn'"),
        ('{"é": 1, "mode": "shadow", "b": []}', '{"é": 1, "mode": "warn", "b": []}'),
        ("mode:\n  shadow\n", "mode:\n  warn\n"),
        ('mode: "\\x73hadow"\n', None),
        ("mode: >-\n  shadow\n", None),
        ("mode: shadows\n", None),
        ("mode: 'shadow\n  s'\n", None),
        ("other: shadow\n", None),
        ("- shadow\n", None),
    ],
)
def test_one_word_is_rewritten_and_all_else_survives(before, after):
    """Where one word cannot be: nothing is."""
    place = before.find("mode:") + 5 if "mode:" in before else before.find('"mode":') + 7
    while before[place] in " \n-":
        place += 1
    line = before.count("\n", 0, place)
    mark = Mark("a.yaml", line + 1, place - before.rfind("\n", 0, place))
    assert rewritten(Rollout("p", mark, "shadow", 0), before) == after


def test_a_file_in_warn_is_rewritten_to_enforce():
    assert rewritten(Rollout("p", Mark("a", 1, 7), "warn", 0), "mode: warn # warn") == "mode: enforce # warn"


# In words.


def test_as_text():
    ready, young = judged(decisions=traffic(9, 1)), judged(tree(NO_HR, mode="warn", most=0), hours=1)
    assert text([ready, young]).splitlines() == [
        "p: ready for warn  policies/trial.yaml:1:116",
        "    1 of 10 requests in 24h would be newly denied; allowed: 10%",
        "    1 of team legal, key k1, model auto: no-hr, for example dec-9",
        "p: stays in warn  policies/trial.yaml:1:116",
        "    this tree has not decided any request yet",
    ]
    assert text([]) == "no file on trial has a `promote`"


def test_as_markdown():
    assert markdown([judged(decisions=traffic(8, 1), hours=30)]).splitlines() == [
        "### Roll-out",
        "",
        "- `p` (`policies/trial.yaml`): stays in shadow",
        "  - it would newly deny more than 10%",
        "  - 1 of 9 requests in 30h would be newly denied; allowed: 10%",
        "  - 1 of team legal, key k1, model auto: no-hr, for example dec-8",
    ]
    assert markdown([]).splitlines()[-1] == "no file on trial has a `promote`."


def test_what_stands_in_a_name_steers_neither_markdown_nor_a_terminal():
    odd = [stored(1, purpose="hr", team="[x](y)", key="\x1b[2J")]
    assert "\\[x\\](y)" in markdown([judged(decisions=odd)])
    assert "\x1b" not in text([judged(decisions=odd)]) + markdown([judged(decisions=odd)])


def test_many_that_would_be_denied_are_cut_short():
    decisions = [stored(number, purpose="hr", key=f"k{number}") for number in range(8)]
    assert text([judged(decisions=decisions)]).splitlines()[-1] == "    and 3 more"


def test_as_data():
    bundle = tree(NO_HR, most=0)
    assert msgspec.json.decode(msgspec.json.encode(data(judged(bundle, traffic(9, 1, bundle))))) == {
        "policy": "p",
        "place": "policies/trial.yaml:1:116",
        "mode": "shadow",
        "next": "warn",
        "ready": False,
        "missing": ["it would newly deny more than 0"],
        "seconds": 86_400,
        "after_seconds": 86_400,
        "requests": 10,
        "newly_denied": 1,
        "max_share": None,
        "max_count": 0,
        "denied": [
            {"team": "legal", "key": "k1", "model": "auto", "why": ["no-hr"], "requests": 1, "example": "dec-9"}
        ],
    }
