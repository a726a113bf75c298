"""Rules, projects and break-glass exceptions: from their files to values, and every way to write them wrong."""

import pytest
from support.policy_trees import bundle, places, policy, read, rule

from gateway.adapters.decisions import KEPT_DAYS
from gateway.core.budget import Spend
from gateway.core.decision import Obligation, Project
from gateway.core.labels import LEVELS
from gateway.policy.document import Mark
from gateway.policy.model import Atom, Exemption, Rollout, Rule
from gateway.policy.rules import LONGEST_EXEMPTION_SECONDS, LONGEST_TRIAL_SECONDS, moment

MAIN = "policies/main.yaml"
HEAD = "policy: p\nowner: o\nrules:\n"


def told(text, files=(), **more):
    """The problems of one rule that is written from line 4, column 5 on."""
    return [
        (f"{each.mark.line}:{each.mark.column} {each.code}", each.message)
        for each in read(dict(files) | {MAIN: HEAD + "  - " + text + "\n"}, **more).problems
    ]


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
    breakable: true
    in_flight: revoke
  - id: cheap
    prefer: {order: [cost], when: {purpose: hr}}
  - id: all
    permit: {}
    on_model_mismatch: suspend
"""
    when = Atom("request", "sensitivity", "in", frozenset(LEVELS[2:]), "sensitivity >= confidential", Mark(MAIN, 7, 14))
    to = Atom(
        "backend", "deployment", "not_in", frozenset({"self_hosted"}), "deployment not self_hosted", Mark(MAIN, 8, 12)
    )
    hr = Atom("request", "purpose", "in", frozenset({"hr"}), "purpose is hr", Mark(MAIN, 12, 36))
    home = Rule(
        "home", "forbid", (when,), (to,), "It stays.", "base", "security", Mark(MAIN, 4, 9), breakable=True, revoke=True
    )
    cheap = Rule("cheap", "prefer", (hr,), (), "", "base", "security", Mark(MAIN, 11, 9), order=("cost",))
    all = Rule("all", "permit", (), (), "", "base", "security", Mark(MAIN, 13, 9), distrusts=True)
    assert read({MAIN: text}).bundle.rules == (home, cheap, all)  # fmt: skip


@pytest.mark.parametrize("mode", ["off", "shadow", "warn", "enforce"])
def test_a_rule_has_the_mode_of_its_file(mode):
    assert [each.mode for each in bundle(rule("permit"), mode=mode).rules] == [mode]


# Promotions.

NO_HR = "rules: [{id: no-hr, forbid: {when: {purpose: hr}}}]\n"


@pytest.mark.parametrize(
    ("mode", "promote", "expected"),
    [
        ("shadow", "{after: 24h, max_new_denials: 0.1%}", [Rollout("p", Mark(MAIN, 3, 7), "shadow", 86_400, max_share=0.001)]),
        ("warn", "{after: 7d, max_new_denials: 5}", [Rollout("p", Mark(MAIN, 3, 7), "warn", 604_800, max_count=5)]),
        ("warn", "{after: 60d, max_new_denials: 100%}", [Rollout("p", Mark(MAIN, 3, 7), "warn", 5_184_000, max_share=1.0)]),
        ("warn", "{after: 1h, max_new_denials: 0}", [Rollout("p", Mark(MAIN, 3, 7), "warn", 3600, max_count=0)]),
        ("enforce", "{after: 24h, max_new_denials: 0.1%}", []),
    ],
)  # fmt: skip
def test_a_file_on_trial_says_when_it_is_ready(mode, promote, expected):
    parsed = read({MAIN: f"policy: p\nowner: o\nmode: {mode}\npromote: {promote}\n{NO_HR}"})
    assert (parsed.problems, parsed.bundle.rollouts) == ((), tuple(expected))


def test_a_file_without_a_promotion_has_none():
    assert bundle(rule("forbid"), mode="shadow").rollouts == ()


def test_the_mode_that_comes_next():
    assert [Rollout("p", Mark(MAIN), mode, 0).next_mode for mode in ("shadow", "warn")] == ["warn", "enforce"]


def test_decisions_are_kept_for_longer_than_any_trial():
    assert LONGEST_TRIAL_SECONDS < KEPT_DAYS * 86_400


OK = "{after: 24h, max_new_denials: 0.1%}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"promote: {OK}\n{NO_HR}", ("3:1 P106", "`promote` without a `mode`: the file is in force already; write `mode: shadow`")),
        (f"mode: off\npromote: {OK}\n{NO_HR}", ("4:1 P106", "`promote` does not go with `mode: off`: what is off is not on trial; write `shadow`")),
        (f"mode: warn\npromote: {OK}\nrules: [{{id: a, limit: {{usd: 1, per: key, window: day}}}}]", ("4:1 P106", "`promote` does not go with a `limit`: what it would deny hangs on what was spent, and is not counted again")),
        (f"mode: warn\npromote: {OK}\nrules: [{{id: a, forbid: {{}}}}, {{id: b, permit: {{}}, require: {{do: [redact]}}}}]", ("4:1 P106", "`promote` does not go with a `permit`: new denials say nothing of whom it would admit")),
        (f"mode: warn\npromote:\n{NO_HR}", ("4:1 P102", "`promote` is empty; write `after` and `max_new_denials`")),
        (f"mode: warn\npromote: {{after: 61d, max_new_denials: 1}}\n{NO_HR}", ("4:18 P102", "`after` is at most `60d`")),
        (f"mode: warn\npromote: {{after: soon, max_new_denials: 1}}\n{NO_HR}", ("4:18 P102", "`soon` is not a number of hours or days such as `24h` or `7d`")),
        (f"mode: warn\npromote: {{after: 1h, max_new_denials: 0.1}}\n{NO_HR}", ("4:39 P102", "`max_new_denials`: write a share of the requests such as `0.1%`, or a whole number of them")),
        (f"mode: warn\npromote: {{after: 1h}}\n{NO_HR}", ("4:10 P102", "missing field `max_new_denials`")),
        (f"mode: warn\npromote: {{after: 1h, max_new_denial: 1, max_new_denials: 1}}\n{NO_HR}", ("4:22 P101", "unknown field `max_new_denial`; did you mean `max_new_denials`?")),
        (f"mode: warn\npromote: 24h\n{NO_HR}", ("4:10 P102", "`promote` wants fields, each with a value")),
    ],
)  # fmt: skip
def test_a_promotion_that_is_wrong_is_told_where_and_how(text, expected):
    problems = read({MAIN: f"policy: p\nowner: o\n{text}"}).problems
    assert [(f"{each.mark.line}:{each.mark.column} {each.code}", each.message) for each in problems] == [expected]


EFFECTS = "one of permit, forbid, require, limit, prefer (a permit may have a require beside it)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{id: a}", ("4:10 P106", f"rule `a` has {EFFECTS}; it has none")),
        ("{id: a, permit: {}, forbid: {}}", ("4:10 P106", f"rule `a` has {EFFECTS}; it has `permit` and `forbid`")),
        ("{id: a, forbid: {}, require: {do: [redact]}}", ("4:10 P106", f"rule `a` has {EFFECTS}; it has `forbid` and `require`")),
        ("{id: a, permit: {}, prefer: {order: [cost]}, require: {do: [redact]}}", ("4:10 P106", f"rule `a` has {EFFECTS}; it has `permit` and `require` and `prefer`")),
        ("{id: a, permit: }", ("4:13 P102", "`permit` is empty; write `permit: {}` for all")),
        ("{id: a, permit: {}, require: }", ("4:25 P102", "`require` is empty; write `require: {}` for all")),
        ("{id: a, limit: }", ("4:13 P102", "`limit` is empty; write `limit: {}` for all")),
        ("{id: a, permit: {}, breakable: true}", ("4:25 P106", "`breakable` is for a `forbid`")),
        ("{id: a, require: {do: [redact]}, breakable: true}", ("4:38 P106", "`breakable` is for a `forbid`")),
        ("{id: a, permit: {}, in_flight: revoke}", ("4:25 P106", "`in_flight` is for a `forbid`")),
        ("{id: a, forbid: {}, on_model_mismatch: suspend}", ("4:25 P106", "`on_model_mismatch` is for a `permit`")),
        ("{id: a, permit: {}, on_model_mismatch: revoke}", ("4:44 P103", "unknown value `revoke`; known: `count` or `suspend`")),
        ("{id: a, prefer: {order: [cost], when: {principal.person: {in: backend.eligible_persons}}}}", ("4:62 P106", "no backend is known here that this could be compared with")),
        ("{id: a, forbid: {when: {zone: inhouse}}}", ("4:29 P104", "unknown attribute `zone` of a request; it belongs under `to`")),
        # requirements
        ("{id: a, permit: {}, require: {do: [redact], when: {team: a}}}", ("4:25 P106", "a `require` beside a `permit` has only `do`: it speaks of what the permit does")),
        ("{id: a, permit: {}, require: {do: [redact], to: {region: eu}}}", ("4:25 P106", "a `require` beside a `permit` has only `do`: it speaks of what the permit does")),
        ("{id: a, require: {do: [redct]}}", ("4:28 P103", "unknown obligation `redct`; did you mean `redact`?")),
        ("{id: a, require: {do: [no_cache, 5]}}", ("4:38 P102", "write an obligation, or `name: figure`")),
        ("{id: a, require: {do: [[redact]]}}", ("4:28 P102", "write an obligation, or `name: figure`")),
        ("{id: a, require: {do: [{redact: 1, rescan: 1}]}}", ("4:28 P102", "write an obligation, or `name: figure`")),
        ("{id: a, require: {do: [{}]}}", ("4:28 P102", "write an obligation, or `name: figure`")),
        ("{id: a, require: {do: [redact: 5]}}", ("4:28 P102", "write `redact: [secret]`, or `redact` for all tags")),
        ("{id: a, require: {do: [redact: []]}}", ("4:28 P102", "write `redact: [secret]`, or `redact` for all tags")),
        ("{id: a, require: {do: [redact: [secrt]]}}", ("4:28 P103", "unknown value `secrt` for tags; did you mean `secret`?")),
        ("{id: a, require: {do: [no_cache: [secret]]}}", ("4:28 P102", "write `no_cache`")),
        ("{id: a, require: {do: [max_output_tokens]}}", ("4:28 P102", "write `max_output_tokens: 1000`")),
        ("{id: a, require: {do: [max_output_tokens: 0]}}", ("4:28 P102", "write `max_output_tokens: 1000`")),
        ("{id: a, require: {do: [max_output_tokens: true]}}", ("4:28 P102", "write `max_output_tokens: 1000`")),
        ("{id: a, require: {do: [max_output_tokens: 1.5]}}", ("4:28 P102", "write `max_output_tokens: 1000`")),
    ],
)  # fmt: skip
def test_a_rule_that_is_wrong_is_told_where_and_how(text, expected):
    assert told(text) == [expected]


def test_obligations_and_their_figures():
    found = bundle({"id": "a", "require": {"do": ["redact", {"max_output_tokens": 9}, "no_cache"]}}).rules[0]
    assert found.do == (
        Obligation("redact", tags=("pii", "secret")),
        Obligation("max_output_tokens", 9),
        Obligation("no_cache"),
    )


@pytest.mark.parametrize(("written", "tags"), [("pii", ("pii",)), (["secret", "pii", "pii"], ("pii", "secret"))])
def test_an_obligation_may_name_the_tags_that_it_is_about(written, tags):
    found = bundle({"id": "a", "require": {"do": [{"redact": written}, {"scan_answer": written}]}}).rules[0]
    assert found.do == (Obligation("redact", tags=tags), Obligation("scan_answer", tags=tags))


def test_an_id_is_used_once_in_all_files_and_layers():
    files = {
        "projects.yaml": {"projects": {"acme": {}}},
        "policies/a.yaml": HEAD + "  - {id: a, permit: {}}\n  - {id: a, forbid: {}}\n",
        "policies/projects/acme/a.yaml": HEAD + "  - {id: a, forbid: {}}\n",
    }
    problems = read(files).problems
    assert [(str(each.mark), each.code, each.message) for each in problems] == [
        ("policies/a.yaml:5:10", "P210", "rule id `a` is used twice, first at policies/a.yaml:4:10"),
        ("policies/projects/acme/a.yaml:4:10", "P210", "rule id `a` is used twice, first at policies/a.yaml:4:10"),
    ]


# Limits.

USD = 10**12


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"usd": 200, "per": "key", "window": "day"}, [Spend("key", "day", 200 * USD)]),
        ({"usd": 0, "per": "organisation", "window": "month", "then": "deny"}, [Spend("organisation", "month", 0)]),
        ({"usd": 1, "per": "team", "window": "1h", "then": ["deny"]}, [Spend("team", "1h", USD)]),
        ({"usd": 1, "per": "app", "window": "7d", "then": [{"downgrade": "small"}, "deny"]}, [Spend("app", "7d", USD, downgrade="small")]),
        ({"usd": 1, "per": "app", "window": "7d", "then": [{"downgrade": "far"}, "deny"]}, [Spend("app", "7d", USD, downgrade="far")]),
        ({"usd": 1, "per": "zone", "window": "week", "on_store_down": "local_quota"}, [Spend("zone", "week", USD, on_store_down="local_quota")]),
        ({"share": 1, "of": "spend", "by": "provider", "window": "7d"}, [Spend("provider", "7d", share=1.0)]),
        ({"share": 1, "of": "spend", "by": "zone", "window": "7d", "min_sample_usd": 500}, [Spend("zone", "7d", share=1.0, minimum_pico_usd=500 * USD)]),
        ([{"usd": 1, "per": "key", "window": "day"}, {"usd": 2, "per": "team", "window": "day"}], [Spend("key", "day", USD), Spend("team", "day", 2 * USD)]),
    ],
)  # fmt: skip
def test_a_limit(written, expected):
    catalog = {"catalog/b.yaml": {"backends": {"s": {"provider": "openai", "aliases": ["small"]}}}}
    assert bundle({"id": "a", "limit": written}, files=catalog).rules[0].limits == tuple(expected)


def test_a_share_is_a_part_of_one_and_money_has_six_decimals():
    text = "- {id: a, limit: [{share: 0.60, of: spend, by: provider, window: 7d}, {usd: 0.000001, per: key, window: day}]}\n"
    share, least = read({MAIN: HEAD + text}).bundle.rules[0].limits
    assert (share.share, least.pico_usd) == (0.6, 10**6)


FORM = "a limit has `usd` and `per`, or `share`, `of` and `by`"
THEN = "write `then: deny` or `then: [downgrade: ALIAS, deny]`"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{window: day}", [("4:20 P106", FORM)]),
        ("{usd: 1, share: 0.5, per: key, window: day}", [("4:20 P106", FORM)]),
        ("{usd: 1, window: day}", [("4:20 P102", "missing field `per`")]),
        ("{share: 0.5, window: day}", [("4:20 P102", "missing field `by`"), ("4:20 P102", "missing field `of`")]),
        ("{usd: 1, per: key, by: key, window: day}", [("4:39 P106", "`by` does not go with this limit")]),
        ("{usd: 1, per: key, of: spend, window: day}", [("4:39 P106", "`of` does not go with this limit")]),
        ("{usd: 1, per: key, min_sample_usd: 5, window: day}", [("4:39 P106", "`min_sample_usd` does not go with this limit")]),
        ("{share: 0.5, of: spend, by: zone, per: key, window: day}", [("4:54 P106", "`per` does not go with this limit")]),
        ("{usd: 1, per: key}", [("4:20 P102", "missing field `window`")]),
        ("{usd: 1, per: key, window: year}", [("4:47 P102", "`year` is not `hour`, `day`, `week`, `month`, or a number of hours or days such as `12h` or `7d`")]),
        ("{usd: -1, per: key, window: day}", [("4:26 P102", "`usd` is at least 0")]),
        ("{share: 0, of: spend, by: zone, window: day}", [("4:28 P102", "`share` is more than 0")]),
        ("{share: 1.5, of: spend, by: zone, window: day}", [("4:28 P102", "`share` is at most 1")]),
        ("{usd: 1, per: key, window: day, then: allow}", [("4:58 P102", THEN)]),
        ("{usd: 1, per: key, window: day, then: []}", [("4:58 P102", THEN)]),
        ("{usd: 1, per: key, window: day, then: [deny, downgrade: far]}", [("4:58 P102", THEN)]),
        ("{usd: 1, per: key, window: day, then: [downgrade: far]}", [("4:58 P102", THEN)]),
        ("{usd: 1, per: key, window: day, then: [{downgrade: far, x: y}, deny]}", [("4:58 P102", THEN)]),
        ("{usd: 1, per: key, window: day, then: [downgrade: 5, deny]}", [("4:58 P102", THEN)]),
        ("{usd: 1, per: key, window: day, then: [downgrade: fra, deny]}", [("4:70 P103", "no backend or alias `fra`; did you mean `far`?")]),
        ("[]", [("4:20 P102", "an empty list limits nothing")]),
        ("[{usd: 1, per: key, window: day}, {usd: 1, window: day}]", [("4:54 P102", "missing field `per`")]),
        ("[{usd: 1, per: key, window: day}, {usd: 1, per: key, of: spend, window: day}]", [("4:73 P106", "`of` does not go with this limit")]),
    ],
)  # fmt: skip
def test_a_limit_that_is_wrong_is_told_where_and_how(written, expected):
    assert told(f"{{id: a, limit: {written}}}") == expected


# Layers.


def test_a_rule_of_a_project_speaks_of_its_requests_only():
    files = {
        "projects.yaml": {"projects": {"acme": {}}},
        "policies/projects/acme/a.yaml": policy(rule("forbid", {"team": "a"}, id="mine")),
    }
    first, second = bundle(rule("permit"), files=files).rules
    assert (first.project, second.project) == ("", "acme")
    assert [(each.text, each.values) for each in second.when] == [
        ("project is acme", frozenset({"acme"})),
        ("team is a", frozenset({"a"})),
    ]


@pytest.mark.parametrize(
    ("entry", "codes"),
    [
        (rule("permit"), ["P109"]),
        (rule("permit") | {"require": {"do": ["redact"]}}, ["P109"]),
        (rule("forbid"), []),
        (rule("forbid", breakable=True), []),
        ({"id": "a", "require": {"do": ["redact"]}}, []),
        ({"id": "a", "prefer": {"order": ["cost"]}}, []),
        ({"id": "a", "limit": {"usd": 1, "per": "key", "window": "day"}}, []),
    ],
)
def test_the_layer_of_a_project_only_narrows(entry, codes):
    files = {"projects.yaml": {"projects": {"acme": {}}}, "policies/projects/acme/a.yaml": policy(entry)}
    assert [each.code for each in read(files).problems] == codes


@pytest.mark.parametrize(
    ("projects", "message"),
    [
        ({"projects": {"acme": {}}}, "`amce` is no project of projects.yaml; did you mean `acme`?"),
        ({"projects": {}}, "`amce` is no project of projects.yaml"),
        (None, "`amce` is no project of projects.yaml"),
    ],
)
def test_a_layer_of_an_unknown_project_is_an_error(projects, message):
    files = {"projects.yaml": projects, "policies/projects/amce/a.yaml": policy(rule("forbid"))}
    (problem,) = read(files).problems
    assert (str(problem.mark), problem.code, problem.message) == (
        "policies/projects/amce/a.yaml:1:1",
        "P103",
        message,
    )


def test_of_a_bad_list_of_projects_only_that_is_told():
    files = {"projects.yaml": "projects: [", "policies/projects/acme/a.yaml": policy(rule("forbid"))}
    assert places(read(files)) == ["projects.yaml:1:12 P001"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("projects:\n  acme: {jurisdiction: mars}", ["projects.yaml:2:24 P103"]),
        ("projects:\n  acme: {floor: secret}", ["projects.yaml:2:17 P103"]),
        ("projects:\n  acme: {opaque_as: secret}", ["projects.yaml:2:21 P103"]),
        ("projects:\n  acme: {flor: public}", ["projects.yaml:2:10 P101"]),
        ("projects:\n  acme:", ["projects.yaml:2:8 P102"]),
        ("projects:\n  -x: {}", ["projects.yaml:2:3 P102"]),
        ("projects: []", ["projects.yaml:1:11 P102"]),
        ("{}", ["projects.yaml:1:1 P102"]),
    ],
)
def test_a_project_that_is_wrong_is_told_where(text, expected):
    assert places(read({"projects.yaml": text})) == expected


def test_a_project_says_what_nobody_can_read_counts_as():
    found = read({"projects.yaml": {"projects": {"acme": {"opaque_as": "public"}, "other": {}}}}).bundle.projects
    assert found == {"acme": Project("acme", opaque_as="public"), "other": Project("other")}


def test_what_is_not_declared_of_a_project_is_unknown():
    assert read({"projects.yaml": "projects: {acme: {}}"}).bundle.projects == {"acme": Project("acme", None, None)}


# Break-glass exceptions.

RULES = HEAD + "  - {id: soft, forbid: {}, breakable: true}\n  - {id: hard, forbid: {}, breakable: never}\n  - {id: plain, forbid: {}}\n"  # fmt: skip
EXCEPTION = {
    "id": "e",
    "rules": "[soft]",
    "principal": "{team: legal}",
    "backends": "[far]",
    "starts": "2026-11-22T18:00:00Z",
    "expires": "2026-11-22T22:00:00Z",
    "ticket": "T-1",
    "requested_by": "ann",
    "approved_by": "[bob, eve]",
}


def exception(**fields):
    written = EXCEPTION | fields
    return "exceptions:\n  - " + "\n    ".join(f"{name}: {value}" for name, value in written.items()) + "\n"


def excepted(**fields):
    return read({MAIN: RULES, "exceptions/a.yaml": exception(**fields)})


def test_an_exception_is_read_whole():
    (found,) = excepted(backends="[far, dim]").bundle.exemptions
    when = Atom("request", "team", "in", frozenset({"legal"}), "team is legal", Mark("exceptions/a.yaml", 4, 17))
    assert found == Exemption(
        id="e",
        rules=frozenset({"soft"}),
        when=(when,),
        backends=frozenset({"far", "dim"}),
        starts=1795370400.0,
        expires=1795370400.0 + LONGEST_EXEMPTION_SECONDS,
        ticket="T-1",
        requested_by="ann",
        approved_by=("bob", "eve"),
        mark=Mark("exceptions/a.yaml", 2, 9),
    )


APPROVE = "two people approve, neither of whom requested it"
NAMED = "a principal is named by key, app, team, project, principal.person"
LINES = {name: number for number, name in enumerate(EXCEPTION, 2)}


@pytest.mark.parametrize(
    ("field", "written", "code", "message"),
    [
        ("rules", "[hard]", "P110", "rule `hard` is not `breakable: true`"),
        ("rules", "[soft, plain]", "P110", "rule `plain` is not `breakable: true`"),
        ("rules", "[sotf]", "P103", "no rule `sotf`; did you mean `soft`?"),
        ("rules", "[]", "P102", "`rules` is a list of at least 1"),
        ("backends", "[afr]", "P103", "no backend `afr`; did you mean `far`?"),
        ("backends", "[]", "P102", "`backends` is a list of at least 1"),
        ("principal", "{}", "P102", None),
        ("principal", "{team: any}", "P110", NAMED),
        ("principal", "{team: {not: legal}}", "P110", NAMED),
        ("principal", "{purpose: hr}", "P110", NAMED),
        ("principal", "{sensitivity: '<= restricted'}", "P110", NAMED),
        ("principal", "{teem: legal}", "P104", "unknown attribute `teem` of a request; did you mean `team`?"),
        ("principal", "{region: eu}", "P104", "unknown attribute `region` of a request; it belongs under `to`"),
        ("principal", "{principal.person: {not_in: backend.eligible_persons}}", "P106", "no backend is known here that this could be compared with"),
        ("starts", "2026-11-22", "P102", "write a moment in UTC, for example `2026-11-22T18:00:00Z`"),
        ("expires", "tomorrow", "P102", "write a moment in UTC, for example `2026-11-22T18:00:00Z`"),
        ("expires", "2026-11-22T22:00:01Z", "P110", "an exception lasts 4 hours at most"),
        ("expires", "2026-11-22T18:00:00Z", "P110", "an exception lasts 4 hours at most"),
        ("expires", "2026-11-22T17:00:00Z", "P110", "an exception lasts 4 hours at most"),
        ("ticket", "''", "P102", None),
        ("approved_by", "[bob]", "P102", "`approved_by` is a list of at least 2"),
        ("approved_by", "[bob, bob]", "P110", APPROVE),
        ("approved_by", "[bob, ' Bob ']", "P110", APPROVE),
        ("approved_by", "[bob, '']", "P110", APPROVE),
        ("approved_by", "[bob, ann]", "P110", APPROVE),
        ("approved_by", "[bob, eve, 'ANN ']", "P110", APPROVE),
    ],
)  # fmt: skip
def test_an_exception_that_is_wrong_is_told_where_and_how(field, written, code, message):
    (problem,) = excepted(**{field: written}).problems
    assert (problem.mark.file, problem.mark.line, problem.code) == ("exceptions/a.yaml", LINES[field], code)
    assert message in (None, problem.message)


def test_an_id_of_an_exception_is_used_once():
    again = exception().removeprefix("exceptions:\n")
    (problem,) = read({MAIN: RULES, "exceptions/a.yaml": exception() + again}).problems
    assert (problem.mark.line, problem.code, problem.message) == (
        11,
        "P210",
        "exception id `e` is used twice, first at exceptions/a.yaml:2:9",
    )


def test_of_a_bad_file_of_rules_only_that_is_told():
    assert places(read({MAIN: "[", "exceptions/a.yaml": exception()})) == [f"{MAIN}:1:2 P001"]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("1970-01-02T00:00Z", 86400.0),
        ("2026-11-22T18:00:00Z", 1795370400.0),
        ("2028-02-29T23:59:59Z", 1835481599.0),
        ("2027-02-29T00:00:00Z", None),
        ("2026-11-31T00:00:00Z", None),
        ("2026-13-01T00:00:00Z", None),
        ("2026-00-01T00:00:00Z", None),
        ("2026-11-22T24:00:00Z", None),
        ("2026-11-22T18:60:00Z", None),
        ("2026-11-22T18:00:60Z", None),
        ("1969-12-31T23:59:59Z", None),
        ("2026-11-22T18:00:00", None),
        ("2026-11-22T18:00:00+01:00", None),
        ("2026-11-22 18:00:00Z", None),
        ("2026-11-22T18:00:00Z\n", None),
        ("2026-11-22", None),
        ("", None),
    ],
)
def test_a_moment(written, seconds):
    assert moment(written) == seconds


# Canaries.


def test_a_rule_in_a_canary_speaks_of_the_keys_in_it_and_is_on_trial_for_the_others():
    (home,) = bundle(rule("forbid", {"purpose": "hr"}), canary=10).rules
    inside, asked = home.when
    assert (inside.attribute, inside.test, inside.values) == ("key.bucket", "in", frozenset(map(str, range(10))))
    assert (inside.text, inside.mark, asked.text) == ("key.bucket < 10 (canary)", home.mark, "purpose is hr")
    beyond = home.beyond
    assert (beyond.mode, beyond.canary, beyond.id) == ("shadow", None, home.id)
    assert (beyond.when[0].test, beyond.when[0].values, beyond.when[1]) == ("not_in", inside.values, asked)


@pytest.mark.parametrize("mode", ["off", "shadow", "warn"])
def test_a_canary_waits_until_its_file_is_in_force(mode):
    (found,) = bundle(rule("forbid"), mode=mode, canary=10).rules
    assert (found.when, found.canary, found.beyond) == ((), None, None)


def test_a_canary_of_all_keys_is_none():
    assert bundle(rule("forbid"), canary=100).rules == bundle(rule("forbid")).rules


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("canary: 0", "3:9 P102"),
        ("canary: 101", "3:9 P102"),
        ("canary: 10%", "3:9 P102"),
        ("canary: 9.5", "3:9 P102"),
    ],
)
def test_a_canary_that_is_wrong_is_told_where(fields, expected):
    assert places(read({MAIN: f"policy: p\nowner: o\n{fields}\n{NO_HR}"})) == [f"{MAIN}:{expected}"]


def test_a_limit_has_no_canary():
    money = "rules: [{id: money, limit: {usd: 1, per: key, window: day}}]\n"
    (problem,) = read({MAIN: f"policy: p\nowner: o\ncanary: 10\n{money}"}).problems
    assert (problem.mark.line, problem.code) == (4, "P106")
    assert problem.message == "`canary` does not go with a `limit`: it speaks of no key; put it into a file of its own"
