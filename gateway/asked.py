"""A request as the policy is asked about it: its facts, and the forms in which it may be sent."""

from collections.abc import Awaitable, Iterable, Mapping

import msgspec

from gateway.core.addresses import in_turns, names_addresses
from gateway.core.catalog import URLS, Backend
from gateway.core.chat import ChatRequest, Demand
from gateway.core.decision import Candidate, Facts, Obligation, Project, Redaction, Ruling, strictest
from gateway.core.errors import Failed, Refusal, Refused
from gateway.core.fallback import after
from gateway.core.findings import Classified
from gateway.core.labels import join, level_or_highest
from gateway.core.outline import Outline
from gateway.core.record import Caller
from gateway.ports import Policy, Scanned
from gateway.routing.asking import ask, taken_out
from gateway.routing.plan import DENIED, Lacks
from gateway.routing.spoken import Dialects, lacking
from gateway.sensitivity.classify import with_findings


class Form:
    """One form of a request: what is sent, the facts about it, and what was taken out of it, by its placeholder."""

    __slots__ = ("chat", "facts", "taken")

    def __init__(self, chat: ChatRequest, facts: Facts, taken: Mapping[str, str]) -> None:
        self.chat = chat
        self.facts = facts
        self.taken = taken


class Asked:
    """One request from the moment it has a label. Forms are made when a policy first asks for them."""

    __slots__ = ("_classified", "_forms", "_lacking", "_opaque_as", "_wanted", "came", "scanned")

    def __init__(
        self, chat: ChatRequest, facts: Facts, classified: Classified, scanned: Scanned, opaque_as: str
    ) -> None:
        self.came = Form(chat, facts, {})
        self.scanned = scanned
        self._classified = classified
        self._opaque_as = opaque_as
        self._forms: dict[tuple[str, ...], Form | None] = {}
        self._wanted: list[tuple[str, ...]] = []  # forms that were asked for and are still to be made
        self._lacking: dict[tuple[str, tuple[Obligation, ...]], str] = {}

    async def ask(self, policy: Policy, moment: float) -> Ruling:
        """What a policy says of the request in the form that each backend may have."""
        while True:
            ruling = ask(policy, self.came.facts, moment, self._facts_without)
            if not self._wanted:
                return ruling
            while self._wanted:
                await self._without(self._wanted.pop())

    async def ask_both(self, pinned: Policy, newest: Policy, backend: Backend, moment: float) -> tuple[Ruling, Ruling]:
        """What two policies say of the request, of one backend in the form that it gets when both are kept to: what
        either wants taken out is, and the other is asked about what is left. It may forbid that."""
        rulings = await self.ask(pinned, moment), await self.ask(newest, moment)
        due = [ruling.verdicts.get(backend.id, DENIED).do for ruling in rulings]
        tags = taken_out(strictest((*due[0], *due[1])))
        return (
            await self._as_sent(pinned, rulings[0], backend, tags, moment),
            await self._as_sent(newest, rulings[1], backend, tags, moment),
        )

    async def _as_sent(
        self, policy: Policy, ruling: Ruling, backend: Backend, tags: tuple[str, ...], moment: float
    ) -> Ruling:
        verdict = ruling.verdicts.get(backend.id, DENIED)
        if not verdict.permitted or taken_out(verdict.do) == tags:
            return ruling
        form = await self._without(tags)
        said = DENIED if form is None else policy.ask(form.facts, moment).verdicts.get(backend.id, DENIED)
        if said.permitted:
            said = msgspec.structs.replace(said, do=strictest((*said.do, Obligation("redact", tags=tags))))
        return msgspec.structs.replace(ruling, verdicts={**ruling.verdicts, backend.id: said})

    async def form_for(self, candidate: Candidate) -> Form | None:
        """What a candidate is sent; None: what it may have cannot be made."""
        tags = taken_out(candidate.do)
        return await self._without(tags) if tags else self.came

    async def lacks(self, backends: Iterable[Backend], ruling: Ruling, dialects: Dialects) -> Lacks:
        """What tells why a backend cannot do what is asked. Of a large request that is found out beforehand, for those
        that a ruling permits."""
        chat = self.came.chat
        if not isinstance(chat, Outline):
            return lambda backend, do: lacking(chat, do, backend, dialects)
        permitted = [(backend, verdict) for backend in backends if (verdict := ruling.verdicts.get(backend.id))]
        asked = [(backend, verdict.do) for backend, verdict in permitted if verdict.permitted]
        reasons = self._lacking
        if new := [each for each in asked if (each[0].id, each[1]) not in reasons]:
            told = await self.scanned.lacking(chat, new)
            reasons.update(((backend.id, do), why) for (backend, do), why in zip(new, told, strict=True))
        return lambda backend, do: reasons[backend.id, do]

    @property
    def redactions(self) -> tuple[Redaction, ...]:
        """The forms with something taken out that were made, by their facts."""
        return tuple(Redaction(tags, form.facts) for tags, form in self._forms.items() if form is not None)

    def failed(self, backend: Backend, failed: Failed) -> None:
        """A call was made and failed: that is among the facts of the next hop, in every form."""
        for form in (self.came, *self._forms.values()):
            if form is not None:
                form.facts = after(form.facts, backend, failed)

    def _facts_without(self, tags: tuple[str, ...]) -> Facts | None:
        if tags not in self._forms:
            self._wanted.append(tags)
            return None
        form = self._forms[tags]
        return None if form is None else form.facts

    async def _without(self, tags: tuple[str, ...]) -> Form | None:
        if tags not in self._forms:
            self._forms[tags] = await self._made(tags)
        return self._forms[tags]

    async def _made(self, tags: tuple[str, ...]) -> Form | None:
        """The form without findings of these tags. Only the scan after redaction lowers the label."""
        redacted = self.scanned.redacted(self.came.chat, frozenset(tags))
        if isinstance(redacted, Awaitable):
            redacted = await redacted
        if redacted is None or not redacted.found.tags.isdisjoint(tags):
            return None
        label = with_findings((), self._classified.declared, redacted.found, self._opaque_as)
        facts = msgspec.structs.replace(
            self.came.facts, sensitivity=label.sensitivity, tags=label.tags, redaction="done"
        )
        return Form(redacted.chat, facts, redacted.taken)


def watched_tags(do: tuple[Obligation, ...]) -> frozenset[str]:
    """The tags of the findings that an answer may not show, by the obligations of its call."""
    return frozenset(tag for each in do if each.name == "scan_answer" for tag in each.tags)


def fetched(chat: ChatRequest, body: bytes) -> Demand:
    """What is asked of a backend, with the fetching of what the body only names by its address. Of a large request its
    outline has said that."""
    demand = chat.demand
    if isinstance(chat, Outline) or not names_addresses(body, chat=in_turns(demand.needs)):
        return demand
    return msgspec.structs.replace(demand, needs=demand.needs | {URLS})


def opaque_as(caller: Caller, project: Project) -> str:
    """How sensitive what nobody can read counts: as its owners say, else as confidential at least."""
    said = [level for level in (caller.opaque_as, project.opaque_as) if level is not None]
    return join(*said) if said else join(level_or_highest(caller.floor), "confidential")


def granted(what: str, hint: str | None, granted: tuple[str, ...]) -> str:
    """The key's default, or what the header chose among what the key may be used for. Raises Refused (403)."""
    if hint is None:
        return granted[0]
    if hint not in granted:
        raise Refused(
            Refusal.NOT_GRANTED,
            f"this key is not granted that {what}; granted: {', '.join(granted)}",
            param=f"x-gateway-{what}",
        )
    return hint
