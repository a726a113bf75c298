"""Calls to backends, against the scripted upstream. What holds here must hold for any client behind the port."""

import asyncio
import socket
import time

import pytest
from support.doubles import permit_for
from support.server import free_port
from support.upstream import CLOSE, HANG, OK, RESET, STREAM_END, STREAM_HEAD, answer, chunk

from gateway.adapters.secrets import Secret
from gateway.adapters.upstreams import AiohttpUpstreams
from gateway.core.catalog import Backend, Endpoint, Timeouts
from gateway.core.errors import FailureKind
from gateway.core.permit import Permit
from gateway.ports import UpstreamError

PATH = Endpoint("/chat/completions")


@pytest.fixture
async def client():
    upstreams = AiohttpUpstreams(lambda reference: Secret("sk-upstream") if reference == "env:K" else None)
    await upstreams.start()
    yield upstreams
    await upstreams.stop()


@pytest.fixture
def scripts(upstream):
    upstream.scripts.clear()
    upstream.seen.clear()
    return upstream


def to(base_url: str, **more) -> Permit:
    timeouts = {"timeouts": Timeouts(0.5, 0.4, 0.4, 2.0)}
    return permit_for(Backend("u", "openai-compatible", base_url, "m", {}, **{**timeouts, **more}))


async def test_an_answer_comes_as_it_was_sent(client, scripts):
    scripts.scripts["u"] = [answer(OK, x_more="1")]
    opened = await client.open(to(scripts.url("u"), key_ref="env:K"), PATH, b'{"a": 1}', streamed=True)
    assert (opened.status, opened.headers["X-More"]) == (200, "1")
    assert b"chatcmpl-1" in await opened.read_all(10_000, None)
    opened.close()
    (seen,) = scripts.requests("u")
    assert seen.body == b'{"a": 1}'
    head = dict(line.split(": ", 1) for line in seen.head.decode().split("\r\n")[1:] if line)
    assert head == {
        "Host": f"127.0.0.1:{scripts.port}",
        "Content-Type": "application/json",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "User-Agent": head["User-Agent"],
        "Authorization": "Bearer sk-upstream",
        "Content-Length": "8",
    }


@pytest.mark.assures("fault 22")
async def test_a_backend_that_is_gone_without_a_word_is_found_out(client, scripts):
    scripts.scripts["u"] = [HANG]
    opening = asyncio.create_task(client.open(to(scripts.url("u")), PATH, b"{}", streamed=False))
    async with asyncio.timeout(5):
        while not scripts.requests("u"):  # noqa: ASYNC110  its thread tells nobody
            await asyncio.sleep(0.01)
    [link] = [link for connector in client._connectors.values() for link in connector._acquired]
    connected = link.transport.get_extra_info("socket")
    assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    times = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
    assert [connected.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in times] == [60, 15, 4]
    assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)  # as before
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)


KEY = "sk-proj-0123456789abcdef"


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_upstream_that_repeats_our_key_is_not_repeated(scripts, streamed):
    upstreams = AiohttpUpstreams(lambda _: Secret(KEY))
    await upstreams.start()
    said = f"Bearer {KEY} is no key"
    whole = answer({"error": said}, status=401, x_request_id=KEY)
    pieces = [
        STREAM_HEAD.replace(b"\r\n\r\n", f"\r\nX-Request-Id: {KEY}\r\n\r\n".encode()),
        chunk(said.encode()),
        STREAM_END,
    ]
    scripts.scripts["u"] = pieces if streamed else [whole]
    opened = await upstreams.open(to(scripts.url("u"), key_ref="env:K"), PATH, b"{}", streamed=streamed)
    shown = [opened.headers["x-request-id"].encode()]
    if streamed:
        await opened.pass_on(lambda block: shown.append(block) or True)
    else:
        shown.append(await opened.read_all(10_000, None))
    opened.close()
    await upstreams.stop()
    assert KEY.encode() in scripts.requests("u")[0].head
    assert (KEY.encode() in b"".join(shown), b"Bearer ****" in b"".join(shown)) == (False, True)


@pytest.mark.parametrize("passed_on", [False, True])
@pytest.mark.parametrize("said", [f"its {KEY}, no key", KEY, f"sk-pro sk-{KEY}sk-proj-0", "sk-proj-"])
async def test_a_key_that_comes_in_pieces_is_not_repeated_and_nothing_else_is_lost(scripts, said, passed_on):
    upstreams = AiohttpUpstreams(lambda _: Secret(KEY))
    await upstreams.start()
    for cut in range(1, len(said), 5):
        scripts.scripts["u"] = [STREAM_HEAD, chunk(said[:cut].encode()), 0.02, chunk(said[cut:].encode()), STREAM_END]
        opened = await upstreams.open(to(scripts.url("u"), key_ref="env:K"), PATH, b"{}", streamed=True)
        shown = []
        if passed_on:
            await opened.pass_on(lambda block: shown.append(block) or True)  # noqa: B023
        else:
            while block := await opened.read():
                shown.append(block)
        opened.close()
        assert b"".join(shown).decode() == said.replace(KEY, "*" * len(KEY)), cut
    await upstreams.stop()


async def test_a_backend_without_a_key_gets_none(client, scripts):
    scripts.scripts["u"] = [answer(OK)]
    (await client.open(to(scripts.url("u")), PATH, b"{}", streamed=True)).close()
    assert b"Authorization" not in scripts.requests("u")[0].head


@pytest.mark.parametrize(
    ("endpoint", "headers", "sent"),
    [
        (
            Endpoint("/x", "x-api-key", (("anthropic-version", "2023-06-01"),)),
            [],
            {"x-api-key": "sk-upstream", "anthropic-version": "2023-06-01"},
        ),
        (Endpoint("/x?alt=sse", "x-goog-api-key"), [], {"x-goog-api-key": "sk-upstream"}),
        (
            Endpoint("/x"),
            [(b"anthropic-beta", b"a,b")],
            {"Authorization": "Bearer sk-upstream", "anthropic-beta": "a,b"},
        ),
    ],
)
async def test_an_endpoint_says_where_the_key_goes(client, scripts, endpoint, headers, sent):
    scripts.scripts["u"] = [answer(OK)]
    permit = to(scripts.url("u"), key_ref="env:K")
    (await client.open(permit, endpoint, b"{}", streamed=False, headers=headers)).close()
    (seen,) = scripts.requests("u")
    first, *lines = seen.head.decode().split("\r\n")
    assert first.split(" ")[1] == f"/u/v1{endpoint.path}"
    usual = {"Host", "Content-Type", "Accept", "Accept-Encoding", "User-Agent", "Content-Length"}
    head = dict(line.split(": ", 1) for line in lines if line)
    assert {name: value for name, value in head.items() if name not in usual} == sent


@pytest.mark.parametrize("reference", ["file:/run/secrets/k", "env:K"])  # which K_FILE may mean
async def test_a_key_in_a_file_is_read_again(scripts, monkeypatch, reference):
    keys = iter(["sk-1", "sk-2", "sk-3"])
    upstreams = AiohttpUpstreams(lambda _: Secret(next(keys)))
    await upstreams.start()
    scripts.scripts["u"] = [answer(OK)]
    of = to(scripts.url("u"), key_ref=reference).backend
    for seconds in (30.0, 30.0, -1.0):
        monkeypatch.setattr("gateway.adapters.upstreams._KEY_SECONDS", seconds)
        (await upstreams.open(permit_for(of), PATH, b"{}", streamed=False)).close()
        upstreams._targets[of.id, PATH.path].until = upstreams._deadlines.now + seconds
    (await upstreams.open(permit_for(of), PATH, b"{}", streamed=False)).close()
    await upstreams.stop()
    used = [seen.head.split(b"Bearer ")[1].split(b"\r")[0] for seen in scripts.requests("u")]
    assert used == [b"sk-1", b"sk-1", b"sk-1", b"sk-2"]


@pytest.mark.alone
async def test_the_first_block_is_out_before_the_second_is_in(client, scripts):
    scripts.scripts["u"] = [STREAM_HEAD, chunk(b"one"), 0.2, chunk(b"two"), STREAM_END]
    opened = await client.open(to(scripts.url("u")), PATH, b"{}", streamed=True)
    started = time.monotonic()
    assert await opened.read() == b"one"
    assert time.monotonic() - started < 0.15
    assert [await opened.read(), await opened.read()] == [b"two", b""]
    opened.close()


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ([HANG], FailureKind.TIMED_OUT),
        ([RESET], FailureKind.BROKEN),
        ([CLOSE], FailureKind.BROKEN),
        ([b"nonsense\r\n\r\n"], FailureKind.BROKEN),
        ([STREAM_HEAD, chunk(b"one"), HANG], FailureKind.TIMED_OUT),
        ([STREAM_HEAD, chunk(b"one"), 0.05, RESET], FailureKind.BROKEN),
        ([STREAM_HEAD, chunk(b"one"), CLOSE], FailureKind.BROKEN),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", CLOSE], FailureKind.BROKEN),
    ],
)
async def test_what_goes_wrong_is_said(client, scripts, script, kind):
    scripts.scripts["u"] = script
    with pytest.raises(UpstreamError) as raised:
        opened = await client.open(to(scripts.url("u")), PATH, b"{}", streamed=True)
        await opened.read_all(1000, None)
    assert raised.value.failed.kind is kind


async def test_nobody_there_is_unreachable(client):
    for url in (f"http://127.0.0.1:{free_port()}/v1", "http://no-such-host.invalid/v1"):
        with pytest.raises(UpstreamError) as raised:
            await client.open(to(url), PATH, b"{}", streamed=True)
        assert raised.value.failed.kind is FailureKind.UNREACHABLE


@pytest.mark.alone
async def test_total_ends_a_stream_that_never_ends(client, scripts):
    scripts.scripts["u"] = [STREAM_HEAD, *[part for _ in range(40) for part in (chunk(b"x"), 0.1)]]
    opened = await client.open(to(scripts.url("u"), timeouts=Timeouts(0.5, 0.4, 0.4, 0.6)), PATH, b"{}", streamed=True)
    started = time.monotonic()
    with pytest.raises(UpstreamError) as raised:
        await opened.read_all(1000, None)
    opened.close()
    assert raised.value.failed.kind is FailureKind.TIMED_OUT
    assert 0.4 < time.monotonic() - started < 1


async def test_it_tells_how_an_answer_grows_and_goes_no_further_than_it_may(client, scripts):
    large = answer(b"x" * 600_000)
    scripts.scripts |= {"u": [large], "slow": [large[:300_000], 0.1, large[300_000:]]}

    class Enough(Exception):
        pass

    def grew(size: int) -> None:
        sizes.append(size)
        if size > most:
            raise Enough

    for name in ("u", "slow"):
        sizes, most = [], 600_000
        opened = await client.open(to(scripts.url(name)), PATH, b"{}", streamed=False)
        assert len(await opened.read_all(2_000_000, grew)) == 600_000
        opened.close()
        assert sizes == sorted(sizes)
        assert sizes[-1] == 600_000
        sizes, most = [], 200_000
        opened = await client.open(to(scripts.url(name)), PATH, b"{}", streamed=False)
        with pytest.raises(Enough):
            await opened.read_all(2_000_000, grew)
        opened.close()
        assert sizes[-1] < 600_000 or len(sizes) == 1


async def test_an_endless_answer_is_cut_at_the_limit(client, scripts):
    scripts.scripts["u"] = [STREAM_HEAD, *[chunk(b"x" * 1000)] * 20, HANG]
    opened = await client.open(to(scripts.url("u")), PATH, b"{}", streamed=True)
    with pytest.raises(UpstreamError):
        await opened.read_all(5000, None)
    opened.close()


async def test_a_large_block_leaves_others_their_turn_and_loses_nothing(client, scripts):
    sent = bytes(range(250)) * 800
    scripts.scripts["u"] = [STREAM_HEAD, chunk(sent), STREAM_END]
    opened = await client.open(to(scripts.url("u")), PATH, b"{}", streamed=True)
    loop, turns, got = asyncio.get_running_loop(), [0], []

    def turn() -> None:
        turns[0] += 1
        ticking[0] = loop.call_soon(turn)

    ticking = [loop.call_soon(turn)]

    def take(block: bytes) -> bool:
        got.append((len(block), turns[0], block))
        return len(got) % 5 != 0  # now and then the client is slow

    while not await opened.pass_on(take):
        pass
    ticking[0].cancel()
    opened.close()
    assert b"".join(block for _, _, block in got) == sent
    assert max(size for size, _, _ in got) <= 8_192
    assert len({turn for _, turn, _ in got}) >= len(got) // 2


async def test_a_cancelled_call_hangs_up_and_stays_cancelled(client, scripts):
    scripts.scripts["u"] = [HANG]
    task = asyncio.create_task(
        client.open(to(scripts.url("u"), timeouts=Timeouts(5, 5, 5, 5)), PATH, b"{}", streamed=True)
    )
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(scripts.requests("u")[0].gone.wait, 2)


async def test_closing_a_stream_half_way_hangs_up(client, scripts):
    scripts.scripts["u"] = [STREAM_HEAD, chunk(b"one"), HANG]
    opened = await client.open(to(scripts.url("u")), PATH, b"{}", streamed=True)
    await opened.read()
    opened.close()
    assert await asyncio.to_thread(scripts.requests("u")[0].gone.wait, 2)


async def test_redirects_are_not_followed(client, scripts):
    scripts.scripts |= {"u": [answer(b"", 307, location=scripts.url("v"))], "v": [answer(OK)]}
    opened = await client.open(to(scripts.url("u")), PATH, b"{}", streamed=True)
    opened.close()
    assert opened.status == 307
    assert scripts.requests("v") == []


async def test_connections_are_used_again(client, scripts):
    scripts.scripts["u"] = [answer(OK)]
    before = len(scripts.connections)
    for _ in range(5):
        opened = await client.open(to(scripts.url("u")), PATH, b"{}", streamed=True)
        await opened.read_all(10_000, None)
        opened.close()
    assert len(scripts.connections) - before == 1


async def test_a_permit_is_good_for_one_call(client, scripts):
    scripts.scripts["u"] = [answer(OK)]
    permit = to(scripts.url("u"))
    (await client.open(permit, PATH, b"{}", streamed=True)).close()
    with pytest.raises(RuntimeError, match="spent"):
        await client.open(permit, PATH, b"{}", streamed=True)
    assert len(scripts.requests("u")) == 1


async def test_a_call_that_fails_has_spent_its_permit(client):
    permit = to(f"http://127.0.0.1:{free_port()}/v1")
    with pytest.raises(UpstreamError):
        await client.open(permit, PATH, b"{}", streamed=True)
    with pytest.raises(RuntimeError, match="spent"):
        await client.open(permit, PATH, b"{}", streamed=True)
