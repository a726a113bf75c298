"""The Dockerfile, without Docker: what it says, and its steps done by hand in a folder of their own."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from support.server import ROOT, free_port

from gateway.settings import Settings

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"


class Step(msgspec.Struct, frozen=True):
    """One instruction."""

    word: str
    rest: str

    def listed(self) -> list[str]:
        """The arguments, which are a list: no shell reads them."""
        return json.loads(self.rest[self.rest.index("[") :])


def stages() -> list[list[Step]]:
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    steps = [Step(*line.split(None, 1)) for line in text.splitlines() if line.strip()]
    found: list[list[Step]] = [[]]
    for step in steps:
        if step.word == "FROM":
            found.append([])
        found[-1].append(step)
    return found


def last(word: str) -> list[Step]:
    return [step for step in stages()[-1] if step.word == word]


def environment() -> dict[str, str]:
    (step,) = last("ENV")
    return dict(part.split("=", 1) for part in step.rest.split())


def test_the_base_has_a_tag_and_can_be_pinned_further():
    (argument,) = stages()[0]
    assert re.fullmatch(r"BASE=[\w.]+/[\w/]+:\d+\.\d+[\w.\-]*", argument.rest)
    assert [stage[0].rest for stage in stages()[1:]] == ["${BASE} AS build", "${BASE}"]


def test_the_image_needs_no_shell_no_name_and_no_root():
    words = [step.word for step in stages()[-1]]
    assert not {"RUN", "ADD", "SHELL", "MAINTAINER"} & set(words)
    user, _, group = last("USER")[0].rest.partition(":")
    assert (int(user), int(group)) > (1000, 1000)
    for word in ("ENTRYPOINT", "CMD", "HEALTHCHECK", "VOLUME"):
        (step,) = last(word)
        assert all(isinstance(part, str) for part in step.listed())
    python = "/opt/gateway/bin/python"
    assert last("ENTRYPOINT")[0].listed() == [python, "-m", "gateway"]
    assert last("HEALTHCHECK")[0].listed()[0] == python
    assert last("STOPSIGNAL")[0].rest == "SIGTERM"


def test_it_listens_for_others_and_writes_one_place():
    told = environment()
    assert told["GATEWAY_HOST"] == "0.0.0.0"
    assert int(told["GATEWAY_GRACE_SECONDS"]) < 10  # then `docker stop` kills
    assert last("VOLUME")[0].listed() == [last("WORKDIR")[0].rest]
    # Below it: COPY gives the volume itself the mode 0755, and what the gateway makes is 0700.
    assert told["GATEWAY_STATE_DIR"] == f"{last('WORKDIR')[0].rest}/state"
    assert last("EXPOSE")[0].rest == str(Settings.model_fields["port"].default)
    assert f"'GATEWAY_PORT', '{last('EXPOSE')[0].rest}'" in last("HEALTHCHECK")[0].rest
    assert "/healthz" in last("HEALTHCHECK")[0].rest
    # The place that is written is the working directory, too: nothing there may be imported.
    assert told["PYTHONSAFEPATH"] == "1"
    known = {f"GATEWAY_{name.upper()}" for name in Settings.model_fields}
    assert {name for name in told if name.startswith("GATEWAY_")} <= known


def test_no_secret_and_nothing_else_of_the_folder_reaches_the_build():
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert ignored[0] == "*"
    allowed = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {
        source
        for stage in stages()
        for step in stage
        if step.word == "COPY" and "--from" not in step.rest
        for source in step.rest.split()[:-1]
    }
    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)
    assert not re.search(r"KEY=|TOKEN=|SECRET=|PASSWORD=", (ROOT / "Dockerfile").read_text())


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Iterator[Path]:
    """A root folder, with what the image adds to its base."""
    if not FULL:
        pytest.skip("installs what is locked anew; make nightly does it")
    root = tmp_path_factory.mktemp("image")
    home = root / "src"
    home.mkdir()

    def here(text: str) -> str:
        text = re.sub(r"(?<![\w.])/(opt|state|var/lib/gateway|etc/gateway)\b", rf"{root}/\1", text)
        return re.sub(r"(?<![\w/])python -m", f"{sys.executable} -m", text).replace("${LOCK}", "runtime")

    for step in [step for stage in stages()[1:] for step in stage]:
        if step.word == "RUN":
            ran = subprocess.run(["sh", "-euc", here(step.rest)], cwd=home, capture_output=True, text=True, timeout=600)
            assert ran.returncode == 0, ran.stderr[-3000:]
        elif step.word == "COPY":
            *sources, target = [part for part in step.rest.split() if not part.startswith("--")]
            came = root if "--from" in step.rest else ROOT
            for source in sources:
                into = (
                    home / target / (source if target == "./" else "")
                    if not target.startswith("/")
                    else Path(here(target))
                )
                start = Path(here(source)) if came == root else ROOT / source
                if start == into:
                    continue
                into.parent.mkdir(parents=True, exist_ok=True)
                if start.is_dir():
                    shutil.copytree(start, into, ignore=shutil.ignore_patterns("__pycache__", ".*"), dirs_exist_ok=True)
                else:
                    shutil.copy(start, into)
    shutil.rmtree(home)
    shutil.rmtree(root / "opt/build")
    yield root
    for path in root.rglob("*"):  # so that the folder can be removed
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)


def seen(root: Path) -> dict[str, int]:
    """Every file outside of the place that is written, and when it was changed."""
    state = root / "var/lib/gateway"
    return {str(each): each.lstat().st_mtime_ns for each in root.rglob("*") if state not in (each, *each.parents)}


@pytest.mark.timeout(900)
def test_it_runs_on_a_tree_that_cannot_be_written(built):
    for path in built.rglob("*"):
        if not path.is_symlink() and (built / "var") not in (path, *path.parents):
            path.chmod(path.stat().st_mode & 0o555)
    state = built / "var/lib/gateway"
    assert not list((built / "opt/gateway/bin").glob("pip*"))
    before = seen(built)
    port = free_port()
    told = {name: value.replace("/opt", f"{built}/opt") for name, value in environment().items()}
    told |= {
        "PATH": f"{built}/opt/gateway/bin",
        "GATEWAY_POLICIES": f"{built}/etc/gateway/routing_policies",
        "GATEWAY_STATE_DIR": told["GATEWAY_STATE_DIR"].replace("/var/lib/gateway", str(state)),
        "GATEWAY_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "GATEWAY_ADMIN_PORT": str(free_port()),
    }
    start = [
        part.replace("/opt", f"{built}/opt") for part in (*last("ENTRYPOINT")[0].listed(), *last("CMD")[0].listed())
    ]
    look = [part.replace("/opt", f"{built}/opt") for part in last("HEALTHCHECK")[0].listed()]
    log = built / "var/log"
    with log.open("wb") as out:
        running = subprocess.Popen(start, env=told, cwd=state, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 60
        while subprocess.run(look, env=told, cwd=state, capture_output=True, timeout=30).returncode:
            assert running.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.2)
        running.terminate()
        assert running.wait(40) == 0
    finally:
        running.kill()
        running.wait(10)
    log.unlink()
    assert subprocess.run(look, env=told, cwd=state, capture_output=True, timeout=30).returncode == 1
    after = seen(built)
    assert {name for name in after if after[name] != before.get(name)} <= {str(built / "var")}
    assert any(state.iterdir())
