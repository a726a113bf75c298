"""The part of the composition root that is about other replicas: which there are, and what they tell each other."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.adapters.conversations import Conversations
from gateway.adapters.replicas import Replicas
from gateway.adapters.tables import Unreachable
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.adapters.broadcast import Broadcast, Topic
    from gateway.adapters.repeats_valkey import ValkeyRepeats


class Sharing:
    """`tell` is told what an operator should know, by name; `policy` gives the digest of the policy in force."""

    def __init__(self, settings: Settings, tell: Callable[..., None], policy: Callable[[], str]) -> None:
        self.present = Replicas(tell, policy)
        self._url = settings.valkey_url
        self._tell = tell
        self._topics: tuple[Callable[[str], bytes], Conversations, tuple[Topic, ...]] | None = None
        self._broadcast: Broadcast | None = None
        self._repeats: ValkeyRepeats | None = None

    def topics(self, secret: Callable[[str], bytes], conversations: Conversations, *others: "Topic") -> Conversations:
        """What replicas tell each other, where there is a server that they share: the conversations, which are given
        back, and the others. `secret` gives one for each purpose that all replicas have; it raises Unreachable while
        nobody knows it."""
        self._topics = secret, conversations, others
        return conversations

    def repeats(self, kept_seconds: float, most: int) -> "ValkeyRepeats | None":
        """What replicas know together of requests with idempotency keys, for so long and so many of each caller; None:
        there is no server that they share."""
        if self._url is None:
            return None
        from gateway.adapters.repeats_valkey import ValkeyRepeats

        self._repeats = ValkeyRepeats(self._url.get_secret_value(), kept_seconds, most, self._tell)
        return self._repeats

    async def begin(self) -> None:
        """Begins, if it has not and the secret is known. Waits a moment for the server, not for ever."""
        if self._url is None or self._topics is None or self._broadcast is not None:
            return
        from gateway.adapters.broadcast import Broadcast  # a tenth of a second that only those pay who need it

        secret, conversations, others = self._topics
        try:
            conversations.share(secret("conversations"))
            key = secret("broadcast")
        except Unreachable:
            return
        self._broadcast = Broadcast(self._url.get_secret_value(), key, (conversations, *others), self._tell)
        await self._broadcast.start()

    async def close(self) -> None:
        """Ends, once the others have been told, if the server answers."""
        if self._broadcast is not None:
            await self._broadcast.close()
        if self._repeats is not None:
            await self._repeats.close()
