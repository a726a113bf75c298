"""A decision as it is noted before anything is sent, so that it is there whatever becomes of the process."""

import msgspec

from gateway.core.decision import Decision


class Decided(msgspec.Struct, frozen=True):
    """Lines of JSON without text of the request: `shared` is what many decisions have in common, `own` the rest.

    `decision` is what they were made of; None: they were read from a journal.
    """

    shared: bytes
    own: bytes
    decision: Decision | None = None
