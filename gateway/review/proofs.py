"""Proofs in words: as problems, as one sentence, and as what a person can try."""

from collections.abc import Iterable

import msgspec

from gateway.core.catalog import AUTO
from gateway.policy.counterexample import Counterexample, Place, Written
from gateway.policy.document import Problem
from gateway.policy.prove import Proof
from gateway.policy.vocabulary import REQUEST

_HEADERS = {"sensitivity": "x-gateway-sensitivity", "purpose": "x-gateway-purpose", "project": "x-gateway-project"}
_GRANTED = ("purpose", "project")
_KEY = ("principal.person", "team", "app", "key", "key.bucket")
_SAID = 3
"""Backends that are named as unable to serve."""


def problems(proofs: Iterable[Proof]) -> tuple[Problem, ...]:
    """P301 for each invariant that is violated, P302 for each that was not decided, at the invariant's place."""
    return tuple(
        Problem(proof.invariant.mark, "P302" if proof.holds is None else "P301", sentence(proof))
        for proof in proofs
        if not proof.holds
    )


def sentence(proof: Proof) -> str:
    """What came of an invariant, in one line."""
    invariant, found = proof.invariant, proof.counterexample
    if proof.holds:
        return f"invariant `{invariant.id}` holds"
    if found is None:
        return f"invariant `{invariant.id}` is not decided: the proof takes more steps than it may"
    return f"invariant `{invariant.id}` is violated: {_violation(found)}"


def _violation(found: Counterexample) -> str:
    request = braced(found.request)
    if not found.backend:
        return f"no wanted backend may serve {request}: {'; '.join(_denials(found)) or 'the catalog has none'}"
    if found.calls:
        first, *further = found.calls
        ways = [f"`{first.backend}`", *(f"after {step.after} to `{step.backend}`" for step in further)]
        said = f"{request} is sent to {', '.join(ways)}"
    elif found.passport is not None:
        facts = braced(found.passport)
        said = f"{request} reaches any backend" + (f" with {facts}" if found.passport else "")
    else:
        said = f"{request} reaches `{found.backend}`"
    said += f" by permit {', '.join(map(placed, found.permits))}"
    if found.lower:
        said += f", but with the label {found.lower} it does not ({_reason(found.denied[found.backend])})"
    if found.lifted:
        said += f", while an exception lifts {_named(found.lifted)}"
    return said


def _denials(found: Counterexample) -> list[str]:
    said = [f"`{backend}` {_reason(rules)}" for backend, rules in found.denied.items()]
    return said if len(said) <= _SAID else [*said[:_SAID], f"{len(said) - _SAID} more"]


def _reason(rules: tuple[str, ...]) -> str:
    return f"forbidden by {_named(rules)}" if rules else "no rule permits it"


def _named(rules: Iterable[str]) -> str:
    return ", ".join(f"`{rule}`" for rule in rules)


def placed(place: Place) -> str:
    """A rule with its place."""
    return f"`{place.rule}` ({place.mark})"


def braced(written: Written) -> str:
    """Attributes as they stand in a test; none: any request."""
    if not written:
        return "any request"
    values = (f"[{', '.join(value)}]" if isinstance(value, list) else value for value in written.values())
    return "{" + ", ".join(f"{name}: {value}" for name, value in zip(written, values, strict=True)) + "}"


def curl(found: Counterexample) -> str:
    """A command that sends a counterexample, as far as a caller has a say in it; empty: nobody can be asked so yet."""
    if found.passport is not None:
        return ""
    body = {"model": found.backend or AUTO, "messages": [{"role": "user", "content": "hello"}]}
    if found.calls:
        body["model"] = AUTO
    headers = [
        f"-H '{header}: {found.request[name]}'"
        for name, header in _HEADERS.items()
        if name in found.request and found.request[name] != "unknown"
    ]
    parts = ['curl -s "$GATEWAY/v1/chat/completions" -H "Authorization: Bearer $KEY"', *headers]
    return " ".join([*parts, "-H 'Content-Type: application/json'", f"-d '{msgspec.json.encode(body).decode()}'"])


def beyond_the_caller(found: Counterexample) -> tuple[str, ...]:
    """What of a counterexample no header can say: what the key is, what the scanner finds, how earlier calls went."""
    request = found.request
    granted = [f"{name} {request[name]}" for name in _GRANTED if request.get(name, "unknown") != "unknown"]
    own = [f"{name} {request[name]}" for name in _KEY if name in request]
    calls = [name for name, attribute in REQUEST.items() if attribute.hop and name in request]
    known = {*_GRANTED, *_KEY, *calls, "project.jurisdiction"}
    found_out = {name: value for name, value in request.items() if name not in known}
    if found_out.get("sensitivity") != "unknown":
        found_out.pop("sensitivity", None)
    said = []
    if granted:
        said.append(f"the key is granted {', '.join(granted)}")
    if own:
        said.append(f"the key has {', '.join(own)}")
    if found_out:
        said.append(f"the gateway finds {braced(found_out)}")
    if calls:
        said.append(f"earlier calls leave {braced({name: request[name] for name in calls})}")
    return tuple(said)
