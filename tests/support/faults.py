"""Faults by name: what an upstream does wrong, backend by backend, as the message of each request says.

A request's only message is a plan in JSON. The upstream plays for each backend the fault that the plan names for it, and
writes down what it will charge: `Seen.bill`. What it would tell nobody is the test's alone.
"""

import asyncio
import datetime as dt
import json
import ssl
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from support.garbage import GARBAGE
from support.upstream import (
    CLOSE,
    DONE,
    HANG,
    RESET,
    STREAM_END,
    STREAM_HEAD,
    Bill,
    Seen,
    Upstream,
    answer,
    chunk,
    event,
    reset,
)

PRICE = {"input": 1, "output": 4}
"""USD per million tokens, as the catalog has them."""

PROMPT_PICO, WORD_PICO = 1_000_000, 4_000_000
OWN_MODEL = "scripted"


@dataclass(frozen=True)
class Plan:
    """What is to become of one request. `faults` are names of FAULTS by backend; whoever is not named answers well, in
    so many words, each a token. `at` is where something happens: a byte, a word. `surface` is what the client speaks; the
    backends speak chat completions."""

    number: int
    streamed: bool = True
    faults: dict[str, str] = field(default_factory=dict)
    words: int = 5
    at: int = 0
    padding: str = ""
    surface: str = "chat"

    @property
    def message(self) -> str:
        return json.dumps(asdict(self))

    @property
    def prompt(self) -> int:
        """Tokens of the prompt, as a tokenizer would count them."""
        return len(self.message) // 4

    def cost(self, words: int) -> int:
        """What an answer of so many words costs, in pico-USD."""
        return self.prompt * PROMPT_PICO + words * WORD_PICO

    @property
    def usage(self) -> dict:
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.words,
            "total_tokens": self.prompt + self.words,
        }


def plan_of(seen: Seen) -> Plan:
    """The plan that came with a request."""
    content = seen.json["messages"][0]["content"]
    return Plan(**json.loads(content if isinstance(content, str) else content[0]["text"]))


# -- answers ----------------------------------------------------------------------------------------------------------


def body_of(plan: Plan, model: str = OWN_MODEL) -> dict:
    """A whole answer."""
    message = {"role": "assistant", "content": "word " * plan.words}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": plan.usage,
    }


def events_of(plan: Plan, model: str = OWN_MODEL) -> list[bytes]:
    """The events of an answer: the first ones hold a word each."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}

    def piece(delta: dict, finish: str | None = None) -> bytes:
        return event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    role = {"role": "assistant"}
    words = [piece({**({} if at else role), "content": "word "}) for at in range(plan.words)]
    return [*words, piece({}, "stop"), event({**head, "choices": [], "usage": plan.usage}), DONE]


def good(plan: Plan, model: str = OWN_MODEL) -> list:
    """An answer as it should be."""
    if not plan.streamed:
        return [Bill(plan.cost(plan.words)), answer(body_of(plan, model))]
    return [STREAM_HEAD, *_written(plan, model), STREAM_END]


def _written(plan: Plan, model: str = OWN_MODEL) -> Iterator[object]:
    for number, each in enumerate(events_of(plan, model), 1):
        yield Bill(plan.cost(min(number, plan.words)))
        yield chunk(each)


def slowly(plan: Plan, seconds: float) -> list:
    """An answer as it should be, with a pause after each word. A buffered one has one pause, before it."""
    if not plan.streamed:
        return [seconds, *good(plan)]
    script: list = [STREAM_HEAD]
    for step in _written(plan):
        script += [step, seconds] if isinstance(step, bytes) else [step]
    return [*script, STREAM_END]


def raw(plan: Plan) -> bytes:
    """The bytes of a good answer."""
    return b"".join(step for step in good(plan) if isinstance(step, bytes))


# -- faults -----------------------------------------------------------------------------------------------------------

_ERROR = {"error": {"message": "it went wrong", "type": "server_error", "code": "c"}}


def _status(status: int, **headers: str) -> Callable[[Plan], list]:
    return lambda _: [answer(_ERROR, status, **headers)]  # not billed


def _silent(plan: Plan) -> list:
    return [Bill(plan.cost(plan.words)), HANG]  # it computes, and nobody gets it


def _silent_after_head(plan: Plan) -> list:
    return [Bill(plan.cost(plan.words)), STREAM_HEAD, HANG]


def _stall(plan: Plan) -> list:
    """Half of the answer, then nothing."""
    half = max(1, plan.words // 2)
    if not plan.streamed:
        whole = raw(plan)
        return [Bill(plan.cost(plan.words)), whole[: len(whole) // 2], HANG]
    events = events_of(plan)[:half]
    return [STREAM_HEAD, Bill(plan.cost(half)), *map(chunk, events), HANG]


def _drip(plan: Plan) -> list:
    """A byte a second, after the first word."""
    if not plan.streamed:
        whole = raw(plan)
        return [
            Bill(plan.cost(plan.words)),
            whole[:-30],
            *(part for at in range(30) for part in (whole[at : at + 1], 1.0)),
        ]
    first, *rest = events_of(plan)
    dripped = b"".join(rest)
    steps = (part for at in range(40) for part in (chunk(dripped[at : at + 1]), 1.0))
    return [STREAM_HEAD, Bill(plan.cost(2)), chunk(first), *steps]


def _reset_at(plan: Plan) -> list:
    """A reset once `at` bytes of the answer are out: 0 is before the head. What is written by then is on the bill."""
    script: list = [] if plan.streamed else [Bill(plan.cost(plan.words))]
    left = plan.at
    for step in good(plan):
        if isinstance(step, bytes):
            script.append(step[:left])
            left -= len(step)
            if left <= 0:
                break
        else:
            script.append(step)
    return [*script, 0.005, RESET]  # what was written goes out first


def _cut_at(plan: Plan) -> list:
    """An end of the connection once `at` bytes are out."""
    return [*_reset_at(plan)[:-1], CLOSE]


def _in_stream(plan: Plan) -> list:
    """An error event after some words."""
    half = max(1, plan.words // 2)
    if not plan.streamed:
        return [Bill(plan.cost(plan.words)), answer(_ERROR)]
    return [STREAM_HEAD, Bill(plan.cost(half)), *map(chunk, events_of(plan)[:half]), chunk(event(_ERROR)), STREAM_END]


def _by_bytes(plan: Plan) -> list:
    """A good answer of which each byte comes in a packet of its own."""
    whole = raw(plan)
    return [Bill(plan.cost(plan.words)), *(whole[at : at + 1] for at in range(len(whole)))]


def _delayed(plan: Plan) -> list:
    return [0.3, *good(plan)]


def _late(plan: Plan) -> list:
    """All at once, when nobody waits any more: after the deadline of a first byte, or of a whole answer."""
    return [Bill(plan.cost(plan.words)), 1.8 if plan.streamed else 4.3, raw(plan)]


def _slow(plan: Plan) -> list:
    return slowly(plan, 0.05)


def _endless(plan: Plan) -> list:
    """A word every twentieth of a second, and no end."""
    word = events_of(plan)[0]
    script: list = [STREAM_HEAD]
    for number in range(1, 900):
        script += [Bill(plan.cost(number)), chunk(word), 0.05]
    return script


def _other_model(plan: Plan) -> list:
    return good(plan, "another-model")


def _garbage(kind: str) -> Callable[[Plan], list]:
    def script(plan: Plan) -> list:
        made = GARBAGE[kind]
        bill = Bill(0 if made.free else plan.cost(plan.words))
        return [bill, *made.script(body_of(plan), events_of(plan))]

    return script


FAULTS: dict[str, Callable[[Plan], list]] = {
    "none": good,
    **{f"status {status}": _status(status) for status in (500, 502, 503, 529, 429)},
    "status 429 with retry-after": _status(429, retry_after="7"),
    "status 503 with retry-after": _status(503, retry_after="7"),
    "delay": _delayed,
    "late": _late,
    "no head": _silent,
    "no first event": _silent_after_head,
    "stall": _stall,
    "drip": _drip,
    "reset at": _reset_at,
    "cut at": _cut_at,
    "error event": _in_stream,
    "another model": _other_model,
    "a byte a packet": _by_bytes,
    "slow": _slow,
    "endless": _endless,
    **{f"garbage: {kind}": _garbage(kind) for kind in GARBAGE},
}
"""What an upstream may do, by name. `echo` is beside these: it needs the request itself."""

KIND_OF = {
    "status 500": "server_error",
    "status 502": "server_error",
    "status 503": "overloaded",
    "status 529": "overloaded",
    "status 429": "throttled",
    "status 429 with retry-after": "throttled",
    "status 503 with retry-after": "overloaded",
    "no head": "timed_out",
    "reset at": "broken",
}
"""How the next hop's facts call a fault that comes before anything of an answer."""


class FaultUpstream(Upstream):
    """The scripted upstream, by plans. `seen` is the log of what left the gateway: which request, to which backend,
    when it came and when it ended."""

    def script_of(self, seen: Seen) -> list:
        plan = plan_of(seen)
        name = plan.faults.get(seen.name, "none")
        if name == "echo":
            lines = seen.head.decode("latin-1")
            told = {"error": {"message": f"bad request: {lines}", "type": "t", "code": lines, "param": lines}}
            return [answer(told, 400 + plan.at, x_request_id="of-theirs", x_echo=lines.replace("\r\n", " | "))]
        return FAULTS[name](plan)

    def of(self, number: int) -> list[Seen]:
        """What was sent for a request."""
        return [seen for seen in self.seen if plan_of(seen).number == number]

    def drop_idle(self) -> None:
        """Ends every connection on which nothing is asked just now, and waits until that is done."""

        async def drop() -> None:
            for writer in self.connections:
                writer.close()
            self.connections.clear()

        asyncio.run_coroutine_threadsafe(drop(), self._loop).result(5)

    def listen_to_drop(self) -> int:
        """A port where every connection is reset as soon as it says something."""

        async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            reset(writer)

        return self.listen(drop)

    def listen_to_hold(self) -> int:
        """A port where every connection is taken, and nothing is ever said."""

        async def hold(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            while await reader.read(65_536):
                pass

        return self.listen(hold)


# -- certificates -----------------------------------------------------------------------------------------------------


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


@cache
def _authority() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    return key, _certificate(key, "an authority", key, "an authority", days=(-10, 10), authority=True)


def _certificate(
    key: ec.EllipticCurvePrivateKey,
    common: str,
    signer: ec.EllipticCurvePrivateKey,
    issuer: str,
    *,
    days: tuple[int, int],
    authority: bool = False,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    first, last = (now + dt.timedelta(days=each) for each in days)
    public = key.public_key()
    usage = x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(common))
        .issuer_name(_name(issuer))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(first)
        .not_valid_after(last)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(common)]), critical=False)
        .sign(signer, hashes.SHA256())
    )


def authority_file(directory: Path) -> Path:
    """A file with the certificate of the authority that signs the servers' ones: for `SSL_CERT_FILE`."""
    path = directory / "authority.pem"
    path.write_bytes(_authority()[1].public_bytes(serialization.Encoding.PEM))
    return path


def tls(
    directory: Path, common: str = "localhost", days: tuple[int, int] = (-2, 2), *, known: bool = True
) -> ssl.SSLContext:
    """What a server needs for TLS: a certificate of a name that is good for some days. `known`: signed by the authority,
    else by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    signer, issuer = (_authority()[0], "an authority") if known else (key, common)
    certificate = _certificate(key, common, signer, issuer, days=days)
    path = directory / f"{common}-{days[1]}-{known}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
