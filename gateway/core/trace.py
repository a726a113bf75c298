"""Where a request stands in a trace (W3C Trace Context). Its ids follow from the request's own, so that log, spans and
what is passed on agree without anybody keeping them."""

import re
from hashlib import blake2b

import msgspec

HEADER = "traceparent"
"""What the header is called, with which a caller names the span that his request is a part of."""

_TRACE_PARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_SAMPLED = 1
_RANDOM_BITS = 56
"""The lower bits of a trace id, of which the standard says that they are random: samplers agree by them."""


class Trace(msgspec.Struct, frozen=True):
    """The trace of a request and its span in it. `parent` is the caller's span, 0: none. Ids are 128 and 64 bits.

    `sampled`: its spans are kept. The span of an upstream call has an id of its own, which follows from this one.
    """

    id: int
    span: int
    parent: int
    sampled: bool

    @property
    def hex(self) -> str:
        """The trace id, as logs and traces write it."""
        return f"{self.id:032x}"

    def hop_span(self, hop: int) -> int:
        """The id of the span of an upstream call; hops count from 1."""
        return self.span ^ hop or 1

    def passed_on(self, hop: int) -> bytes:
        """The header that an upstream call goes out with."""
        return b"00-%032x-%016x-%02x" % (self.id, self.hop_span(hop), self.sampled)


def trace_of(request_id: str, header: str | None, rate: float) -> Trace:
    """The trace of a request. What a header says is kept to, also whether it is sampled; without one, or with one that
    nobody can read, a new trace begins, which is sampled at the rate (0 to 1)."""
    seed = blake2b(request_id.encode(), digest_size=24).digest()
    span = int.from_bytes(seed[16:]) or 1
    said = _TRACE_PARENT.fullmatch(header) if header else None
    if said is not None and not (said[1] == "00" and said[5]):  # the first version has nothing after the flags
        trace, parent = int(said[2], 16), int(said[3], 16)
        if trace and parent:
            return Trace(trace, span, parent, bool(int(said[4], 16) & _SAMPLED))
    trace = int.from_bytes(seed[:16]) or 1
    return Trace(trace, span, 0, trace % (1 << _RANDOM_BITS) < rate * (1 << _RANDOM_BITS))
