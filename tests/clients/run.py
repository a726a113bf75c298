"""Runs real clients, unmodified, each in an environment of its own, against a running gateway; writes docs/clients.md.

    PYTHONPATH=tests python tests/clients/run.py [--cache DIRECTORY] [CLIENT ...]

Behind the gateway are the scripted model and, where it is installed, the demo model. Environments are made once, from
PyPI and npm, and stay in the cache. While a client runs it reaches loopback only, as far as it minds proxy settings, and
its telemetry is off. With names only those clients run; the rows of the others stay as they are.
"""

import argparse
import contextlib
import datetime as dt
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.server import ROOT, Server, backend, free_port, serving

from clients.model import RAN, ScriptedModel
from gateway.adapters import demo_model

SCRIPTS = Path(__file__).resolve().parent / "scripts"
TABLE = ROOT / "docs" / "clients.md"
SECONDS = 180
"""What one run of a client may take."""


@dataclass(frozen=True)
class Turn:
    """One turn of an agent. `arrives`: what the model's server must see of the prompt cache, as `(name, pattern)`."""

    model: str
    arrives: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Client:
    """One row. The first package is the client, and gives the version; `turns` if it is an agent."""

    name: str
    script: str
    packages: tuple[str, ...]
    turns: tuple[Turn, ...] = ()

    @property
    def version(self) -> str:
        return re.split(r"==|(?<!^)@", self.packages[0])[-1]


CLIENTS = (
    Client("openai-3", "with_openai.py", ("openai==3.57.0",)),
    Client("openai-2", "with_openai.py", ("openai==2.54.0",)),
    Client("anthropic", "with_anthropic.py", ("anthropic==2.14.0",)),
    Client("langchain-openai", "with_langchain.py", ("langchain-openai==1.7.4",)),
    Client(
        "llama-index",
        "with_llama_index.py",
        ("llama-index-llms-openai-like==0.8.1", "llama-index-embeddings-openai-like==0.4.0"),
    ),
    Client("pydantic-ai", "with_pydantic_ai.py", ("pydantic-ai-slim[openai,anthropic]==2.68.0",)),
    Client("instructor", "with_instructor.py", ("instructor==1.17.0",)),
    Client("openai-agents", "with_openai_agents.py", ("openai-agents==0.24.0",)),
    Client("litellm", "with_litellm.py", ("litellm==1.110.2",)),
    Client("openai-node", "with_openai.mjs", ("openai@7.59.0", "zod@4.6.7")),
    Client(
        "vercel-ai",
        "with_vercel_ai.mjs",
        (
            "ai@7.0.173",
            "@ai-sdk/openai@4.0.118",
            "@ai-sdk/anthropic@4.0.105",
            "@ai-sdk/openai-compatible@3.0.92",
            "zod@4.6.7",
        ),
    ),
    Client(
        "codex",
        "codex.sh",
        ("@openai/codex@0.171.0",),
        (Turn("scripted", ("cache key", r'"prompt_cache_key": ?"[0-9a-f-]{36}"')),),
    ),
    Client(
        "claude-code",
        "claude_code.sh",
        ("@anthropic-ai/claude-code@2.1.332",),
        (Turn("scripted"), Turn("native", ("cache marks", r'"cache_control":'))),
    ),
    Client("opencode", "opencode.sh", ("opencode-ai@1.18.33",), (Turn("scripted"),)),
    Client("qwen-code", "qwen_code.sh", ("@qwen-code/qwen-code@0.24.4",), (Turn("scripted"),)),
)


@dataclass(frozen=True)
class Result:
    """One check. `failed` is the reason, empty if it went well."""

    check: str
    failed: str = ""


def installed(client: Client, cache: Path) -> Path:
    """The client's own folder, with its packages in it. Raises CalledProcessError."""
    folder = cache / client.name
    mark = folder / "installed"
    wanted = "\n".join(client.packages)
    if mark.is_file() and mark.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if client.script.endswith(".py"):
        venv.create(folder, with_pip=True)
        command = [folder / "bin" / "pip", "install", "--quiet", "--no-cache-dir", *client.packages]
        subprocess.run(command, check=True, stdout=sys.stderr)
    else:
        with tempfile.TemporaryDirectory(prefix="npm-") as downloads:
            command = ["npm", "install", "--no-audit", "--no-fund", "--cache", downloads, "--prefix", folder]
            subprocess.run([*command, *client.packages], cwd=folder, check=True, stdout=sys.stderr)
    mark.write_text(wanted)
    return folder


def command_of(client: Client, folder: Path) -> list[str]:
    """How the script is run. Node looks for packages beside the script, so it is put beside them."""
    if client.script.endswith(".py"):
        return [str(folder / "bin" / "python"), str(SCRIPTS / client.script)]
    if client.script.endswith(".sh"):
        return ["sh", "-eu", str(SCRIPTS / client.script)]
    for name in ("checks.mjs", client.script):
        shutil.copy(SCRIPTS / name, folder / name)
    return ["node", str(folder / client.script)]


@dataclass(frozen=True)
class Place:
    """Where clients run: behind the gateway `server` is the scripted `model`."""

    server: Server
    model: ScriptedModel
    key: str
    chat_models: str


def run(client: Client, folder: Path, place: Place) -> list[Result]:
    """What came of each check."""
    if not client.turns:
        return told(*ran(client, folder, place))
    results = []
    for turn in client.turns:
        results += turned(turn, *ran(client, folder, place, turn.model), place.model.last)
    return results


def ran(client: Client, folder: Path, place: Place, model: str = "") -> tuple[str, str]:
    """Runs the script: what it printed, and what was wrong with how it ended."""
    with tempfile.TemporaryDirectory(prefix="client-", ignore_cleanup_errors=True) as home:
        environment = {
            "PATH": f"{folder / 'node_modules' / '.bin'}:{os.environ['PATH']}",
            "HOME": home,
            "CLIENT_URL": place.server.base,
            "CLIENT_KEY": place.key,
            "CLIENT_CHAT_MODELS": place.chat_models,
            "CLIENT_MODEL": model,
            "PYTHONDONTWRITEBYTECODE": "1",
            "DO_NOT_TRACK": "1",
            **{name: f"http://127.0.0.1:{free_port()}" for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")},
            "NO_PROXY": "127.0.0.1,localhost",
        }
        log = folder / f"last-{model or 'run'}.log"
        with log.open("w") as said:
            process = subprocess.Popen(
                command_of(client, folder),
                cwd=home,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = process.wait(SECONDS)
                end = f"it ended with {code}" if code else ""
            except subprocess.TimeoutExpired:
                end = f"it did not end within {SECONDS} s"
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with what it left running
            process.wait()
        return log.read_text(errors="replace"), end


def turned(turn: Turn, text: str, end: str, body: bytes) -> list[Result]:
    """What came of an agent's turn: its last words have what its command printed. `body`: its last request, as the
    model's server saw it."""
    if not end and not re.search(rf"The tool said:[^\0]*{re.escape(RAN)}", text):
        end = "the model did not see what its command printed"
    end = f"{end}: {' '.join(text.split())[-300:]}" if end else ""
    results = [Result(f"one turn with a tool call ({turn.model})", end)]
    what, pattern = turn.arrives
    if what:
        missing = "" if re.search(pattern.encode(), body) else "the model's server did not see what the client sent"
        results.append(Result(f"{what} ({turn.model})", missing))
    return results


def told(text: str, end: str) -> list[Result]:
    """What a script tells of its checks."""
    lines = [json.loads(line) for line in text.splitlines() if line.startswith('{"check":')]
    results = [Result(line["check"], line.get("failed", "")) for line in lines]
    if end or not results:
        results.append(Result("the script itself", f"{end or 'it told nothing'}: {' '.join(text.split())[-300:]}"))
    return results


@contextlib.contextmanager
def real_model() -> Iterator[str | None]:
    """The base URL of the demo model's server, None where it is not installed."""
    if demo_model.weights() is None:
        yield None
        return
    port = free_port()
    command = [sys.executable, "-m", "gateway.adapters.demo_model", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(10)


def catalog(model: ScriptedModel, real: str | None) -> dict:
    """The models that clients find behind the gateway."""
    large = {"context": 400_000, "max_output": 64_000}
    chat = ["chat", "tools", "vision", "json_schema"]
    rows = {
        "scripted": backend(model.url("chat"), capabilities=chat, **large),
        "native": backend(model.url("native"), capabilities=[*chat, "messages"], provider="anthropic", **large),
        "plain": backend(model.url("chat"), capabilities=["completions", "embeddings"]),
        "throttled": backend(model.url("throttled"), capabilities=chat),
        "picky": backend(model.url("picky"), capabilities=chat),
    }
    if real is not None:
        able = ["chat", "tools", "json_schema"]
        rows["smol"] = backend(real, provider="llamacpp", capabilities=able, model=demo_model.MODEL, context=4096)
    return rows


HEAD = """# Clients

Real clients, unmodified, against a running gateway by base URL and key alone. `make clients` runs them and writes this
page; what each one does stands in `tests/clients/scripts`. Models: `scripted` (speaks chat completions), `native` (speaks
Anthropic Messages), `plain` (completions and embeddings), and `smol`, a real llama.cpp server with SmolLM2-135M. The
policy is the one that is shipped. Agents run one command in their shell, and tell what it printed;
what they send for the prompt cache must arrive at the model's server. Last run with {runtimes}.

| client | version | result | checked | date | commit |
| --- | --- | --- | --- | --- | --- |
"""


def row(client: Client, results: list[Result]) -> str:
    """One line of the table."""
    failed = [f"{result.check}: {result.failed}" for result in results if result.failed]
    worked = [result.check for result in results if not result.failed]
    verdict = f"{len(worked)} of {len(results)} ok" if failed else f"ok ({len(worked)})"
    told_of = "; ".join([verdict, *failed]).replace("|", "\\|").replace("\n", " ")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    today = dt.datetime.now(dt.UTC).date()
    return f"| {client.name} | {client.version} | {told_of} | {', '.join(worked)} | {today} | {commit} |\n"


def write(rows: dict[str, str]) -> None:
    """The page, with the rows of clients that did not run as they were."""
    before = TABLE.read_text() if TABLE.is_file() else ""
    kept = {line.split("|")[1].strip(): line + "\n" for line in before.splitlines() if line.startswith("| ")}
    lines = {**kept, **rows}
    runtimes = f"Python {platform.python_version()}"
    if shutil.which("node"):
        node = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
        runtimes += f" and Node {node.strip().removeprefix('v')}"
    TABLE.write_text(
        HEAD.format(runtimes=runtimes) + "".join(lines[client.name] for client in CLIENTS if client.name in lines)
    )


def main() -> int:
    names = [client.name for client in CLIENTS]
    options = argparse.ArgumentParser(description="Runs real clients against a gateway.")
    options.add_argument("clients", nargs="*", metavar="CLIENT", help=f"of {', '.join(names)}; all if none is named")
    options.add_argument("--cache", type=Path, default=ROOT / ".cache" / "clients", help="where environments are kept")
    asked = options.parse_args()
    if unknown := [name for name in asked.clients if name not in names]:
        options.error(f"no such client: {', '.join(unknown)}; there are {', '.join(names)}")
    cache = asked.cache.resolve()
    model = ScriptedModel()
    failed = False
    with real_model() as real, tempfile.TemporaryDirectory(prefix="gateway-") as directory:
        with serving(Path(directory), catalog(model, real)) as server:
            key = server.key(sensitivity="public")
            place = Place(server, model, key, "scripted smol" if real else "scripted")
            for client in CLIENTS:
                if asked.clients and client.name not in asked.clients:
                    continue
                try:
                    results = run(client, installed(client, cache), place)
                except (subprocess.CalledProcessError, OSError) as error:
                    results = [Result("installation", str(error))]
                print(row(client, results), end="", flush=True)
                write({client.name: row(client, results)})
                failed |= any(result.failed for result in results)
    model.stop()
    return failed


if __name__ == "__main__":
    sys.exit(main())
