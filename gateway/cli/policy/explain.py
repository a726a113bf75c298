"""`gateway policy explain`"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.adapters.keys import Keys
from gateway.adapters.secrets import not_offered
from gateway.adapters.suspensions import Suspensions
from gateway.cli.common import Policies, StateDir, cannot_run, print_json, settings_of, shared_of
from gateway.cli.policy.common import Plain, written
from gateway.core.chat import ChatRequest, parse
from gateway.core.decision import Decision, Facts, Project
from gateway.core.errors import Refused
from gateway.core.labels import DEFAULT_LEVEL, LEVELS
from gateway.core.price import usd
from gateway.core.record import Caller
from gateway.policy.decide import Eligibility
from gateway.policy.document import suggestion
from gateway.policy.explain import Explanation, RuleTruth, Truth, explain, open_exemptions
from gateway.policy.model import Bundle, Exemption
from gateway.policy.rules import moment
from gateway.policy.suspend import suspended
from gateway.routing.plan import plan
from gateway.sensitivity.classify import classify, facts_of

_TRUTH: dict[Truth, str] = {True: "T", False: "F", None: "U"}


def explain_request(
    request: Annotated[Path | None, typer.Argument(help="A chat completion body (JSON); - for standard input.")] = None,
    model: Annotated[str, typer.Option(help="The model name, when there is no body.")] = "auto",
    key: Annotated[str | None, typer.Option(help="Ask as this key (its id).")] = None,
    team: Annotated[str, typer.Option(help="Ask as this team.")] = "any",
    as_app: Annotated[str, typer.Option("--app", help="Ask as this application.")] = "any",
    project: Annotated[str | None, typer.Option(help="The project. [default: the key's, else default]")] = None,
    purpose: Annotated[str | None, typer.Option(help="The purpose. [default: the key's, else general]")] = None,
    sensitivity: Annotated[str | None, typer.Option(help="What x-gateway-sensitivity says.")] = None,
    at: Annotated[str | None, typer.Option(help="The moment (UTC), for exceptions. [default: now]")] = None,
    every: Annotated[bool, typer.Option("--all", help="Print every condition, also of rules without a say.")] = False,
    policies: Policies = None,
    state_dir: StateDir = None,
    format: Annotated[Plain, typer.Option(help="How to print.")] = Plain.text,
) -> None:
    """Explain a request: who may serve it, in which order, every rule that says so, and what would have to change."""
    bundle = _with_orders(written(policies)[0], state_dir)
    if sensitivity is not None and sensitivity not in LEVELS:
        cannot_run(f"unknown level `{sensitivity}`; known: {', '.join(LEVELS)}")
    seconds = time.time() if at is None else moment(at)
    if seconds is None:
        cannot_run(f"`{at}` is no moment; write it in UTC, for example `2026-11-22T18:00:00Z`")
    chat = _chat(request, model)
    caller = _caller(key, state_dir) if key else Caller("any", team, as_app, floor=sensitivity or DEFAULT_LEVEL)
    name = project or caller.projects[0]
    declared = bundle.projects.get(name) or Project(name)
    classified = classify(caller.floor, sensitivity, declared.floor)
    facts = facts_of(caller, classified, purpose or caller.purposes[0], declared)
    decision = _decide(bundle, facts, chat, seconds)
    asked = [each.backend.id for each in decision.candidates] + [each.backend for each in decision.excluded]
    found = {each.backend: each for each in explain(bundle, facts, seconds, asked)}
    explained = _Explained(
        decision, classified.provenance, open_exemptions(bundle, facts, seconds), tuple(found[id] for id in asked)
    )
    if format is Plain.json:
        print_json(_as_data(explained))
    else:
        typer.echo("\n".join(_in_words(explained, every=every)))
    if not decision.candidates:
        raise typer.Exit(1)


class _Explained(msgspec.Struct, frozen=True):
    """All that is told of a request: the decision, where its label comes from, and each backend in the plan's order."""

    decision: Decision
    provenance: tuple[tuple[str, str], ...]
    exemptions: tuple[Exemption, ...]
    backends: tuple[Explanation, ...]


def _with_orders(bundle: Bundle, state_dir: Path | None) -> Bundle:
    """The bundle under the suspensions that were ordered, where anybody could have."""
    settings = settings_of(state_dir=state_dir)
    if not settings.ledger_url and not settings.state_dir.is_dir():
        return bundle
    orders = Suspensions(settings.state_dir, shared_of(settings))
    orders.news()
    ids = orders.in_force
    orders.close()
    return suspended(bundle, ids)


def _chat(request: Path | None, model: str) -> ChatRequest:
    if request is None:
        body = msgspec.json.encode({"model": model, "messages": [{"role": "user", "content": ""}]})
    elif str(request) == "-":
        body = typer.get_binary_stream("stdin").read()
    else:
        try:
            body = request.read_bytes()
        except OSError as error:
            cannot_run(f"cannot read {request}: {error.strerror}")
    try:
        return parse(body)
    except Refused as refused:
        cannot_run(refused.message)


def _caller(id: str, state_dir: Path | None) -> Caller:
    settings = settings_of(state_dir=state_dir)
    rows = {}
    if settings.ledger_url or settings.state_dir.is_dir():
        with contextlib.closing(Keys(settings.state_dir, shared_of(settings))) as keys:
            rows = {row.id: row for row in keys.rows()}
    if id not in rows:
        cannot_run(f"no key `{id}`; `gateway keys list` shows them")
    row = rows[id]
    return Caller(row.id, row.team, row.app, row.projects, row.purposes, row.floor, row.person, row.opaque_as)


def _decide(bundle: Bundle, facts: Facts, chat: ChatRequest, seconds: float) -> Decision:
    eligibility = Eligibility(bundle, not_offered(bundle.backends))
    requested = chat.view.model
    backends = eligibility.names.get(requested)
    if backends is None:
        cannot_run(f"no model or alias `{requested}`{suggestion(requested, eligibility.names)}")
    return plan(
        id="dec-explained",
        digest=eligibility.digest,
        requested=requested,
        backends=backends,
        ruling=eligibility.ask(facts, seconds),
        demand=chat.demand,
        not_offered=eligibility.not_offered,
    )


def _as_data(explained: _Explained) -> dict[str, object]:
    decision = explained.decision
    return {
        "requested": decision.requested,
        "policy_digest": decision.policy_digest,
        "facts": {
            name: sorted(value) if isinstance(value, frozenset) else value
            for name, value in (msgspec.structs.asdict(decision.facts) | {"bucket": decision.facts.bucket}).items()
        },
        "label_from": [{"source": source, "level": level} for source, level in explained.provenance],
        "exceptions": [exemption.id for exemption in explained.exemptions],
        "plan": [
            {"backend": c.backend.id, "rules": c.rules, "expected_cost_usd": usd(c.expected_pico_usd)}
            for c in decision.candidates
        ],
        "excluded": [
            {"backend": e.backend, "by": e.by, "rules": e.rules, "reason": e.reason} for e in decision.excluded
        ],
        "rules": {each.backend: [_rule_data(rule) for rule in each.rules] for each in explained.backends},
        "nearest": {
            each.backend: msgspec.to_builtins(each.nearest) for each in explained.backends if not each.permitted
        },
    }


def _rule_data(rule: RuleTruth) -> dict[str, object]:
    return {
        "rule": rule.rule,
        "effect": rule.effect,
        "mode": rule.mode,
        "why": rule.why,
        "place": str(rule.mark),
        "truth": _TRUTH[rule.truth],
        "fires": rule.fires,
        "decides": rule.decides,
        "lifted_by": rule.lifted or None,
        "atoms": [{"atom": a.text, "truth": _TRUTH[a.truth], "place": str(a.mark)} for a in rule.atoms],
        "obligations": [
            {
                "name": each.due.name,
                "amount": each.due.amount,
                "tags": list(each.due.tags),
                "discharged": each.discharged is True,
            }
            for each in rule.dues
        ],
    }


def _in_words(explained: _Explained, *, every: bool) -> Iterator[str]:
    decision = explained.decision
    facts = decision.facts
    yield f"model {decision.requested}, policy {decision.policy_digest}"
    sources = ", ".join(f"{source} {level}" for source, level in explained.provenance)
    yield f"label {facts.sensitivity or 'unknown'} (the highest of {sources})"
    yield (
        f"purpose {facts.purpose or 'unknown'}, project {facts.project}, "
        f"team {facts.team}, app {facts.app}, key {facts.key} (bucket {facts.bucket or 'unknown'})"
    )
    for exemption in explained.exemptions:
        lifted = ", ".join(sorted(exemption.rules))
        yield f"exception {exemption.id} is open (ticket {exemption.ticket}): it lifts {lifted}"
    yield ""
    yield "plan, in this order:" if decision.candidates else "plan: nobody may serve this"
    for position, candidate in enumerate(decision.candidates, 1):
        cost = usd(candidate.expected_pico_usd)
        yield f"  {position}. {candidate.backend.id}  by {', '.join(candidate.rules)}  (about {cost} USD)"
    why_not: dict[str, list[str]] = {}
    for excluded in decision.excluded:
        by = f" by {', '.join(excluded.rules)}" if excluded.rules else ""
        why_not.setdefault(f"{excluded.reason}{by}", []).append(excluded.backend)
    for reason, ids in why_not.items():
        yield f"  not {', '.join(ids)}: {reason}"
    alike: dict[tuple[str, ...], list[str]] = {}
    for each in explained.backends:
        rules = _all_rules(each) if every else _rules_that_matter(each)
        said = ("permitted" if each.permitted else "denied", *rules, *_nearest_in_words(each))
        alike.setdefault(said, []).append(each.backend)
    for (verdict, *lines), ids in alike.items():
        yield ""
        yield f"{', '.join(ids)}: {verdict}"
        yield from lines


def _all_rules(explanation: Explanation) -> Iterator[str]:
    for rule in sorted(explanation.rules, key=lambda rule: (not rule.decides, not rule.fires)):
        yield from _in_full(rule)


def _rules_that_matter(explanation: Explanation) -> Iterator[str]:
    """What denies or permits, in full; the permits that fail, if none is true; then what is watched or lifted."""
    permits = [rule for rule in explanation.rules if rule.effect == "permit" and rule.mode == "enforce"]
    denying = [rule for rule in explanation.rules if rule.effect != "permit" and rule.decides]
    noted = [rule for rule in explanation.rules if rule.fires and not rule.decides]
    permitting = [rule for rule in permits if rule.decides]
    for rule in denying:
        yield from _in_full(rule)
    for rule in permitting:
        yield from [_line(rule)] if denying else _in_full(rule)
    for rule in noted if permitting else [*permits, *noted]:
        yield f"{_line(rule)}{_what_fails(rule)}"
    if left := len(explanation.rules) - len(denying) - len(noted) - len(permitting or permits):
        yield f"    {'1 more rule has' if left == 1 else f'{left} more rules have'} no say here (--all)"


def _line(rule: RuleTruth) -> str:
    notes = [str(rule.mode)] if rule.mode != "enforce" else []
    notes += [f"lifted by {rule.lifted}"] if rule.lifted else []
    sign = "*" if rule.decides else "~" if rule.fires else " "
    said = f" ({', '.join(notes)})" if notes else ""
    return f"  {sign} {_TRUTH[rule.truth]} {rule.effect} {rule.rule}{said}  {rule.mark}"


def _what_fails(rule: RuleTruth) -> str:
    """The first thing that keeps a rule from being true."""
    against = [f"{_TRUTH[atom.truth]} {atom.text}" for atom in rule.atoms if atom.truth is rule.truth is not True]
    against += [f"{each.due.name} is not discharged" for each in rule.dues if each.discharged is not True]
    return f"  ({against[0]})" if against else ""


def _in_full(rule: RuleTruth) -> Iterator[str]:
    yield _line(rule)
    if rule.why and rule.decides and rule.effect != "permit":
        yield f"        {rule.why}"
    for atom in rule.atoms:
        yield f"        {_TRUTH[atom.truth]} {atom.text}  (line {atom.mark.line})"
    for each in rule.dues:
        yield f"        {each.due}: {'discharged' if each.discharged is True else 'not discharged'}"


def _nearest_in_words(explanation: Explanation) -> Iterator[str]:
    if explanation.permitted:
        return
    attributes = {change.attribute.startswith("backend.") for changes in explanation.nearest for change in changes}
    intro = "nearest permit"
    if attributes == {True}:
        intro = "no request can reach it; its facts would have to be"
    elif True in attributes:
        intro = "no request can reach it; request and facts would have to be"
    for changes in explanation.nearest:
        said = " and ".join(f"{change.attribute} {change.wanted} (now {change.now})" for change in changes)
        yield f"  {intro}: {said}"
        intro = "or"
    if not explanation.nearest:
        yield "  no facts would do: it takes another rule"
