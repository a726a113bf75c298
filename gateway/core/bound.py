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
    pico-USD; `written` is how many tokens a choice can have. `whole`: its answer cannot be cut short."""

    prompt: int
    token: int
    written: int
    whole: bool = False

    @property
    def most(self) -> int:
        """The most that the call can cost, in pico-USD."""
        return self.prompt + self.written * self.token

    @property
    def least(self) -> int:
        """The most that it can cost once its answer is cut as short as it may be."""
        return self.most if self.whole else self.prompt + min(self.written, ENOUGH_OUTPUT) * self.token

    @property
    def shortest(self) -> int:
        """The most that it can cost if its answer has one token, or as it is where that cannot be cut."""
        return self.most if self.whole else self.prompt + min(self.written, 1) * self.token

    def written_for(self, pico_usd: int) -> int:
        """How many tokens a choice can have for so much money."""
        return min(self.written, (pico_usd - self.prompt) // self.token) if self.token else self.written


NOTHING = Bound(0, 0, 0)


def bound(backend: Backend, demand: Demand) -> Bound:
    """The bound of a call: the prompt counted high, every token at the dearest price that may apply."""
    price = backend.price
    if price is None:
        return NOTHING
    longest = backend.max_output or backend.context or ASSUMED_CONTEXT  # what the catalog says is believed
    written = longest if demand.output_limit is None else min(demand.output_limit, longest)
    prompt = prompt_tokens(backend, demand)
    read, wrote = dearest(price, prompt, demand.service, audio="audio" in demand.needs)
    whole = demand.needs.isdisjoint(WRITING)
    return Bound(prompt * read, demand.choices * wrote, written, whole)


def prompt_tokens(backend: Backend, demand: Demand) -> int:
    """The tokens that a prompt can have, counted high. What is attached is at most what the model can read at all."""
    prompt = tokens.prompt_at_most(demand.input_bytes, demand.messages)
    if demand.attached_bytes:
        attached = tokens.prompt_at_most(demand.attached_bytes, 0)
        prompt += attached if backend.context is None else min(attached, backend.context)
    return prompt
