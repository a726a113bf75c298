"""What a call can cost before it is made: a bound that no answer passes, and the least that it can be cut down to."""

import msgspec

from gateway.core import tokens
from gateway.core.catalog import ASSUMED_CONTEXT, Backend
from gateway.core.chat import WRITING, Demand
from gateway.core.price import dearest

ENOUGH_OUTPUT = 4096
"""Tokens that an answer is let have at least. Where a budget has no room for so many, the call is not sent: an answer
that breaks off early costs money and helps nobody."""


class Bound(msgspec.Struct, frozen=True):
    """The bound of one call. `prompt` is pico-USD; `token` is what one more written token of every choice costs, in
    pico-USD; `written` is how many tokens a choice can have within its limit, `beside` how many more it may think.
    `whole`: its answer cannot be cut short."""

    prompt: int
    token: int
    written: int
    whole: bool = False
    beside: int = 0

    @property
    def most(self) -> int:
        """The most that the call can cost, in pico-USD."""
        return self._with(self.written)

    @property
    def least(self) -> int:
        """The most that it can cost once its answer is cut as short as it may be."""
        return self.most if self.whole else self._with(min(self.written, ENOUGH_OUTPUT))

    @property
    def shortest(self) -> int:
        """The most that it can cost if its answer has one token, or as it is where that cannot be cut."""
        return self.most if self.whole else self._with(min(self.written, 1))

    def _with(self, written: int) -> int:
        return self.prompt + (written + self.beside) * self.token

    def written_for(self, pico_usd: int) -> int:
        """How many tokens a choice can have for so much money."""
        return min(self.written, (pico_usd - self._with(0)) // self.token) if self.token else self.written


NOTHING = Bound(0, 0, 0)


def longest(backend: Backend) -> int:
    """How many tokens a choice can have at all. What the catalog says is believed."""
    return backend.max_output or backend.context or ASSUMED_CONTEXT


def bound(backend: Backend, demand: Demand, beside: int = 0) -> Bound:
    """The bound of a call: the prompt counted high, every token at the dearest price that may apply. `beside` are
    tokens that a choice may have beside its limit."""
    price = backend.price
    if price is None:
        return NOTHING
    most = longest(backend)
    written = most if demand.output_limit is None else min(demand.output_limit, most)
    prompt = prompt_tokens(backend, demand)
    read, wrote = dearest(price, prompt, demand.service, audio="audio" in demand.needs)
    whole = demand.needs.isdisjoint(WRITING)
    return Bound(prompt * read, demand.choices * wrote, written, whole, beside)


def prompt_tokens(backend: Backend, demand: Demand) -> int:
    """The tokens that a prompt can have, counted high. What is attached is at most what the model can read at all."""
    prompt = tokens.prompt_at_most(demand.input_bytes, demand.messages)
    if demand.attached_bytes:
        attached = tokens.prompt_at_most(demand.attached_bytes, 0)
        prompt += attached if backend.context is None else min(attached, backend.context)
    return prompt
