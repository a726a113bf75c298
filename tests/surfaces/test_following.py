"""A reader around another one knows what that one knows, and may end the answer itself."""

from support.upstream import DONE, USAGE_EVENT, delta

from gateway.core.usage import Usage
from gateway.providers.failures import unreadable
from gateway.providers.openai_stream import Stream
from gateway.surfaces.following import Following


class Loud(Following):
    def _pass(self, events):
        if b"stop it" in events:
            self.done = True
            return b"STOPPED"
        return events.upper()


def inner():
    return Stream(wants_usage=True, continuous=False)


def test_it_knows_what_the_inner_reader_knows():
    loud = Loud(inner())
    assert (loud.started, loud.done) == (False, False)
    assert loud.feed(delta("a")) == delta("a").upper()
    assert (loud.started, loud.content_seen, loud.written_bytes, loud.written_events) == (True, True, 1, 1)
    loud.feed(delta("", "stop", service_tier="flex") + USAGE_EVENT + DONE)
    assert (loud.done, loud.failed, loud.service, loud.usage) == (True, None, "flex", Usage(10, output=5))
    assert loud.usage_is_last
    assert (loud.feed(delta("b")), loud.close(), loud.broke_off(unreadable("m"))) == (b"", b"", b"")


def test_it_knows_that_nobody_said_why_the_answer_ended():
    loud = Loud(inner())
    loud.feed(delta("a"))
    assert not loud.unfinished
    loud.feed(DONE)
    assert (loud.unfinished, loud.failed) == (True, None)


def test_it_may_end_the_answer():
    loud = Loud(inner())
    assert loud.feed(delta("stop it")) == b"STOPPED"
    assert loud.feed(delta("more")) == b""


def test_a_lost_connection_is_told():
    loud = Loud(inner())
    loud.feed(delta("a"))
    assert b"UPSTREAM_BROKEN" in loud.broke_off(unreadable("m"))
    assert (loud.done, loud.failed.error["code"]) == (True, "upstream_broken")
