"""Whose money a call spends."""

import msgspec


class Spender(msgspec.Struct, frozen=True):
    """Whose accounts a call counts in: a value for each dimension that a limit or a rate may have.

    None: there is none, so what is per that dimension does not concern it. Who asks is known before the backend is, so
    `provider` and `zone` come last.
    """

    key: str | None = None
    team: str | None = None
    app: str | None = None
    project: str | None = None
    provider: str | None = None
    zone: str | None = None
