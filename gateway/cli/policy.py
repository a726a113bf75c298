"""`gateway policy`"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.adapters import policy_files
from gateway.adapters.keys import Keys
from gateway.adapters.secrets import not_offered
from gateway.cli.common import Policies, StateDir, cannot_run, print_json, settings_of
from gateway.core.chat import ChatRequest, parse
from gateway.core.decision import Decision, Project
from gateway.core.errors import Refused
from gateway.core.labels import DEFAULT_LEVEL, LEVELS
from gateway.core.price import usd
from gateway.core.record import Caller
from gateway.policy.decide import Eligibility
from gateway.policy.document import Problem, render
from gateway.policy.explain import Explanation, Truth, explain
from gateway.policy.model import Bundle
from gateway.policy.parse import Parsed
from gateway.routing.plan import plan
from gateway.sensitivity.classify import classify, facts_of

app = typer.Typer(help="Routing policy: check it, ask it.", no_args_is_help=True)

_TRUTH: dict[Truth, str] = {True: "T", False: "F", None: "U"}


class Format(StrEnum):
    """How `check` prints problems."""

    text = "text"
    json = "json"
    github = "github"


def _load(policies: Path | None) -> Parsed:
    settings = settings_of(policies=policies)
    try:
        return policy_files.load(settings.policies, settings.extra_catalog)
    except policy_files.Unreadable as error:
        cannot_run(str(error))


@app.command()
def check(
    policies: Annotated[Path | None, typer.Argument(help="The policy tree (GATEWAY_POLICIES).")] = None,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.text,
) -> None:
    """Check a policy tree: everything that the server would check before it loads it."""
    parsed = _load(policies)
    if format is Format.json:
        print_json([_problem(problem) for problem in parsed.problems])
    elif format is Format.github:
        for problem in parsed.problems:
            typer.echo(_annotation(problem))
    elif parsed.problems:
        typer.echo(render(parsed.problems, parsed.sources))
    if parsed.bundle is None:
        if format is Format.text:
            count = len(parsed.problems)
            typer.echo(f"\n{count} problem{'s' if count != 1 else ''}; the tree would not load")
        raise typer.Exit(1)
    if format is Format.text:
        bundle = parsed.bundle
        typer.echo(f"ok: {len(bundle.rules)} rules, {len(bundle.backends)} backends, digest {bundle.digest}")


def _annotation(problem: Problem) -> str:
    """A problem as a workflow command. What stands in a policy file must not become a command of its own."""
    mark, message = problem.mark, problem.message
    for character, escaped in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        message = message.replace(character, escaped)
    file = mark.file.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::error file={file},line={mark.line},col={mark.column},title={problem.code}::{message}"


def _problem(problem: Problem) -> dict[str, object]:
    mark = problem.mark
    return {
        "file": mark.file,
        "line": mark.line,
        "column": mark.column,
        "code": problem.code,
        "message": problem.message,
    }


@app.command("explain")
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
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.text,
) -> None:
    """Explain a request: which backends may serve it, in which order, and every rule that says so."""
    parsed = _load(policies)
    if parsed.bundle is None:
        typer.echo(render(parsed.problems, parsed.sources), err=True)
        raise typer.Exit(1)
    if sensitivity is not None and sensitivity not in LEVELS:
        cannot_run(f"unknown level `{sensitivity}`; known: {', '.join(LEVELS)}")
    chat = _chat(request, model)
    caller = _caller(key, state_dir) if key else Caller("any", team, as_app, floor=sensitivity or DEFAULT_LEVEL)
    name = project or caller.projects[0]
    declared = parsed.bundle.projects.get(name) or Project(name)
    classified = classify(caller.floor, sensitivity, declared.floor)
    facts = facts_of(caller, classified, purpose or caller.purposes[0], declared)
    decision = _decide(parsed.bundle, facts, chat)
    explanations = {each.backend: each for each in explain(parsed.bundle, facts)}
    if format is Format.json:
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
