"""A gateway as users run it: its own process, its own state, loopback only."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from typer.testing import CliRunner

from gateway.cli import app as commands
from support import forks

ROOT = Path(__file__).resolve().parents[2]
SERVE = [sys.executable, "-m", "gateway", "serve"]
"""The command that is not run as it stands: a process that has the same modules loaded becomes what it would."""


_given: set[int] = set()
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def free_port() -> int:
    """One that nobody listens on and that was not given before: the system may offer one again as soon as it is closed.

    Test processes that run side by side share the numbers out, in pairs: Linux gives listeners one of each pair only.
    """
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in _given and port // 2 % _WORKERS == _WORKER:
            _given.add(port)
            return port


def _status_of(question: urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(question, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


class Server:
    """One `gateway serve`, with what a test wants to know of it."""

    def __init__(self, directory: Path, policies: Path, catalog: dict | None = None, **settings: str) -> None:
        self.directory = directory
        self.state = directory / "state"
        self.port, self.admin_port = free_port(), free_port()
        extra = directory / "extra"
        extra.mkdir(parents=True, exist_ok=True)
        (extra / "test.yaml").write_text(json.dumps({"backends": catalog or {}}))
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")},
            "GATEWAY_PORT": str(self.port),
            "GATEWAY_ADMIN_PORT": str(self.admin_port),
            "GATEWAY_STATE_DIR": str(self.state),
            "GATEWAY_POLICIES": str(policies),
            "GATEWAY_EXTRA_CATALOG": str(extra),
            **settings,
        }
        self.base = f"http://127.0.0.1:{self.port}"
        self.log = directory / "gateway.log"
        self.command = SERVE
        self.process: subprocess.Popen | forks.Forked | None = None

    def start(self, path: str = "/readyz") -> "Server":
        """Returns once it answers 200 at a path."""
        with self.log.open("ab") as log:
            if self.command is SERVE and forks.alike(self.environment):
                self.process = forks.gateway(self.environment, self.directory, log.fileno())
            else:
                self.process = subprocess.Popen(
                    self.command, env=self.environment, stderr=log, stdout=log, cwd=self.directory
                )
        deadline = time.monotonic() + 90  # a busy machine takes its time
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                urllib.request.urlopen(self.base + path, timeout=2).close()
                return self
            time.sleep(0.05)
        self.stop(signal.SIGKILL)  # it would be left behind: who got no server stops none
        raise RuntimeError(f"the gateway did not start:\n{self.log.read_text()[-3000:]}")

    def stop(self, signal_: int = signal.SIGTERM) -> int:
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal_)
        return self.process.wait(40)

    def cli(self, *arguments: str) -> subprocess.CompletedProcess:
        """A command with the settings of this gateway, in this process: a start each would be a good part of the whole
        suite."""
        with ThreadPoolExecutor(1) as apart:  # a command that asks a database has an event loop of its own
            made = apart.submit(CliRunner().invoke, commands, arguments, env=self.environment).result()
        return subprocess.CompletedProcess(arguments, made.exit_code, made.stdout, made.stderr)

    def key(self, *, team: str = "t", app: str = "a", **options: str) -> str:
        """A new key, which this gateway takes if it runs."""
        more = [part for name, value in options.items() for part in (f"--{name}", value)]
        made = self.cli("keys", "create", "--team", team, "--app", app, "--format", "json", *more)
        assert made.returncode == 0, made.stderr
        key = json.loads(made.stdout)["key"]
        if self.process is not None and self.process.poll() is None:
            self.await_key(key)
        return key

    def await_key(self, key: str) -> None:
        """Waits until this gateway takes a key: once it has read it, and put the budgets in force that are older."""
        question = urllib.request.Request(f"{self.base}/v1/models", headers={"authorization": f"Bearer {key}"})
        deadline = time.monotonic() + 10
        while (status := _status_of(question)) in (401, 503):
            assert time.monotonic() < deadline, f"the key is not taken: {status}"
            time.sleep(0.02)

    def ask_again(self, ids: Iterable[str]) -> None:
        """Forgets how calls to these failed, so that none is left alone for what an earlier test had it do."""
        for id in ids:
            with contextlib.suppress(urllib.error.HTTPError):
                url = f"http://127.0.0.1:{self.admin_port}/admin/backends/{id}/resume"
                urllib.request.urlopen(urllib.request.Request(url, b"", method="POST"), timeout=5).close()

    def ledger(self) -> list[dict]:
        """All ledger rows, once everything that ended has been carried over: as long as that takes a busy machine, and
        five seconds where the store takes nothing."""
        time.sleep(0.25)
        deadline = time.monotonic() + 5
        with contextlib.suppress(OSError, KeyError):  # it has ended, or shows no metrics
            while self.metrics()["gateway_ledger_lag_seconds"] > 0 and time.monotonic() < deadline:
                time.sleep(0.05)
        db = sqlite3.connect(self.state / "ledger.sqlite", timeout=10)
        db.row_factory = sqlite3.Row
        rows = [dict(row) for row in db.execute("SELECT * FROM entries ORDER BY request_id, hop")]
        db.close()
        return rows

    def metrics(self) -> dict[str, float]:
        """Every sample of a scrape, by its name and labels as Prometheus writes them."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=5) as response:
            lines = response.read().decode().removesuffix("\n").split("\n")  # a label may hold what else ends a line
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


@contextlib.contextmanager
def serving(
    directory: Path, catalog: dict | None = None, policies: Path | None = None, **settings: str
) -> Iterator[Server]:
    server = Server(directory, policies or ROOT / "routing_policies", catalog, **settings).start()
    try:
        yield server
    finally:
        server.stop()


def backend(base_url: str, **more: object) -> dict:
    """A catalog row for a scripted backend: our own machine, a dollar per million tokens each way."""
    return {
        "provider": "openai-compatible",
        "base_url": base_url,
        "price": {"input": 1, "output": 1},
        "deployment": "self_hosted",
        "zone": "inhouse",
        "status": "active",
        "retention": "none",
        **more,
    }
