"""What is under way: calls that a change of policy may cut, and streams whose clients are kept from giving up."""

import asyncio
import time

from gateway.hop import Hop
from gateway.ports import Policies
from gateway.routing.plan import DENIED
from gateway.stream import Stream

_SLICE_SECONDS = 0.002
"""How long running calls are looked at in one go, once the policy has changed."""


class Running:
    """The calls and streams of one relay, which puts them in and takes them out."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self.hops: set[Hop] = set()
        self.streams: set[Stream] = set()

    def keep_alive(self) -> None:
        """Tells the clients of streams that have been silent since the last time that they are still under way."""
        for stream in self.streams:
            stream.keep_alive()

    def stop(self) -> None:
        """Ends the calls under way, since the process ends: a stream gets an error event, what has not begun a 503."""
        while self.hops:
            self.hops.pop().revoke(None)

    def policy_changed(self) -> None:
        """Cuts the calls that the snapshot in force revokes, and those not sent yet that it does not permit as they
        are: a large body is put into words for a while after it was decided. Called by the loop, once a new one is in
        force.

        A stream gets an error event, what has not begun a 403. They are looked at a slice at a time, from this turn of
        the loop on, so that a thousand calls do not stop it.
        """
        if self.hops:
            asyncio.get_running_loop().call_soon(self._cut_revoked, list(self.hops))

    def _cut_revoked(self, hops: list[Hop]) -> None:
        policy, moment = self._policies.current, self._policies.moment()
        until = time.perf_counter() + _SLICE_SECONDS
        while hops:
            hop = hops.pop()
            if hop in self.hops:
                verdict = policy.ask(hop.facts, moment).verdicts.get(hop.backend.id, DENIED)
                if verdict.revokes or not (hop.permit.sent or hop.may_go(verdict)):
                    self.hops.discard(hop)
                    hop.revoke(verdict)
            if time.perf_counter() > until:
                asyncio.get_running_loop().call_soon(self._cut_revoked, hops)
                return
