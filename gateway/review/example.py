"""A request as a test has it, where only what is not as usual is said; and a test out of a logged decision."""

from collections.abc import Iterable

import msgspec
import yaml

from gateway.core.buckets import key_in
from gateway.core.catalog import AUTO
from gateway.core.decision import Facts, Project
from gateway.core.labels import DEFAULT_LEVEL, join
from gateway.core.stored import AWAY, Stored
from gateway.policy.claims import USUAL, told_otherwise
from gateway.policy.model import Bundle
from gateway.policy.vocabulary import REQUEST, Kind


def usual(bundle: Bundle) -> Facts:
    """The facts of a test that says nothing."""
    return _with_consequences(bundle, USUAL)


def request_of(bundle: Bundle, facts: Facts, model: str = AUTO, needs: Iterable[str] = ()) -> dict[str, object]:
    """The `request` of a test that has these facts."""
    said: dict[str, object] = {} if model == AUTO else {"model": model}
    if further := sorted(set(needs) - {"chat"}):
        said["needs"] = further
    unsaid = _with_consequences(bundle, msgspec.structs.replace(USUAL, project=facts.project))
    for name, attribute in REQUEST.items():
        value = getattr(facts, attribute.field)
        expected = facts.sensitivity if name == "source_sensitivity" else getattr(unsaid, attribute.field)
        if name == "project":
            expected = USUAL.project
        if not told_otherwise(name, facts) and value != expected:
            said[name] = _written(value, attribute.kind)
    return said


def _written(value: str | frozenset[str] | None, kind: Kind) -> object:
    if value is None:
        return "unknown"
    if isinstance(value, frozenset):
        return sorted(value)
    return int(value) if kind in ("count", "number") else value


def _with_consequences(bundle: Bundle, facts: Facts) -> Facts:
    """Usual facts, with what is declared of their project."""
    project = bundle.projects.get(facts.project or "") or Project("")
    label = join(DEFAULT_LEVEL, project.floor or DEFAULT_LEVEL)
    return msgspec.structs.replace(
        facts, jurisdiction=project.jurisdiction, sensitivity=label, source_sensitivity=label
    )


def written(data: object) -> str:
    """Data as YAML in one line."""
    return str(yaml.safe_dump(data, sort_keys=False, default_flow_style=True, width=float("inf"))).strip()


def of_decision(bundle: Bundle, stored: Stored) -> str:
    """A file for tests/ that expects what was decided: who could be asked, and which rules denied the others.

    Only facts that some rule asks are in it.
    A backend that lacked only its key is expected, too: a test does not depend on the keys of a machine. Their order
    is not: it may depend on the size of the text.
    """
    asked = {REQUEST[atom.attribute].field for rule in bundle.rules for atom in rule.when} | {"redaction"}
    asked |= {REQUEST[atom.attribute].field for exemption in bundle.exemptions for atom in exemption.when}
    known = stored.facts
    if "bucket" in asked:
        asked.discard("bucket")
        if "key" not in asked and known.bucket is not None:  # whose it was is of no matter
            known = msgspec.structs.replace(known, key=key_in(known.bucket))
        asked.add("key")
    facts = msgspec.structs.replace(usual(bundle), **{field: getattr(known, field) for field in asked})
    if "source_sensitivity" not in asked:
        facts = msgspec.structs.replace(facts, source_sensitivity=facts.sensitivity)
    permitted = [*stored.plan, *(denied.backend for denied in stored.denied if denied.by in AWAY)]
    expect: dict[str, object] = {"permit": sorted(permitted)}
    if rules := {each.backend: list(each.rules) for each in stored.denied if each.by == "policy"}:
        expect["deny"] = rules
    lines = [
        "tests:",
        f"  - name: as decision {stored.decision_id}",
        f"    request: {written(request_of(bundle, facts, stored.requested, stored.demand.needs))}",
        f"    expect: {written(expect)}",
    ]
    return "\n".join(lines) + "\n"
