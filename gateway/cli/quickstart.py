"""`gateway quickstart`: from nothing to a served answer on one machine, with a real model and no account."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import msgspec
import typer
import yaml

from gateway.adapters import demo_model, local_servers, policy_files, state
from gateway.adapters.keys import Keys
from gateway.adapters.secrets import not_offered
from gateway.cli.common import Policies, StateDir, cannot_run, settings_of, shared_of
from gateway.core.catalog import OUT_OF_USE, names
from gateway.policy.document import render
from gateway.policy.model import Bundle
from gateway.review import discovered
from gateway.settings import Settings

_START_SECONDS = 120.0
_STOP_SECONDS = 15.0


def quickstart(
    port: Annotated[int | None, typer.Option(help="Port that clients reach (GATEWAY_PORT).")] = None,
    admin_port: Annotated[int | None, typer.Option(help="Port of metrics and admin (GATEWAY_ADMIN_PORT).")] = None,
    policies: Policies = None,
    state_dir: StateDir = None,
) -> None:
    """Start a real local model and the gateway before it, and print how to call it. Ctrl-C stops both."""
    settings = settings_of(port=port, admin_port=admin_port, policies=policies, state_dir=state_dir)
    _require_free(settings.host, settings.port, "GATEWAY_PORT")
    _require_free(settings.admin_host, settings.admin_port, "GATEWAY_ADMIN_PORT")
    try:
        directory = state.prepare(settings.state_dir)
    except state.StateTaken as error:
        cannot_run(str(error))
    signal.signal(signal.SIGINT, _interrupt)  # also where a shell started us with it ignored
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    with contextlib.ExitStack() as running:
        try:
            _run(settings, directory, running)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            _say("\nstopping")
    _say("stopped")


def _run(settings: Settings, directory: Path, running: contextlib.ExitStack) -> None:
    found = _local_backends(settings, running)
    catalog = directory / discovered.FOLDER
    catalog.mkdir(exist_ok=True)
    (catalog / "local.yaml").write_text(
        "# Written by `gateway quickstart`: the model servers that it started or found on this machine.\n"
        + yaml.safe_dump({"backends": found}, sort_keys=False, width=120),
        encoding="utf-8",
    )
    _show_offers(settings, catalog)
    keys = Keys(directory, shared_of(settings))
    id, key = keys.create(team="quickstart", app="quickstart", floor="public")
    keys.close()
    log = directory / "gateway.log"
    environment = {
        **os.environ,
        "GATEWAY_HOST": settings.host,
        "GATEWAY_PORT": str(settings.port),
        "GATEWAY_ADMIN_PORT": str(settings.admin_port),
        "GATEWAY_POLICIES": str(settings.policies),
        "GATEWAY_STATE_DIR": str(directory),
        "GATEWAY_EXTRA_CATALOG": str(catalog),
    }
    with log.open("ab") as errors:
        gateway = running.enter_context(
            _process([sys.executable, "-m", "gateway", "serve"], environment, errors.fileno())
        )
    base = f"http://{settings.host}:{settings.port}"
    _wait("gateway", gateway, f"{base}/healthz", log)
    _show_how(base, settings, key, id, log, next(iter(found), None))
    while gateway.poll() is None:
        time.sleep(0.5)
    cannot_run(f"the gateway stopped with exit code {gateway.returncode}; see {log}")


def _local_backends(settings: Settings, running: contextlib.ExitStack) -> dict[str, dict[str, object]]:
    """Catalog rows for the demo model and for every model server that answers on its usual port."""
    found: dict[str, dict[str, object]] = {}
    taken = _names(settings)
    if demo_model.weights() is None:
        _say("demo model   not installed; own servers and hosted models only")
    else:
        port = _free_port()
        log = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="gateway-demo-"))) / "llama.log"
        with log.open("wb") as errors:
            command = [sys.executable, "-m", "gateway.adapters.demo_model", str(port)]
            process = running.enter_context(_process(command, dict(os.environ), errors.fileno()))
        _wait(f"demo model   {demo_model.MODEL} on llama.cpp", process, f"http://127.0.0.1:{port}/health", log)
        found[demo_model.MODEL] = local_servers.demo_row(port)
    own = {settings.port, settings.admin_port}
    for each in local_servers.discover(local_servers.places((), own)):
        if isinstance(each, str):
            _say(each)
        else:
            models = discovered.named(each, taken | found.keys())
            _say(f"{each.provider:<12} on port {each.port}: {', '.join(models)}")
            told = {name: discovered.row(each, model) for name, model in models.items()}
            found |= {name: local_servers.assumed(each.provider, each.base_url) | row for name, row in told.items()}
    return found


def _names(settings: Settings) -> set[str]:
    """The names that the catalog gives already."""
    return set(names(_load(settings, None).backends))


def _load(settings: Settings, catalog: Path | None) -> Bundle:
    try:
        parsed = policy_files.load(settings.policies, catalog)
    except policy_files.Unreadable as error:
        cannot_run(str(error))
    if parsed.bundle is None:
        cannot_run(f"the policies do not load:\n{render(parsed.problems, parsed.sources)}")
    return parsed.bundle


def _show_offers(settings: Settings, catalog: Path) -> None:
    backends = _load(settings, catalog).backends
    missing, absent = not_offered(backends), []
    for provider in dict.fromkeys(backend.provider for backend in backends if backend.key_ref):
        rows = [backend for backend in backends if backend.provider == provider]
        usable = [backend for backend in rows if backend.price and backend.word("status") not in OUT_OF_USE]
        if offered := [backend.id for backend in usable if backend.id not in missing]:
            _say(f"{provider:<12} {', '.join(offered)}")
        else:
            absent.append(provider)
    if absent:
        _say(f"not offered  {', '.join(absent)}: `gateway backends list` says why")


def _show_how(base: str, settings: Settings, key: str, id: str, log: Path, model: str | None) -> None:
    gateway = sys.argv[0] if Path(sys.argv[0]).name == "gateway" else "python -m gateway"
    question = [{"role": "user", "content": "What is 2+2?"}]
    asked = {"model": model or "auto", "messages": question, "max_tokens": 64, "temperature": 0}
    body = msgspec.json.encode(asked).decode()
    typer.echo(
        f"""
The gateway is running. Ctrl-C stops it and the demo model.

  base_url  {base}/v1
  key       {key}
  model     {model or "auto"}, auto, or any name of GET /v1/models

  curl -s {base}/v1/chat/completions -H 'authorization: Bearer {key}' -H 'content-type: application/json' -d '{body}'

  spend     {gateway} spend --state-dir {settings.state_dir}
  metrics   http://{settings.admin_host}:{settings.admin_port}/metrics
  policy    {settings.policies} (edit and save: it reloads; `{gateway} policy explain` says why)
  log       {log}
  key id    {id} (`{gateway} keys revoke {id}`); each start makes a new key, older ones stay in force
"""
    )
    sys.stdout.flush()


def _interrupt(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _say(line: str) -> None:
    typer.echo(line)
    sys.stdout.flush()


def _die_with_parent() -> None:
    """Linux: a killed quickstart takes its children along."""
    if sys.platform == "linux":
        import ctypes  # only here

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


@contextlib.contextmanager
def _process(command: list[str], environment: dict[str, str], errors: int) -> Iterator[subprocess.Popen[bytes]]:
    """A child in a session of its own, so that Ctrl-C reaches only us and children stop in order."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509  this process has no threads by now
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(what: str, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Waits for a health URL, with a sign of life; exit code 2 with the end of the log if it does not come."""
    started = time.monotonic()
    typer.echo(f"{what}: starting", nl=False)
    while True:
        if local_servers.answers_well(url, 2.0):
            break
        if process.poll() is not None or time.monotonic() - started > _START_SECONDS:
            typer.echo()
            tail = log.read_text(encoding="utf-8", errors="replace")[-2000:] if log.exists() else ""
            cannot_run(f"{what} did not start; its last words:\n{tail}")
        typer.echo(".", nl=False)
        sys.stdout.flush()
        time.sleep(0.2)
    _say(f" ready after {time.monotonic() - started:.1f} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _require_free(host: str, port: int, setting: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            cannot_run(f"cannot listen on {host}:{port}: {error.strerror}; set {setting} to a free port")
