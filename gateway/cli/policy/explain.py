"""`gateway policy explain`"""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.adapters.keys import Keys
from gateway.adapters.secrets import not_offered
from gateway.cli.common import Policies, StateDir, cannot_run, print_json, settings_of
from gateway.cli.policy.common import Plain, good
from gateway.core.chat import ChatRequest, parse
from gateway.core.decision import Decision, Facts, Project
from gateway.core.errors import Refused
from gateway.core.labels import DEFAULT_LEVEL, LEVELS
from gateway.core.price import usd
from gateway.core.record import Caller
from gateway.policy.decide import Eligibility
from gateway.policy.explain import Explanation, Truth, explain
from gateway.policy.model import Bundle
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
    policies: Policies = None,
    state_dir: StateDir = None,
    format: Annotated[Plain, typer.Option(help="How to print.")] = Plain.text,
) -> None:
    """Explain a request: which backends may serve it, in which order, and every rule that says so."""
    bundle = good(policies)
    if sensitivity is not None and sensitivity not in LEVELS:
        cannot_run(f"unknown level `{sensitivity}`; known: {', '.join(LEVELS)}")
    chat = _chat(request, model)
    caller = _caller(key, state_dir) if key else Caller("any", team, as_app, floor=sensitivity or DEFAULT_LEVEL)
    name = project or caller.projects[0]
    declared = bundle.projects.get(name) or Project(name)
    classified = classify(caller.floor, sensitivity, declared.floor)
    facts = facts_of(caller, classified, purpose or caller.purposes[0], declared)
    decision = _decide(bundle, facts, chat)
    explanations = {each.backend: each for each in explain(bundle, facts)}
    if format is Plain.json:
        print_json(_as_data(decision, explanations, classified.provenance))
    else:
        _print(decision, explanations, classified.provenance)
    if not decision.candidates:
        raise typer.Exit(1)


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
    directory = settings_of(state_dir=state_dir).state_dir
    rows = {row.id: row for row in Keys(directory).rows()} if directory.is_dir() else {}
    if id not in rows:
        cannot_run(f"no key `{id}`; `gateway keys list` shows them")
    row = rows[id]
    return Caller(row.id, row.team, row.app, row.projects, row.purposes, row.floor)


def _decide(bundle: Bundle, facts: Facts, chat: ChatRequest) -> Decision:
    eligibility = Eligibility(bundle, not_offered(bundle.backends))
    requested = chat.view.model
    backends = eligibility.names.get(requested)
    if backends is None:
        cannot_run(f"no model or alias `{requested}`; known: {', '.join(sorted(eligibility.names))}")
    return plan(
        id="dec-explained",
        digest=bundle.digest,
        requested=requested,
        backends=backends,
        ruling=eligibility.ask(facts),
        chat=chat,
        not_offered=eligibility.not_offered,
    )


def _as_data(
    decision: Decision, explanations: dict[str, Explanation], provenance: tuple[tuple[str, str], ...]
) -> dict[str, object]:
    asked = [c.backend.id for c in decision.candidates] + [e.backend for e in decision.excluded]
    return {
        "requested": decision.requested,
        "policy_digest": decision.policy_digest,
        "facts": {
            name: sorted(value) if isinstance(value, frozenset) else value
            for name, value in msgspec.structs.asdict(decision.facts).items()
        },
        "label_from": [{"source": source, "level": level} for source, level in provenance],
        "plan": [
            {"backend": c.backend.id, "rules": c.rules, "expected_cost_usd": usd(c.expected_pico_usd)}
            for c in decision.candidates
        ],
        "excluded": [
            {"backend": e.backend, "by": e.by, "rules": e.rules, "reason": e.reason} for e in decision.excluded
        ],
        "rules": {
            id: [
                {
                    "rule": rule.rule,
                    "effect": rule.effect,
                    "place": str(rule.mark),
                    "truth": _TRUTH[rule.truth],
                    "fires": rule.fires,
                    "atoms": [{"atom": atom.text, "truth": _TRUTH[atom.truth]} for atom in rule.atoms],
                }
                for rule in explanations[id].rules
            ]
            for id in asked
        },
    }


def _print(decision: Decision, explanations: dict[str, Explanation], provenance: tuple[tuple[str, str], ...]) -> None:
    facts = decision.facts
    sources = ", ".join(f"{source} {level}" for source, level in provenance)
    typer.echo(f"model {decision.requested}, policy {decision.policy_digest}")
    typer.echo(f"label {facts.sensitivity or 'unknown'} (from {sources})")
    typer.echo(
        f"purpose {facts.purpose or 'unknown'}, project {facts.project}, "
        f"team {facts.team}, app {facts.app}, key {facts.key}\n"
    )
    if decision.candidates:
        typer.echo("plan, in this order:")
        for position, candidate in enumerate(decision.candidates, 1):
            typer.echo(
                f"  {position}. {candidate.backend.id}  by {', '.join(candidate.rules)}"
                f"  (about {usd(candidate.expected_pico_usd)} USD)"
            )
    else:
        typer.echo("plan: nobody may serve this")
    for excluded in decision.excluded:
        by = f" by {', '.join(excluded.rules)}" if excluded.rules else ""
        typer.echo(f"  not {excluded.backend}: {excluded.reason}{by}")
    for id in [c.backend.id for c in decision.candidates] + [e.backend for e in decision.excluded]:
        typer.echo(f"\n{id}")
        for rule in explanations[id].rules:
            mark = "*" if rule.fires else " "
            typer.echo(f"  {mark} {_TRUTH[rule.truth]} {rule.effect} {rule.rule}  {rule.mark}")
            for atom in rule.atoms:
                typer.echo(f"        {_TRUTH[atom.truth]} {atom.text}")
