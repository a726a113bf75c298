"""What must hold: invariants, and the tests that stand beside the rules. From their files to values."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from gateway.core.buckets import BUCKETS, bucket_of, key_in, stands_for_bucket
from gateway.core.catalog import AUTO, CAPABILITIES, needed
from gateway.core.decision import Facts, Project
from gateway.core.errors import FailureKind
from gateway.core.labels import DEFAULT_LEVEL, RANK, join
from gateway.core.price import pico_usd
from gateway.policy import files
from gateway.policy.conditions import Conditions
from gateway.policy.document import Document, Mark, Path, suggestion
from gateway.policy.model import OWN, Case, Expectation, Invariant, InvariantKind, Rule
from gateway.policy.rules import moment
from gateway.policy.tree import Tree
from gateway.policy.vocabulary import REQUEST, Attribute, Vocabulary

CLAIMS: tuple[InvariantKind, ...] = ("never", "always_some", "monotone", "chain", "no_new_access")
_STATUS_FAULTS = (400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529)
FAULTS = frozenset({kind.code for kind in FailureKind} | {"timeout"} | {str(status) for status in _STATUS_FAULTS})
"""How a test may let a backend fail: a status, a failure kind by its code, or `timeout`."""

USUAL = Facts(
    sensitivity=DEFAULT_LEVEL,
    tags=frozenset(),
    purpose="general",
    project="default",
    team="any",
    app="any",
    key="any",
)
"""The facts of a test that says nothing: those of an application that changed only its base URL."""


def told_otherwise(name: str, facts: Facts) -> bool:
    """Whether an attribute need not be said: of a key that is only an example of its bucket the bucket is, of any other
    the key is."""
    example = stands_for_bucket(facts.key)
    return (name == "key" and example) or (name == "key.bucket" and not example and facts.key != USUAL.key)


def invariants(tree: Tree, conditions: Conditions) -> tuple[Invariant, ...]:
    """The invariants, by their order in the file."""
    found: dict[str, Invariant] = {}
    for _, document, file in tree.of_kind("invariants", files.InvariantsFile):
        for position, entry in enumerate(file.invariants):
            path: Path = ("invariants", position)
            mark = document.value((*path, "id"))
            given = [claim for claim in CLAIMS if getattr(entry, claim) is not None]
            if len(given) != 1:
                said = " and ".join(f"`{claim}`" for claim in given) or "none"
                tree.problem(mark, "P106", f"invariant `{entry.id}` has one of {', '.join(CLAIMS)}; it has {said}")
                continue
            if entry.id in found:
                tree.problem(mark, "P210", f"invariant id `{entry.id}` is used twice, first at {found[entry.id].mark}")
                continue
            if entry.backend and given != ["always_some"]:
                tree.problem(document.key((*path, "backend")), "P106", "a `backend` of its own is for `always_some`")
            if entry.over == "any_backend" and given[0] not in ("never", "monotone"):
                tree.problem(document.value((*path, "over")), "P106", "`any_backend` is for `never` and `monotone`")
            found[entry.id] = _invariant(tree, conditions, document, path, entry, given[0], mark)
    return tuple(found.values())


def _invariant(
    tree: Tree,
    conditions: Conditions,
    document: Document,
    path: Path,
    entry: files.InvariantEntry,
    kind: InvariantKind,
    mark: Mark,
) -> Invariant:
    plain = Invariant(
        entry.id, kind, mark, entry.why or "", absolute=entry.absolute, any_backend=entry.over == "any_backend"
    )
    if entry.never is not None:
        at = (*path, "never")
        if not (entry.never.request or entry.never.backend):
            tree.problem(document.key(at), "P102", "`never` names a `request`, a `backend`, or both")
        return msgspec.structs.replace(
            plain,
            request=conditions.atoms(document, (*at, "request"), entry.never.request, "request"),
            backend=conditions.atoms(document, (*at, "backend"), entry.never.backend, "backend"),
        )
    if entry.always_some is not None:
        return msgspec.structs.replace(
            plain,
            request=conditions.atoms(
                document, (*path, "always_some", "request"), entry.always_some.request, "request", alone=True
            ),
            backend=conditions.atoms(document, (*path, "backend"), entry.backend, "backend"),
        )
    if entry.monotone is not None:
        return msgspec.structs.replace(plain, attribute=entry.monotone)
    if entry.chain is not None:
        at = (*path, "chain")
        after = entry.chain.never_after
        if after is None and entry.chain.max_distinct_operators is None:
            tree.problem(document.key(at), "P102", "`chain` has `max_distinct_operators`, `never_after`, or both")
        left, enter = (after.left, after.enter) if after is not None else ({}, {})
        return msgspec.structs.replace(
            plain,
            most_operators=entry.chain.max_distinct_operators,
            left=conditions.atoms(document, (*at, "never_after", "left"), left, "backend"),
            enter=conditions.atoms(document, (*at, "never_after", "enter"), enter, "backend"),
        )
    assert entry.no_new_access is not None
    access = entry.no_new_access
    return msgspec.structs.replace(plain, base=access.base, approver=access.unless_approved_by or "")


def cases(
    tree: Tree,
    conditions: Conditions,
    vocabulary: Vocabulary,
    projects: Mapping[str, Project],
    rules: Mapping[str, Rule],
    backends: frozenset[str] | None,
) -> tuple[Case, ...]:
    """The tests, in the order of their files. What projects.yaml declares of a test's project counts in the test."""
    reader = _Cases(tree, conditions, vocabulary, projects, rules, backends)
    found = []
    names: dict[str, Mark] = {}
    for _, document, file in tree.of_kind("tests", files.TestsFile):
        for position, entry in enumerate(file.tests):
            mark = document.value(("tests", position, "name"))
            if entry.name in names:
                tree.problem(mark, "P210", f"test `{entry.name}` is there twice, first at {names[entry.name]}")
            names.setdefault(entry.name, mark)
            found.append(reader.case(document, ("tests", position), entry, mark))
    return tuple(found)


class _Cases:
    def __init__(
        self,
        tree: Tree,
        conditions: Conditions,
        vocabulary: Vocabulary,
        projects: Mapping[str, Project],
        rules: Mapping[str, Rule],
        backends: frozenset[str] | None,
    ) -> None:
        self.tree = tree
        self.conditions = conditions
        self.vocabulary = vocabulary
        self.projects = projects
        self.rules = None if "policies" in tree.shaky else rules
        self.backends = backends

    def case(self, document: Document, path: Path, entry: files.TestEntry, mark: Mark) -> Case:
        request = dict(entry.request)
        model = request.pop("model", AUTO)
        needs = request.pop("needs", [])
        needs = needs if isinstance(needs, list) else [needs]
        if not isinstance(model, str):
            self.tree.problem(document.value((*path, "request", "model")), "P102", "a model is a name")
        self._known(document, (*path, "request", "needs"), map(str, needs), CAPABILITIES, "capability")
        for backend, fault in entry.faults.items():
            at = (*path, "faults", backend)
            self._known_key(document, at, backend)
            if str(fault) not in FAULTS:
                self.tree.problem(
                    document.value(at), "P103", f"unknown fault `{fault}`{suggestion(str(fault), FAULTS)}"
                )
        at_seconds = moment(entry.at) if entry.at is not None else None
        if entry.at is not None and at_seconds is None:
            self.tree.problem(
                document.value((*path, "at")), "P102", "write a moment in UTC, for example `2026-11-22T18:00:00Z`"
            )
        return Case(
            name=entry.name,
            mark=mark,
            facts=self._facts(document, (*path, "request"), request),
            model=str(model),
            needs=needed(map(str, needs)),
            faults={backend: str(fault) for backend, fault in entry.faults.items()},
            expect=self._expectation(document, (*path, "expect"), entry.expect),
            at=at_seconds,
            spent=self._spent(document, (*path, "spent"), entry.spent),
        )

    def _spent(
        self, document: Document, path: Path, written: Mapping[str, Decimal | dict[str, Decimal]]
    ) -> dict[str, dict[str, int]]:
        """What was spent under limits. A rule stands for all of its ceilings, but for those that it cannot mean."""
        found: dict[str, dict[str, int]] = {}
        for name, amount in written.items():
            id, _, number = name.partition("#")
            rule = (self.rules or {}).get(id)
            ceilings = {str(at): terms for at, terms in enumerate(rule.limits, 1)} if rule is not None else {}
            if self.rules is None:
                continue
            if not ceilings or (number and number not in ceilings):
                known = [each.id for each in self.rules.values() if each.limits]
                at = document.key((*path, name))
                self.tree.problem(at, "P103", f"no limit `{name}`{suggestion(name, known)}")
                continue
            by_account = isinstance(amount, dict)
            amounts = amount if isinstance(amount, dict) else {OWN: amount}
            meant = [
                at
                for at, terms in ceilings.items()
                if number in ("", at) and not (terms.per == "organisation" if by_account else terms.share is not None)
            ]
            if not meant:
                said = "write one amount: it is of all together" if by_account else "write what each of them has spent"
                self.tree.problem(document.value((*path, name)), "P106", f"limit `{name}`: {said}")
            found |= {f"{id}#{at}": {who: pico_usd(usd) for who, usd in amounts.items()} for at in meant}
        return found

    def _known(
        self, document: Document, path: Path, words: Iterable[str], known: Iterable[str] | None, what: str
    ) -> None:
        for position, word in enumerate(words):
            if known is not None and word not in known:
                at = document.value((*path, position))
                self.tree.problem(at, "P103", f"unknown {what} `{word}`{suggestion(word, known)}")

    def _known_key(self, document: Document, path: Path, backend: str) -> None:
        if self.backends is not None and backend not in self.backends:
            hint = suggestion(backend, self.backends)
            self.tree.problem(document.key(path), "P103", f"unknown backend `{backend}`{hint}")

    def _facts(self, document: Document, path: Path, written: dict[str, object]) -> Facts:
        changes: dict[str, object] = {}
        for name, value in written.items():
            at = (*path, name)
            attribute = REQUEST.get(name)
            if attribute is None:
                hint = suggestion(name, [*REQUEST, "model", "needs"])
                self.tree.problem(document.key(at), "P104", f"unknown attribute `{name}` of a request{hint}")
            else:
                changes[attribute.field] = self._value(document, at, attribute, value)
        self._in_bucket(document, path, changes)
        of = changes.get("project", USUAL.project)
        if isinstance(of, str) and (project := self.projects.get(of)):
            changes.setdefault("jurisdiction", project.jurisdiction)
            label = changes.get("sensitivity", DEFAULT_LEVEL)
            if project.floor and label in RANK:  # a label that is lower than the floor never reaches a policy
                changes["sensitivity"] = join(str(label), project.floor)
        changes.setdefault("source_sensitivity", changes.get("sensitivity", USUAL.sensitivity))
        return msgspec.structs.replace(USUAL, **changes)

    def _in_bucket(self, document: Document, path: Path, changes: dict[str, object]) -> None:
        """A bucket that is given stands for some key in it."""
        if "bucket" not in changes:
            return
        bucket = changes.pop("bucket")
        key = key_in(bucket) if isinstance(bucket, str) and bucket in BUCKETS else None
        if key is not None and bucket == bucket_of(str(USUAL.key)):
            key = USUAL.key
        if changes.setdefault("key", key) == key:
            return
        named = changes["key"]
        actual = bucket_of(named) if isinstance(named, str) else "unknown"
        if actual != bucket:
            at = document.value((*path, "key.bucket"))
            self.tree.problem(
                at, "P106", f"the bucket of key `{named or 'unknown'}` is {actual}; leave one of them out"
            )

    def _value(self, document: Document, path: Path, attribute: Attribute, written: object) -> object:
        if written == "unknown":
            return None
        items = written if isinstance(written, list) else [written]
        if not all(isinstance(item, str) or type(item) is int for item in items):
            self.tree.problem(document.value(path), "P102", f"a value of `{attribute.name}` is a word")
            return None
        words = list(map(str, items))
        if self.vocabulary.sections:
            self._known(document, path, words, self.vocabulary.values(attribute), f"value for {attribute.name}")
        if attribute.kind == "set":
            return frozenset(words)
        if len(words) != 1 or isinstance(written, list):
            self.tree.problem(document.value(path), "P102", f"`{attribute.name}` has one value in a test")
        return words[0] if words else None

    def _expectation(self, document: Document, path: Path, entry: files.ExpectEntry) -> Expectation:
        if not entry.model_fields_set:
            self.tree.problem(document.value(path), "P102", "a test expects something")
        deny: dict[str, frozenset[str]] | None = None
        if isinstance(entry.deny, list):
            self._known(document, (*path, "deny"), entry.deny, self.backends, "backend")
            deny = {id: frozenset() for id in entry.deny}
        elif entry.deny is not None:
            deny = {}
            for id, rules in entry.deny.items():
                named = rules if isinstance(rules, list) else [rules] if rules else []
                self._known_key(document, (*path, "deny", id), id)
                self._known(document, (*path, "deny", id), named, self.rules, "rule")
                deny[id] = frozenset(named)
        self._known(document, (*path, "watch"), entry.watch or [], self.rules, "rule")
        for field in ("permit", "first"):
            ids = getattr(entry, field) or []
            self._known(document, (*path, field), [ids] if isinstance(ids, str) else ids, self.backends, "backend")
        only = entry.permit_only or {}
        return Expectation(
            permit=None if entry.permit is None else frozenset(entry.permit),
            deny=deny,
            permit_only=self.conditions.atoms(document, (*path, "permit_only"), only, "backend"),
            first=entry.first,
            decision=entry.decision,
            http=entry.http,
            reason=entry.reason,
            hops=entry.hops,
            sent_outside=entry.sent_outside,
            watch=None if entry.watch is None else frozenset(entry.watch),
        )
