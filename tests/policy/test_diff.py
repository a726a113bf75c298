"""The diff of two policies: exact (against asking both about every request), readable, and the same from both ends."""

import os
import random
from itertools import product

import msgspec
import pytest
from support import policy_trees

from gateway.core.buckets import key_in
from gateway.core.catalog import Backend
from gateway.core.decision import Facts, Obligation, Project
from gateway.core.labels import LEVELS, join
from gateway.policy.cells import OTHER, UNKNOWN
from gateway.policy.claims import USUAL
from gateway.policy.decide import Eligibility
from gateway.policy.diff import NO_LONGER, NOW, diff, unapproved
from gateway.policy.document import Mark
from gateway.policy.joint import Joint
from gateway.policy.model import Atom, Bundle, Exemption, Rule
from gateway.policy.parse import parse
from gateway.policy.space import intersect
from gateway.policy.vocabulary import BACKEND, REQUEST, SECTIONS, Vocabulary

HERE = Mark("a.yaml")
PAIRS = 10_000 if os.environ.get("GATEWAY_TEST_AMOUNTS") == "full" else 200
WORDS = {
    "levels": LEVELS,
    "tags": ("secret", "pii"),
    "purposes": ("general", "hr", "bulk"),
    "jurisdictions": ("eu", "us"),
    "persons": ("us_person", "other"),
    "deployments": ("own", "vendor"),
    "regions": ("eu", "cn"),
    "retentions": ("none", "days_30"),
}
NAMES = {"project": ("p1", "p2"), "team": ("legal", "dev"), "key": ("k1", "k2")}
CUTS = (0, 10, 50, 100)
ASKABLE = (
    *("sensitivity", "tags", "purpose", "project", "project.jurisdiction", "principal.person", "team", "redaction"),
    *("key", "key.bucket"),
)


class Pairs:
    """Random small policies, and changes of them."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.asked = self.dice.sample(ASKABLE, 3)

    def some(self, values, least=1):
        values = list(values)
        return self.dice.sample(values, self.dice.randint(min(least, len(values)), len(values)))

    def atom(self, attribute, side, vocabulary, compared=True):
        words = vocabulary.values(attribute) or NAMES.get(attribute.name) or attribute.values
        if attribute.name == "backend":
            words = ("a", "b", "c")
        if attribute.name == "principal.person" and compared and self.dice.random() < 0.4:
            return Atom(
                side, attribute.name, self.dice.choice(["in", "not_in"]), frozenset(), "", HERE, "eligible_persons"
            )
        if attribute.kind == "number":
            begin, end = sorted(self.dice.sample(CUTS, 2))
            return Atom(side, attribute.name, self.dice.choice(("in", "not_in")), frozenset(words[begin:end]), "", HERE)
        tests = ("any", "all", "none") if attribute.kind == "set" else ("in", "not_in")
        return Atom(side, attribute.name, self.dice.choice(tests), frozenset(self.some(words)), "", HERE)

    def rule(self, id, vocabulary):
        effect = self.dice.choice(["permit", "permit", "forbid", "forbid", "require"])
        when = self.dice.sample(self.asked, self.dice.choice([0, 1, 1, 2, 2]))
        to = self.dice.sample(["backend", "deployment", "region"], self.dice.choice([0, 0, 1]))
        do = self.dice.choice(["redact", "region_pin", "zdr_only", "human_approval", "no_cache"])
        beside = effect == "require" or (effect == "permit" and self.dice.random() < 0.2)
        return Rule(
            id,
            effect,
            tuple(self.atom(REQUEST[name], "request", vocabulary) for name in when),
            tuple(self.atom(BACKEND[name], "backend", vocabulary) for name in to),
            "",
            "p",
            "o",
            HERE,
            mode=self.dice.choice(["enforce"] * 9 + ["shadow"]),
            breakable=effect == "forbid",
            do=(Obligation(do),) if beside else (),
        )

    def backend(self, id, vocabulary):
        facts = {"deployment": "deployments", "region": "regions", "retention": "retentions"}
        passport = {
            name: self.dice.choice(vocabulary.values(BACKEND[name]) or ("x",))
            for name in facts
            if self.dice.random() < 0.8
        }
        if self.dice.random() < 0.6:
            passport["eligible_persons"] = frozenset(self.some(vocabulary.words("persons"), 0))
        return Backend(id, "openai", "http://x", id, passport)

    def exemption(self, rules, vocabulary):
        breakable = [rule.id for rule in rules if rule.breakable] or ["none"]
        when = (self.atom(REQUEST[self.asked[0]], "request", vocabulary, compared=False),)
        start = self.dice.choice([10.0, 20.0, 30.0])
        return Exemption(
            f"x{start}", frozenset(self.some(breakable)), when, frozenset(self.some("abc")), start, start + 15, "t", "r", (), HERE
        )  # fmt: skip

    def vocabulary(self):
        sections = {
            section: dict.fromkeys(
                words if section == "levels" or self.dice.random() < 0.6 else self.some(words), "meaning"
            )
            for section, words in WORDS.items()
        }
        return Vocabulary({section: sections.get(section, {}) for section in SECTIONS})

    def projects(self, vocabulary):
        found = {}
        for name in self.some(NAMES["project"], 0):
            where = self.dice.choice([None, *vocabulary.words("jurisdictions")])
            found[name] = Project(name, where, self.dice.choice([None, "internal", "confidential"]))
        return found

    def bundle(self):
        vocabulary = self.vocabulary()
        rules = [self.rule(f"r{at}", vocabulary) for at in range(self.dice.randint(1, 6))]
        rules.append(Rule("all", "permit", (), (), "", "p", "o", HERE))
        exemptions = [self.exemption(rules, vocabulary)] if self.dice.random() < 0.3 else []
        backends = [self.backend(id, vocabulary) for id in self.some("abc")]
        return Bundle("d", vocabulary, tuple(backends), tuple(rules), self.projects(vocabulary), tuple(exemptions))

    def pair(self):
        """Either two policies that have nothing to do with each other, or a policy and one change of it."""
        old = self.bundle()
        kind = self.dice.choice(["any", "any", "rule", "rule", "catalog", "projects", "exemption"])
        match kind:
            case "any":
                return old, self.bundle()
            case "rule":
                rules = list(old.rules)
                rules[self.dice.randrange(len(rules))] = self.rule("new", old.vocabulary)
                return old, msgspec.structs.replace(old, rules=tuple(rules))
            case "catalog":
                backends = tuple(self.backend(id, old.vocabulary) for id in self.some("abc"))
                return old, msgspec.structs.replace(old, backends=backends)
            case "projects":
                return old, msgspec.structs.replace(old, projects=self.projects(old.vocabulary))
            case "exemption":
                return old, msgspec.structs.replace(old, exemptions=(self.exemption(old.rules, old.vocabulary),))

    def requests(self):
        """Every request that the rules could tell apart: its label without the project's floor, and the rest."""
        asked = {*self.asked, "project"} | ({"sensitivity"} if "redaction" in self.asked else set())
        values = {
            "sensitivity": (*LEVELS, None),
            "purpose": (*WORDS["purposes"], "odd", None),
            "project": (*NAMES["project"], "any-other"),
            "team": (*NAMES["team"], "any-other", None),
            "person": (*WORDS["persons"], None),
            "tags": (*(frozenset(t for t, b in zip((*WORDS["tags"], "odd"), bits, strict=True) if b) for bits in product((0, 1), repeat=3)), None),
            "redaction": ("none", "done"),
            "key": (*NAMES["key"], *(key_in(str(begin)) for begin in CUTS[:-1]), None),
        }  # fmt: skip
        fields = {REQUEST[REQUEST[name].follows or name].field for name in asked} - {"jurisdiction"}
        usual = {
            "sensitivity": "internal",
            "purpose": "general",
            "team": "any-other",
            "tags": frozenset(),
            "key": "any",
        }
        for chosen in product(*(values[field] for field in sorted(fields))):
            given = usual | dict(zip(sorted(fields), chosen, strict=True))
            yield Facts(app="any", source_sensitivity=given["sensitivity"], **given)


def as_read(facts, bundle):
    """What the gateway makes of a request with a policy: its project brings a jurisdiction and a floor."""
    project = bundle.projects.get(facts.project) or Project(facts.project)
    label = facts.sensitivity and join(facts.sensitivity, project.floor or "public")
    return msgspec.structs.replace(
        facts, jurisdiction=project.jurisdiction, sensitivity=label, source_sensitivity=label
    )


def cell_of(joint, facts):
    """The cell of the joint space that a request is in."""
    floors = [
        (side.bundle.projects.get(facts.project) or Project("")).floor or "public" for side in (joint.old, joint.new)
    ]
    where = {side.bundle.projects.get(facts.project, Project("")).jurisdiction for side in (joint.old, joint.new)}
    label = facts.sensitivity and join(facts.sensitivity, min(floors, key=LEVELS.index))
    facts = msgspec.structs.replace(
        facts, sensitivity=label, source_sensitivity=label, jurisdiction=where.pop() if len(where) == 1 else None
    )
    cell = []
    for variable in joint.cells.variables:
        name, _, word = variable.name.partition(":")
        value = getattr(facts, REQUEST[name].field)
        known = joint.cells.bundle.vocabulary.values(REQUEST[name])
        if isinstance(value, frozenset) and value <= set(known):
            value = "known" if not word else "yes" if word in value else "no"
        elif value is None or isinstance(value, frozenset):
            value = "no" if word else UNKNOWN
        if name == "key.bucket" and value != UNKNOWN:
            value = str(max(int(begin) for begin in variable.values[:-1] if int(begin) <= int(value)))
        if value not in variable.values:
            value = OTHER if OTHER in variable.values else UNKNOWN
        cell.append(1 << variable.values.index(value))
    return tuple(cell)


def claims(statements, cell):
    """Which backends statements say to be allowed, or no longer allowed, for a request."""
    return {
        (each.direction, id)
        for each in statements
        if intersect(each.cube, cell) is not None
        and not any(intersect(exception.cube, cell) is not None for exception in each.exceptions)
        for id in each.backends
    }


def disagreements(old, new, facts, moment):
    """The same, by asking both."""
    verdicts = [side.ask(as_read(facts, side.bundle), moment).verdicts for side in (old, new)]
    found = set()
    for id in verdicts[0].keys() | verdicts[1].keys():
        before, after = (id in side and side[id].permitted for side in verdicts)
        if before != after:
            found.add((NOW if after else NO_LONGER, id))
    return found


@pytest.mark.parametrize("seed", range(PAIRS))
def test_the_statements_are_exactly_what_asking_both_about_every_request_finds(seed):
    pairs = Pairs(seed)
    old, new = pairs.pair()
    joint, asked = Joint(old, new), (Eligibility(old), Eligibility(new))
    statements = diff(old, new).statements
    always = [each for each in statements if not each.open]
    moments = {each.example.moment for each in statements if each.open}
    for facts in pairs.requests():
        cell = cell_of(joint, facts)
        said = claims(always, cell)
        assert said == disagreements(*asked, facts, -1.0), facts
        for moment in moments:  # while an exception is open
            more = claims((each for each in statements if each.open and each.example.moment == moment), cell)
            assert more <= disagreements(*asked, facts, moment) <= more | said, facts


@pytest.mark.parametrize("seed", range(PAIRS))
def test_the_difference_is_the_same_from_both_ends_and_none_from_itself(seed):
    old, new = Pairs(seed).pair()
    there, back = diff(old, new), diff(new, old)
    assert mirror(there) == told(back)
    assert diff(old, old).statements == ()
    assert (diff(old, old).verdict, diff(old, old).also) == ("same", ())
    verdicts = {"more permissive": "less permissive", "less permissive": "more permissive"}
    assert back.verdict == verdicts.get(there.verdict, there.verdict)


def told(found):
    return [
        [(s.words, s.exceptions, s.backends, s.open) for s in found.of(direction)] for direction in (NOW, NO_LONGER)
    ]


def mirror(found):
    return told(found)[::-1]


VOCABULARY = """\
levels: {public: a, internal: b, confidential: c, restricted: d}
tags: {secret: a, pii: b}
purposes: {general: a, hr: b, legal: c}
jurisdictions: {eu: a, us: b}
persons: {}
deployments: {own: a, vendor: b}
zones: {}
regions: {}
origins: {}
licences: {}
statuses: {active: a, suspended: b}
retentions: {}
training: {}
audiences: {}
"""
CATALOG = """\
backends:
  home: {provider: openai, deployment: own, status: active}
  far: {provider: openai, deployment: vendor, status: active}
  further: {provider: openai, deployment: vendor, status: active}
"""
RULES = """\
policy: base
owner: security
rules:
  - id: own
    permit: {to: {deployment: own}}
  - id: vendors
    permit: {when: {sensitivity: "<= internal"}, to: {deployment: vendor}}
  - id: no-hr
    forbid: {when: {purpose: hr}, to: {deployment: vendor}}
    breakable: true
  - id: off
    forbid: {to: {status: suspended}}
"""
FILES = {
    "vocabulary.yaml": VOCABULARY,
    "catalog/a.yaml": CATALOG,
    "policies/a.yaml": RULES,
    "projects.yaml": "projects: {shop: {jurisdiction: eu}}\n",
}


def bundle(changes=()):
    files = dict(FILES)
    for file, before, after in changes:
        assert before in files[file]
        files[file] = files[file].replace(before, after)
    parsed = parse({name: text.encode() for name, text in files.items()}, {"openai": "https://x"})
    assert parsed.problems == ()
    return parsed.bundle


def said(found):
    """The statements in one line each."""
    return [
        f"{s.direction}: {s.words} {[(e.words, e.decide, e.rules) for e in s.exceptions]} -> {s.fate} {', '.join(s.backends)}, "
        f"{', '.join(f'{r.effect} {r.rule} {r.fate} {r.mark.line}' for r in s.reasons)}{s.open or ''}"
        for s in found.statements
    ]


RULE = "policies/a.yaml"
CATALOGUE = "catalog/a.yaml"


SUSPENDED = [(CATALOGUE, "far: {provider: openai, deployment: vendor, status: active}", "far: {provider: openai, deployment: vendor, status: suspended}")]  # fmt: skip
WITHOUT_HR = "  - id: no-hr\n    forbid: {when: {purpose: hr}, to: {deployment: vendor}}\n    breakable: true\n"
TO_VENDORS = "now allowed: {'sensitivity': 'public, internal', 'purpose': 'hr, unknown'} [] -> unchanged far, further, "
NO_LONGER_TO_VENDORS = "no longer allowed: {'sensitivity': 'public, internal', 'purpose': 'general, legal'} [] -> "


@pytest.mark.parametrize(
    ("changes", "verdict", "statements"),
    [
        ([], "same", []),
        (
            [(RULE, "own\n    permit", "own\n    why: x\n    permit"), (RULE, "owner: security", "owner: it")],
            "same",
            [],
        ),
        (
            [(RULE, '"<= internal"', '"<= confidential"')],
            "more permissive",
            [
                "now allowed: {'sensitivity': 'confidential', 'purpose': 'general, legal'} [] -> unchanged far, further, permit vendors changed 6"
            ],
        ),
        ([(RULE, WITHOUT_HR, "")], "more permissive", [f"{TO_VENDORS}forbid no-hr removed 8"]),
        (
            [(RULE, "{purpose: hr}", "{purpose: legal}")],
            "incomparable",
            [
                "now allowed: {'sensitivity': 'public, internal', 'purpose': 'hr'} [] -> unchanged far, further, forbid no-hr changed 8",
                "no longer allowed: {'sensitivity': 'public, internal', 'purpose': 'legal'} [] -> unchanged far, further, forbid no-hr changed 8",
            ],
        ),
        (
            [(RULE, "{when: {purpose: hr}", "{when: {purpose: hr, tags: {any: [secret, pii]}}")],
            "more permissive",
            [
                "now allowed: {'sensitivity': 'public, internal', 'tags': 'without pii, without secret', 'purpose': 'hr, unknown'} [] -> unchanged far, further, forbid no-hr changed 8"
            ],
        ),
        (
            [
                (RULE, "{to: {deployment: own}}", "{}"),
                (RULE, "{purpose: hr}", "{purpose: hr, sensitivity: restricted}"),
            ],
            "more permissive",
            [
                "now allowed: {'sensitivity': 'confidential, restricted, unknown'} [({'sensitivity': 'restricted, unknown', 'purpose': 'hr, unknown'}, 'forbid', ('no-hr',))] -> unchanged far, further, permit own changed 4",
                "now allowed: {'sensitivity': 'public, internal, confidential', 'purpose': 'hr, unknown'} [] -> unchanged far, further, forbid no-hr changed 8",
            ],
        ),
        (
            [
                (
                    RULE,
                    WITHOUT_HR,
                    WITHOUT_HR + "  - id: clean\n    require: {when: {purpose: hr}, do: [redact]}\n",
                )
            ],
            "less permissive",  # nobody redacts, or it is done: it is never unknown
            [
                "no longer allowed: {'redaction': 'none', 'purpose': 'hr, unknown'} [] -> unchanged home, require clean added 11",
            ],
        ),
        (SUSPENDED, "less permissive", [f"{NO_LONGER_TO_VENDORS}changed far, forbid off unchanged 11"]),
        (
            [(CATALOGUE, "home:", "house:")],
            "incomparable",
            [
                "now allowed: {} [] -> added house, permit own unchanged 4",
                "no longer allowed: {} [] -> removed home, permit own unchanged 4",
            ],
        ),
        ([("projects.yaml", "eu", "us")], "same", []),  # no rule asks for the jurisdiction
        (
            [("projects.yaml", "jurisdiction: eu", "floor: confidential")],
            "less permissive",
            [
                "no longer allowed: {'sensitivity': 'public, internal', 'purpose': 'general, legal', 'project': 'shop'} [] -> unchanged far, further, permit vendors unchanged 6"
            ],
        ),
        (
            [
                ("vocabulary.yaml", ", hr: b", ""),
                (RULE, "{purpose: hr}", "{purpose: legal}"),
            ],  # what is gone is unknown
            "less permissive",
            [
                "no longer allowed: {'sensitivity': 'public, internal', 'purpose': 'legal'} [] -> unchanged far, further, forbid no-hr changed 8"
            ],
        ),
        (
            [(RULE, "owner: security", "owner: security\nmode: warn")],
            "less permissive",
            [
                "no longer allowed: {} [] -> unchanged home, permit own changed 5",
                f"{NO_LONGER_TO_VENDORS}unchanged far, further, permit vendors changed 7",
            ],
        ),
    ],
)
def test_a_change_in_few_words(changes, verdict, statements):
    found = diff(bundle(), bundle(changes))
    assert (found.verdict, said(found)) == (verdict, statements)


def test_a_tree_written_in_another_order_has_no_difference():
    lines = RULES.splitlines(keepends=True)
    rules = "".join(lines).partition("rules:\n")[2].split("  - id: ")[1:]
    other = "# moved\npolicy: base\nowner: security\nrules:\n" + "".join(f"  - id: {each}" for each in rules[::-1])
    other = other.replace(
        '{when: {sensitivity: "<= internal"}, to: {deployment: vendor}}',
        "\n      to: {deployment: [vendor]}\n      when: {sensitivity: [internal, public]}",
    )
    found = diff(bundle(), bundle([(RULE, RULES, other), (CATALOGUE, "backends:\n", "backends:\n\n")]))
    assert (found.verdict, found.also) == ("same", ())


def test_an_example_is_as_usual_as_it_can_be():
    (statement,) = diff(bundle(), bundle([(RULE, WITHOUT_HR, "")])).statements
    assert statement.example.new == msgspec.structs.replace(USUAL, purpose="hr", source_sensitivity="internal")
    assert (statement.example.old, statement.example.backend) == (statement.example.new, "far")


def test_an_example_is_read_as_each_side_declares_its_project():
    (statement,) = diff(bundle(), bundle([("projects.yaml", "jurisdiction: eu", "floor: confidential")])).statements
    old, new = statement.example.old, statement.example.new
    assert (old.project, old.jurisdiction, old.sensitivity) == ("shop", "eu", "internal")
    assert (new.project, new.jurisdiction, new.sensitivity) == ("shop", None, "confidential")


EXCEPTION = """\
exceptions:
  - id: deadline
    rules: [no-hr]
    principal: {team: legal}
    backends: [far]
    starts: 2026-11-23T18:00:00Z
    expires: 2026-11-23T22:00:00Z
    ticket: T
    requested_by: a
    approved_by: [b, c]
"""


def with_exception():
    files = FILES | {"exceptions/a.yaml": EXCEPTION}
    return parse({name: text.encode() for name, text in files.items()}, {"openai": "https://x"}).bundle


def test_a_break_glass_exception_allows_while_it_is_open():
    found = diff(bundle(), with_exception())
    assert said(found) == [
        "now allowed: {'sensitivity': 'public, internal', 'purpose': 'hr, unknown', 'team': 'legal'} [] -> unchanged far, forbid no-hr unchanged 8('deadline',)"
    ]
    assert found.verdict == "more permissive"


def test_what_changes_anyway_is_not_told_again_for_the_time_of_an_exception():
    files = FILES | {
        "exceptions/a.yaml": EXCEPTION,
        RULE: RULES.replace("{to: {deployment: own}}", "{when: {purpose: general}, to: {deployment: own}}"),
    }
    new = parse({name: text.encode() for name, text in files.items()}, {"openai": "https://x"}).bundle
    found = diff(bundle(), new)
    assert [(each.direction, each.backends, each.open) for each in found.statements] == [
        (NO_LONGER, ("home",), ()),
        (NOW, ("far",), ("deadline",)),
    ]


def no_new_access(approver="security"):
    claim = f"{{base: main, unless_approved_by: {approver}}}" if approver else "{base: main}"
    files = FILES | {"invariants.yaml": f"invariants: [{{id: unseen, no_new_access: {claim}}}]\n"}
    return parse({name: text.encode() for name, text in files.items()}, {"openai": "https://x"}).bundle


@pytest.mark.parametrize(
    ("old", "new", "approvers", "broken"),
    [
        (bundle(), no_new_access(), [], []),  # nothing new
        (bundle([(RULE, WITHOUT_HR, "")]), no_new_access(), [], []),  # less
        (no_new_access(), bundle([(RULE, WITHOUT_HR, "")]), [], ["unseen"]),  # it is also binding for who deletes it
        (no_new_access(), bundle([(RULE, WITHOUT_HR, "")]), ["somebody"], ["unseen"]),
        (no_new_access(), bundle([(RULE, WITHOUT_HR, "")]), ["somebody", "security"], []),
        (bundle(SUSPENDED), no_new_access("me"), ["me"], []),
        (bundle(SUSPENDED), no_new_access(""), [""], ["unseen"]),  # nobody can approve
        (bundle(), bundle([(RULE, WITHOUT_HR, "")]), [], []),  # nobody asked
        (no_new_access(), with_exception(), [], ["unseen"]),
        (
            no_new_access(),
            bundle([(CATALOGUE, "home: {provider: openai,", "home: {provider: openai, base_url: http://elsewhere,")]),
            [],
            ["unseen"],
        ),
    ],
)
def test_new_access_wants_the_approval_that_either_side_asks_for(old, new, approvers, broken):
    assert [each.id for each in unapproved(diff(old, new), old, new, approvers)] == broken


def test_a_backend_that_is_somewhere_else_has_moved():
    new = bundle([(CATALOGUE, "home: {provider: openai,", "home: {provider: openai, base_url: http://elsewhere,")])
    found = diff(bundle(), new)
    assert (found.verdict, found.moved, found.new_access) == ("same", ("home",), True)


def test_a_canary_that_grows_denies_to_the_keys_that_come_in():
    (statement,) = diff(in_canary(10), in_canary(50)).statements
    assert (statement.direction, statement.words) == (NO_LONGER, {"purpose": "hr, unknown", "key.bucket": "10 to 49"})
    assert [(reason.rule, reason.fate) for reason in statement.reasons] == [("no-hr", "changed")]
    assert statement.example.new.bucket == "10"
    (whole,) = diff(in_canary(50), in_canary(None)).statements
    assert whole.words == {"purpose": "hr, unknown", "key.bucket": "50 to 99"}
    (back,) = diff(in_canary(50), in_canary(10)).of(NOW)
    assert back.cube == statement.cube


def in_canary(percent):
    """A tree with one forbid of purpose hr in a canary."""
    no_hr = {"id": "no-hr", "forbid": {"when": {"purpose": ["hr"]}}}
    fields = {} if percent is None else {"canary": percent}
    files = {"policies/a.yaml": policy_trees.policy({"id": "all", "permit": {}})}
    return policy_trees.bundle(no_hr, files=files, **fields)
