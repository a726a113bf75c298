"""Traces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.trace import Trace, trace_of

ID, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{ID}-{SPAN}-01", True),
        (f"00-{ID}-{SPAN}-00", False),
        (f"00-{ID}-{SPAN}-03", True),
        (f"00-{ID}-{SPAN}-fe", False),
        (f"cc-{ID}-{SPAN}-01", True),
        (f"cc-{ID}-{SPAN}-01-what-comes-later", True),
    ],
)
@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_what_a_header_says_is_kept_to_whatever_the_rate(header, sampled, rate):
    trace = trace_of("req-1", header, rate)
    assert (trace.hex, f"{trace.parent:016x}", trace.sampled) == (ID, SPAN, sampled)
    assert trace.span not in (0, trace.parent)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "too long",
        f"ff-{ID}-{SPAN}-01",
        f"00-{ID}-{SPAN}-01-more",
        f"00-{ID}-{SPAN}-01-",
        f"00-{ID}-{SPAN}-1",
        f"00-{ID}-{SPAN}-01\n",
        f"00-{ID.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{ID}-{'0' * 16}-01",
        f"00-{ID}-{SPAN}",
        f"00-{ID}-{SPAN}-01,00-{ID}-{SPAN}-01",
        f"00-{ID[:-1]}٣-{SPAN}-01",
    ],
)
def test_one_that_nobody_can_read_begins_a_new_trace(header):
    assert trace_of("req-1", header, 1.0) == trace_of("req-1", None, 1.0)
    assert trace_of("req-1", header, 1.0).parent == 0
    assert not trace_of("req-1", header, 0.0).sampled


@given(st.text(max_size=80))
def test_no_header_raises(header):
    assert 0 < trace_of("req-1", header, 0.5).id < 1 << 128


def test_the_rate_is_kept_and_a_higher_one_samples_the_same_and_more():
    ids = [f"req-{number:024x}" for number in range(20_000)]
    sampled = {rate: {id for id in ids if trace_of(id, None, rate).sampled} for rate in (0.0, 0.05, 0.5, 1.0)}
    assert (len(sampled[0.0]), len(sampled[1.0])) == (0, len(ids))
    assert 850 < len(sampled[0.05]) < 1150
    assert 9_700 < len(sampled[0.5]) < 10_300
    assert sampled[0.05] < sampled[0.5]


def test_ids_follow_from_the_request_and_differ():
    traces = [trace_of(f"req-{number}", None, 1.0) for number in range(1000)]
    assert traces[0] == trace_of("req-0", None, 1.0)
    spans = {span for each in traces for span in (each.span, *(each.hop_span(hop) for hop in range(1, 6)))}
    assert (len({each.id for each in traces}), len(spans)) == (1000, 6000)
    assert 0 not in spans


def test_what_is_passed_on_names_the_span_of_the_call():
    trace = Trace(int(ID, 16), 0x10, 7, sampled=True)
    assert trace.passed_on(2) == f"00-{ID}-0000000000000012-01".encode()
    assert Trace(int(ID, 16), 2, 0, sampled=False).passed_on(2) == f"00-{ID}-0000000000000001-00".encode()
