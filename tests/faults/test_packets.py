"""Fault 22: bytes that come one at a time, or late. What clients get is right, to the byte."""

import asyncio

import pytest
from support.crossing import data_of
from support.fault_house import FULL, SINGLES
from support.faults import events_of
from support.upstream import DONE

pytestmark = pytest.mark.asyncio(loop_scope="session")

TIMES = 300 if FULL else 12


@pytest.mark.assures("fault 22")
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "buffered"])
async def test_a_byte_a_packet_reads_as_one_piece(gateway, streamed, showed):
    plans = [gateway.plan(streamed=streamed, words=6, faults={"here": "a byte a packet"}) for _ in range(TIMES)]
    told = await gateway.spread(plans, good_between=0)
    for each in told:
        assert (each.status, each.complete, each.finished) == (200, True, True)
        if streamed:
            assert data_of(each.body) == data_of(b"".join(events_of(each.plan)))
            assert each.body.endswith(DONE)
        else:
            assert b"word word word word word word " in each.body
    await gateway.agree()
    showed(f"{TIMES} answers, each byte a packet", "the same events; usage to the pico-USD")


@pytest.mark.assures("fault 22")
async def test_a_request_that_comes_byte_by_byte_is_read(gateway, showed):
    """A slicer between client and gateway, through the same connection for all."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
    for _ in range(TIMES):
        plan = gateway.plan(streamed=False, words=1)
        gateway.expects(plan, SINGLES[0])
        for byte in gateway.request_bytes(plan, SINGLES[0]):
            writer.write(bytes([byte]))
            await writer.drain()
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert head.startswith(b"HTTP/1.1 200 ")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length"))
        assert b"word " in await reader.readexactly(length)
    writer.close()
    await gateway.agree()
    showed(f"{TIMES} requests byte by byte", "each answered")


@pytest.mark.assures("fault 22")
async def test_what_comes_after_the_window_is_nobodys_answer(gateway, showed):
    """Each answer comes as a whole, but after its deadline; the next call must not be given it."""
    names = SINGLES[:4]
    late = [gateway.plan(streamed=at % 2 == 0, words=3, faults={"here": "late"}) for at in range(TIMES)]
    told = await gateway.spread(late, names, good_between=3)
    assert {each.status for each in told} == {504}
    after = [await gateway.send(gateway.plan(streamed=True, words=at % 7 + 1), names[at % 4]) for at in range(TIMES)]
    for each in after:
        assert (each.status, each.complete, each.finished) == (200, True, True)
        assert data_of(each.body) == data_of(b"".join(events_of(each.plan)))
    booked = await gateway.agree()
    assert {booked[each.plan.number, each.model]["failure"] for each in told} == {"timed_out"}
    showed(f"{TIMES} answers that come after the deadline", "504 each, upstream hung up on, the next answers are right")


@pytest.mark.assures("fault 22")
async def test_a_half_open_connection_is_given_up_and_the_next_call_is_not_lost(gateway, showed):
    """The upstream closes what the pool keeps, without a word; the next call takes a fresh connection."""
    for _ in range(TIMES):
        assert (await gateway.send(gateway.plan(streamed=False), SINGLES[0])).status == 200
        gateway.upstream.drop_idle()
        assert (await gateway.send(gateway.plan(), SINGLES[0])).status == 200
    await gateway.agree()
    showed(f"{TIMES} connections lost while idle", "0 calls lost")
