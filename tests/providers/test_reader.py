"""What all readers do with a stream, wherever it is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import FailureKind
from gateway.core.sse import MAX_EVENT_BYTES
from gateway.core.usage import Usage
from gateway.providers.failures import unreadable
from gateway.providers.reader import Reader

STREAM = b": hello\n\ndata: a\n\ndata: usage\n\ndata: b\r\n\r\nevent: x\ndata: end\n\ndata: late\n\n"


class Letters(Reader):
    """Reads events whose data is text, `usage` or `end`."""

    def _event(self, event, data):
        self.started = self.started or bool(data)
        if data == b"usage":
            self.used(Usage(1, output=self.written_bytes))
            self.used(None)
        elif data == b"end":
            self.done = True
        else:
            self.wrote(len(data))
        return event

    def _complete(self):
        return self.written_bytes > 1

    def _end(self):
        return b"END"

    def _error(self, failed):
        return b"ERROR " + failed.error["code"].encode()


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_a_stream_reads_the_same_wherever_it_is_cut(cuts):
    reader, out, at = Letters(), b"", 0
    for cut in [*sorted(cuts), len(STREAM)]:
        out += reader.feed(STREAM[at:cut])
        at = cut
    assert out == STREAM[: STREAM.index(b"data: late")]
    assert (reader.done, reader.failed, reader.written_bytes, reader.written_events) == (True, None, 2, 2)
    assert (reader.usage, reader.usage_is_last) == (Usage(1, output=1), False)
    assert (reader.feed(b"data: more\n\n"), reader.close()) == (b"", b"")


@pytest.mark.parametrize(
    ("stream", "out", "kind"),
    [
        (b"data: ab\n\n", b"data: ab\n\nEND", None),
        (b"data: ab", b"data: ab\n\nEND", None),
        (b"data: a\n\n", b"data: a\n\nERROR upstream_broken", FailureKind.BROKEN),
        (b"", b"ERROR upstream_broken", FailureKind.BROKEN),
        (b"data: end", b"data: end\n\n", None),
    ],
)
def test_the_end_of_a_stream(stream, out, kind):
    reader = Letters()
    assert reader.feed(stream) + reader.close() == out
    assert reader.done
    assert (reader.failed.kind if reader.failed else None) == kind


def test_an_endless_event_breaks_it_off():
    reader = Letters()
    assert reader.feed(b"data: " + b"x" * MAX_EVENT_BYTES) == b"ERROR upstream_broken"
    assert (reader.started, reader.done, reader.written_bytes) == (True, True, 0)


def test_it_can_be_broken_off():
    reader = Letters()
    assert reader.broke_off(unreadable("m")) == b"ERROR upstream_broken"
    assert (reader.started, reader.done, reader.failed.kind) == (True, True, FailureKind.BROKEN)
