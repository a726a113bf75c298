"""From the policy's ruling to an ordered plan. Only narrows: what the policy denies cannot come back here."""

from collections.abc import Iterable, Mapping

import msgspec

from gateway.core import tokens
from gateway.core.catalog import Backend
from gateway.core.chat import ChatRequest
from gateway.core.decision import Candidate, Decision, Exclusion, Ruling, Verdict
from gateway.core.errors import Refusal, Refused
from gateway.core.price import Price

TYPICAL_OUTPUT = 512
"""Tokens that an answer is expected to have when the client set no limit; only for comparing prices."""

_DENIED = Verdict((), ())


def plan(
    *,
    id: str,
    digest: str,
    requested: str,
    backends: Iterable[Backend],
    ruling: Ruling,
    chat: ChatRequest,
    not_offered: Mapping[str, str],
) -> Decision:
    """Splits the backends behind a name into ordered candidates and exclusions, each with its reason."""
    candidates: list[Candidate] = []
    excluded: list[Exclusion] = []
    for backend in backends:
        verdict = ruling.verdicts.get(backend.id, _DENIED)
        if found := _exclusion(backend, verdict, chat, not_offered):
            excluded.append(found)
        elif backend.price is not None:
            candidates.append(Candidate(backend, verdict.permits, _expected(backend.price, chat)))
    if len(candidates) > 1:
        by_cost = "cost" in ruling.order
        candidates.sort(key=lambda each: (each.expected_pico_usd if by_cost else 0, each.backend.id))
    return Decision(id, digest, requested, ruling.facts, tuple(candidates), tuple(excluded))


def _exclusion(
    backend: Backend, verdict: Verdict, chat: ChatRequest, not_offered: Mapping[str, str]
) -> Exclusion | None:
    """Why a backend is out: what it cannot do, since no policy changes that, then the policy, then what is missing."""
    if lacking := chat.needs - backend.capabilities:
        return Exclusion(backend.id, "capability", (), f"lacks {', '.join(sorted(lacking))}")
    if backend.context is not None and (least := tokens.prompt_at_least(chat.text_bytes)) > backend.context:
        return Exclusion(
            backend.id, "context", (), f"the prompt has at least {least} tokens, its context is {backend.context}"
        )
    if not verdict.permitted:
        reason = "forbidden" if verdict.forbids else "no rule permits it"
        return Exclusion(backend.id, "policy", verdict.forbids, reason)
    if backend.price is None:
        return Exclusion(backend.id, "price", (), "has no price, so its cost could not be booked")
    if missing := not_offered.get(backend.id):
        return Exclusion(backend.id, "offer", (), missing)
    return None


def _expected(price: Price, chat: ChatRequest) -> int:
    prompt = tokens.prompt_at_most(chat.text_bytes, len(chat.view.messages))
    limit = chat.output_limit
    written = TYPICAL_OUTPUT if limit is None else min(limit, TYPICAL_OUTPUT)
    return prompt * price.input + written * (chat.view.n or 1) * price.output


def without(decision: Decision, backend: Backend, verdict: Verdict) -> Decision:
    """The decision without a candidate that the policy has come to deny."""
    candidates = tuple(each for each in decision.candidates if each.backend.id != backend.id)
    revoked = Exclusion(backend.id, "policy", verdict.forbids, "revoked while the request was under way")
    return msgspec.structs.replace(decision, candidates=candidates, excluded=(*decision.excluded, revoked))


def refusal(decision: Decision) -> Refused:
    """What to tell the client when nobody may be asked: what stands in the way, mildest last."""
    by = {exclusion.by for exclusion in decision.excluded}
    named = f"model `{decision.requested}`"
    if "policy" in by:
        rules = sorted({rule for exclusion in decision.excluded for rule in exclusion.rules})
        said = f"rules: {', '.join(rules)}" if rules else "no rule permits it"
        return Refused(
            Refusal.POLICY_DENIED, f"policy denies {named} for this request ({said}); decision {decision.id}"
        )
    if not by:
        return Refused(Refusal.NO_BACKEND, "the catalog is empty; the gateway's operator adds backends", retry_after=30)
    if "offer" in by or "price" in by:
        return Refused(
            Refusal.NO_BACKEND,
            f"no backend of {named} is in service; its operator finds the reason with `gateway policy explain`",
            retry_after=30,
        )
    reasons = "; ".join(f"{e.backend} {e.reason}" for e in decision.excluded)
    kind = Refusal.CONTEXT_TOO_LONG if by == {"context"} else Refusal.UNSUPPORTED
    return Refused(
        kind, f"no backend of {named} can do this: {reasons}", param="messages" if by == {"context"} else None
    )
