"""The part of the composition root that is about other replicas: which there are, and what they tell each other."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.adapters.replicas import Replicas
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.adapters.broadcast import Broadcast, Topic


class Sharing:
    """`tell` is told what an operator should know, by name; `policy` gives the digest of the policy in force."""

    def __init__(self, settings: Settings, tell: Callable[..., None], policy: Callable[[], str]) -> None:
        self.present = Replicas(tell, policy)
        self._url = settings.valkey_url
        self._tell = tell
        self._broadcast: Broadcast | None = None

    def topics(self, key: bytes, *topics: "Topic") -> None:
        """What replicas that have the same key tell each other, where there is a server that they share."""
        if self._url is not None:
            from gateway.adapters.broadcast import Broadcast  # a tenth of a second that only those pay who need it

            self._broadcast = Broadcast(self._url.get_secret_value(), key, topics, self._tell)

    async def start(self) -> None:
        """Begins. Waits a moment for the server, not for ever."""
        if self._broadcast is not None:
            await self._broadcast.start()

    async def close(self) -> None:
        """Ends, once the others have been told, if the server answers."""
        if self._broadcast is not None:
            await self._broadcast.close()
