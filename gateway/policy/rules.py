"""Rules, projects and break-glass exceptions, from their files to values."""

import calendar
import re
from collections.abc import Mapping
from decimal import Decimal

from gateway.core.budget import Spend
from gateway.core.catalog import Backend
from gateway.core.decision import Obligation, Project
from gateway.core.price import pico_usd
from gateway.policy import files
from gateway.policy.conditions import Conditions
from gateway.policy.document import Document, Mark, Path, suggestion
from gateway.policy.model import Atom, Effect, Exemption, Rollout, Rule, canary_atom
from gateway.policy.obligations import OBLIGATIONS
from gateway.policy.tree import Tree, project_of
from gateway.policy.vocabulary import Side, Vocabulary

EFFECTS: tuple[Effect, ...] = ("permit", "forbid", "require", "limit", "prefer")
LONGEST_EXEMPTION_SECONDS = 4 * 3600
PRINCIPALS = ("key", "app", "team", "project", "principal.person")
"""Attributes that say whom an exception is for; others may narrow it further."""
LONGEST_TRIAL_SECONDS = 60 * 86_400
"""Decisions are kept for longer, but not for ever: a trial that outlasts them would never be seen to its end."""

_NOT_PROMOTED = {
    "permit": "new denials say nothing of whom it would admit",
    "limit": "what it would deny hangs on what was spent, and is not counted again",
}
_MODIFIES: Mapping[str, Effect] = {"breakable": "forbid", "in_flight": "forbid", "on_model_mismatch": "permit"}
_UNIT_SECONDS = {"h": 3600, "d": 86_400}
_MOMENT = re.compile(r"(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})(?::(\d{2}))?Z\Z")


def projects(tree: Tree, vocabulary: Vocabulary) -> dict[str, Project]:
    """What projects.yaml declares."""
    found: dict[str, Project] = {}
    for _, document, file in tree.of_kind("projects", files.ProjectsFile):
        for name, entry in file.projects.items():
            path: Path = ("projects", name)
            known = vocabulary.words("jurisdictions")
            if entry.jurisdiction is not None and entry.jurisdiction not in known and vocabulary.sections:
                at = document.value((*path, "jurisdiction"))
                hint = suggestion(entry.jurisdiction, known)
                tree.problem(at, "P103", f"unknown value `{entry.jurisdiction}` for project.jurisdiction{hint}")
            found[name] = Project(name, entry.jurisdiction, entry.floor, entry.opaque_as)
    return found


def rules(
    tree: Tree, conditions: Conditions, projects: Mapping[str, Project], backends: Mapping[str, Backend]
) -> dict[str, Rule]:
    """The rules of all layers, by id."""
    found: dict[str, Rule] = {}
    aliases = {alias for backend in backends.values() for alias in backend.aliases} | backends.keys()
    for name, document, file in tree.of_kind("policies", files.PolicyFile):
        project = project_of(name)
        if project and project not in projects and "projects" not in tree.shaky:
            hint = suggestion(project, projects)
            tree.problem(Mark(document.file), "P103", f"`{project}` is no project of projects.yaml{hint}")
        for position, entry in enumerate(file.rules):
            rule = _Reader(tree, conditions, document, ("rules", position), entry, aliases).read(file, project)
            if rule is None:
                continue
            if rule.id in found:
                tree.problem(rule.mark, "P210", f"rule id `{rule.id}` is used twice, first at {found[rule.id].mark}")
            else:
                found[rule.id] = rule
    return found


def rollouts(tree: Tree) -> tuple[Rollout, ...]:
    """The files on trial that say when they are ready for the next mode."""
    found = (_rollout(tree, document, file) for _, document, file in tree.of_kind("policies", files.PolicyFile))
    return tuple(rollout for rollout in found if rollout is not None)


def _rollout(tree: Tree, document: Document, file: files.PolicyFile) -> Rollout | None:
    """What a file says of its promotion. In `enforce` there is none left: it may stand there as what once was asked."""
    if file.promote is None:
        if "promote" in file.model_fields_set:
            tree.problem(document.key(("promote",)), "P102", "`promote` is empty; write `after` and `max_new_denials`")
        return None
    at, written = document.key(("promote",)), file.promote
    if "mode" not in file.model_fields_set:
        tree.problem(at, "P106", "`promote` without a `mode`: the file is in force already; write `mode: shadow`")
    if file.mode == "off":
        tree.problem(at, "P106", "`promote` does not go with `mode: off`: what is off is not on trial; write `shadow`")
    for effect, why in _NOT_PROMOTED.items():
        if any(effect in entry.model_fields_set for entry in file.rules):
            tree.problem(at, "P106", f"`promote` does not go with a `{effect}`: {why}")
    after_seconds = int(written.after[:-1]) * _UNIT_SECONDS[written.after[-1]]
    if after_seconds > LONGEST_TRIAL_SECONDS:
        tree.problem(document.value(("promote", "after")), "P102", "`after` is at most `60d`")
    if file.mode not in ("shadow", "warn"):
        return None
    most, mark = written.max_new_denials, document.value(("mode",))
    if isinstance(most, int):
        return Rollout(file.policy, mark, file.mode, after_seconds, max_count=most)
    return Rollout(file.policy, mark, file.mode, after_seconds, max_share=float(Decimal(most.removesuffix("%")) / 100))


class _Reader:
    """Reads one rule."""

    def __init__(
        self,
        tree: Tree,
        conditions: Conditions,
        document: Document,
        path: Path,
        entry: files.RuleEntry,
        aliases: set[str],
    ) -> None:
        self.tree = tree
        self.conditions = conditions
        self.document = document
        self.path = path
        self.entry = entry
        self.aliases = aliases

    def read(self, file: files.PolicyFile, project: str) -> Rule | None:
        entry, mark = self.entry, self.document.value((*self.path, "id"))
        given: list[Effect] = [effect for effect in EFFECTS if effect in entry.model_fields_set]
        effects: list[Effect] = ["permit"] if given == ["permit", "require"] else given
        if len(effects) != 1:
            said = " and ".join(f"`{effect}`" for effect in given) or "none"
            self.tree.problem(
                mark,
                "P106",
                f"rule `{entry.id}` has one of {', '.join(EFFECTS)} (a permit may have a require beside it); "
                f"it has {said}",
            )
            return None
        effect = effects[0]
        for each in given:
            if getattr(entry, each) is None:
                at = self.document.key((*self.path, each))
                self.tree.problem(at, "P102", f"`{each}` is empty; write `{each}: {{}}` for all")
                return None
        if project and effect == "permit":
            self.tree.problem(mark, "P109", f"the layer of project `{project}` only narrows: it has no `permit`")
        for field, fits in _MODIFIES.items():
            if field in entry.model_fields_set and effect != fits:
                self.tree.problem(self.document.key((*self.path, field)), "P106", f"`{field}` is for a `{fits}`")
        if file.canary is not None and effect == "limit":
            said = "`canary` does not go with a `limit`: it speaks of no key; put it into a file of its own"
            self.tree.problem(mark, "P106", said)
        scope = getattr(entry, effect)
        canary = file.canary if file.mode == "enforce" and file.canary != 100 else None
        layer = (Atom("request", "project", "in", frozenset({project}), f"project is {project}", mark),)
        return Rule(
            id=entry.id,
            effect=effect,
            when=(layer if project else ())
            + (() if canary is None else (canary_atom(canary, mark),))
            + self._atoms(effect, "when", getattr(scope, "when", {})),
            to=self._atoms(effect, "to", getattr(scope, "to", {})),
            why=entry.why or "",
            policy=file.policy,
            owner=file.owner,
            mark=mark,
            mode=file.mode,
            project=project,
            breakable=entry.breakable is True,
            revoke=entry.in_flight == "revoke",
            distrusts=entry.on_model_mismatch == "suspend",
            do=self._do(beside=effect == "permit") if entry.require is not None else (),
            order=tuple(getattr(scope, "order", ())),
            limits=self._limits(scope) if effect == "limit" else (),
            canary=canary,
        )

    def _atoms(self, effect: str, part: str, written: dict[str, object]) -> tuple[Atom, ...]:
        side: Side = "request" if part == "when" else "backend"
        at = (*self.path, effect, part)
        return self.conditions.atoms(self.document, at, written, side, alone=effect == "prefer")

    def _do(self, *, beside: bool) -> tuple[Obligation, ...]:
        """The obligations of a require; of one beside a permit, whose scope is the permit's."""
        requirement, path = self.entry.require, (*self.path, "require")
        assert requirement is not None
        if beside and (requirement.when or requirement.to):
            self.tree.problem(
                self.document.key(path),
                "P106",
                "a `require` beside a `permit` has only `do`: it speaks of what the permit does",
            )
        found = []
        for position, item in enumerate(requirement.do):
            at = self.document.value((*path, "do", position))
            if not isinstance(item, str) and (not isinstance(item, dict) or len(item) != 1):
                self.tree.problem(at, "P102", "write an obligation, or `name: figure`")
                continue
            ((name, amount),) = item.items() if isinstance(item, dict) else ((item, None),)
            row = OBLIGATIONS.get(name)
            if row is None:
                self.tree.problem(at, "P103", f"unknown obligation `{name}`{suggestion(name, OBLIGATIONS)}")
            elif row.takes == "tags":
                found.append(Obligation(name, tags=self._tags(name, amount, (*path, "do", position))))
            elif row.takes and not (type(amount) is int and amount >= 1):
                self.tree.problem(at, "P102", f"write `{name}: 1000`")
            elif not row.takes and isinstance(item, dict):
                self.tree.problem(at, "P102", f"write `{name}`")
            else:
                found.append(Obligation(name, amount or 0))
        return tuple(found)

    def _tags(self, name: str, written: object, path: Path) -> tuple[str, ...]:
        """The tags that an obligation is about; without any it is about all that there are."""
        known = self.conditions.vocabulary.words("tags")
        if written is None:
            return tuple(sorted(known))
        tags = written if isinstance(written, list) else [written]
        if not tags or not all(isinstance(tag, str) for tag in tags):
            self.tree.problem(self.document.value(path), "P102", f"write `{name}: [secret]`, or `{name}` for all tags")
            return ()
        for tag in map(str, tags):
            if tag not in known and "vocabulary" not in self.tree.shaky:
                hint = suggestion(tag, known)
                self.tree.problem(self.document.value(path), "P103", f"unknown value `{tag}` for tags{hint}")
        return tuple(sorted({*map(str, tags)}))

    def _limits(self, written: files.Ceiling | list[files.Ceiling]) -> tuple[Spend, ...]:
        several = isinstance(written, list)
        found = []
        if not written:
            self.tree.problem(self.document.value((*self.path, "limit")), "P102", "an empty list limits nothing")
        for position, entry in enumerate(written if isinstance(written, list) else [written]):
            path: Path = (*self.path, "limit", position) if several else (*self.path, "limit")
            if (entry.usd is None) == (entry.share is None):
                self.tree.problem(
                    self.document.value(path), "P106", "a limit has `usd` and `per`, or `share`, `of` and `by`"
                )
                continue
            wanted, other = (
                (("per",), ("of", "by", "min_sample_usd")) if entry.share is None else (("of", "by"), ("per",))
            )
            missing = [field for field in wanted if getattr(entry, field) is None]
            extra = [field for field in other if getattr(entry, field) is not None]
            for field in missing:
                self.tree.problem(self.document.value(path), "P102", f"missing field `{field}`")
            for field in extra:
                self.tree.problem(self.document.key((*path, field)), "P106", f"`{field}` does not go with this limit")
            downgrade = self._then(path, entry.then)
            if not (missing or extra):
                found.append(
                    Spend(
                        per=entry.per or entry.by or "organisation",
                        window=entry.window,
                        pico_usd=None if entry.usd is None else pico_usd(entry.usd),
                        share=None if entry.share is None else float(entry.share),
                        minimum_pico_usd=pico_usd(entry.min_sample_usd) if entry.min_sample_usd is not None else 0,
                        downgrade=downgrade,
                        on_store_down=entry.on_store_down,
                    )
                )
        return tuple(found)

    def _then(self, path: Path, written: object) -> str | None:
        """The alias that is still served beyond a limit. Beyond that everything is denied, so `deny` comes last."""
        match written:
            case "deny" | ["deny"]:
                return None
            case [{"downgrade": str(alias), **rest}, "deny"] if not rest:
                if alias not in self.aliases and "catalog" not in self.tree.shaky:
                    at = self.document.value((*path, "then", 0, "downgrade"))
                    self.tree.problem(at, "P103", f"no backend or alias `{alias}`{suggestion(alias, self.aliases)}")
                return alias
        self.tree.problem(
            self.document.value((*path, "then")), "P102", "write `then: deny` or `then: [downgrade: ALIAS, deny]`"
        )
        return None


def exemptions(
    tree: Tree, conditions: Conditions, rules: Mapping[str, Rule], backends: frozenset[str] | None
) -> tuple[Exemption, ...]:
    """The break-glass exceptions."""
    found: dict[str, Exemption] = {}
    for _, document, file in tree.of_kind("exceptions", files.ExceptionsFile):
        for position, entry in enumerate(file.exceptions):
            path: Path = ("exceptions", position)
            mark = document.value((*path, "id"))
            if entry.id in found:
                tree.problem(mark, "P210", f"exception id `{entry.id}` is used twice, first at {found[entry.id].mark}")
            for at, id in enumerate(entry.rules):
                rule = rules.get(id)
                if rule is None and "policies" not in tree.shaky:
                    tree.problem(document.value((*path, "rules", at)), "P103", f"no rule `{id}`{suggestion(id, rules)}")
                elif rule is not None and not rule.breakable:
                    tree.problem(document.value((*path, "rules", at)), "P110", f"rule `{id}` is not `breakable: true`")
            for at, id in enumerate(entry.backends):
                if backends is not None and id not in backends:
                    hint = suggestion(id, backends)
                    tree.problem(document.value((*path, "backends", at)), "P103", f"no backend `{id}`{hint}")
            starts, expires = (_moment(tree, document, (*path, field), getattr(entry, field)) for field in _ENDS)
            if starts and expires and not 0 < expires - starts <= LONGEST_EXEMPTION_SECONDS:
                tree.problem(document.value((*path, "expires")), "P110", "an exception lasts 4 hours at most")
            before = len(tree.problems)
            principal = conditions.atoms(document, (*path, "principal"), entry.principal, "request", alone=True)
            named = any(atom.attribute in PRINCIPALS and atom.test == "in" for atom in principal)
            if not named and len(tree.problems) == before:
                at_key = document.key((*path, "principal"))
                tree.problem(at_key, "P110", f"a principal is named by {', '.join(PRINCIPALS)}")
            signers = {name.strip().lower() for name in entry.approved_by} - {""}
            if len(signers) < 2 or entry.requested_by.strip().lower() in signers:
                tree.problem(
                    document.value((*path, "approved_by")), "P110", "two people approve, neither of whom requested it"
                )
            found[entry.id] = Exemption(
                id=entry.id,
                rules=frozenset(entry.rules),
                when=principal,
                backends=frozenset(entry.backends),
                starts=starts,
                expires=expires,
                ticket=entry.ticket,
                requested_by=entry.requested_by,
                approved_by=tuple(entry.approved_by),
                mark=mark,
            )
    return tuple(found.values())


_ENDS = ("starts", "expires")


def _moment(tree: Tree, document: Document, path: Path, written: str) -> float:
    """Unix seconds of a moment as it is written: 2026-11-22T18:00:00Z."""
    seconds = moment(written)
    if seconds is None:
        tree.problem(document.value(path), "P102", "write a moment in UTC, for example `2026-11-22T18:00:00Z`")
    return seconds or 0.0


def moment(written: str) -> float | None:
    """Unix seconds of `2026-11-22T18:00:00Z`, None: not a moment."""
    match = _MOMENT.match(written)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
    if not (year >= 1970 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    return float(calendar.timegm((year, month, day, hour, minute, second)))
