"""Threat X1: what others made reaches us only as it was when it was chosen, and what we make is what is committed."""

import base64
import hashlib
import importlib.metadata
import itertools
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import msgspec
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.server import ROOT, Server, backend
from support.upstream import OK, answer

pytestmark = pytest.mark.assures("threat X1")
FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"
LOCKS = {path.stem: path for path in sorted((ROOT / "deploy/locks").glob("*.txt"))}
SITE = Path(sysconfig.get_path("purelib"))


class Locked(msgspec.Struct, frozen=True):
    """One package of a lock."""

    requirement: Requirement
    hashes: frozenset[str]

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        (pin,) = self.requirement.specifier
        assert pin.operator == "==", self.requirement
        assert "*" not in pin.version, self.requirement
        return pin.version


def locked(text: str) -> dict[str, Locked]:
    """The packages of a lock by name. Fails for a line that is no package, or one that is not held to its hashes."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        head, *hashes = line.split(" --hash=")
        package = Locked(Requirement(head), frozenset(each.strip() for each in hashes))
        assert package.requirement.url is None, line
        assert package.hashes, f"{package.name} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in package.hashes), line
        assert package.version
        found.append(package)
    assert found
    return {package.name: package for package in found}


def lock(name: str) -> dict[str, Locked]:
    return locked(LOCKS[name].read_text())


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_held_to_a_version_and_its_hashes(name, showed):
    showed(f"lock `{name}`: {len(lock(name))} packages", "each with one version and hashes")


GOOD = f"a==1 \\\n    --hash=sha256:{'0' * 64}\n"


@pytest.mark.parametrize(
    "line",
    [
        "a==1\n",
        GOOD.replace("==1", ">=1"),
        GOOD.replace("==1", "==1.*"),
        GOOD.replace("a==1", "a"),
        GOOD.replace("a==1", "a @ https://example.org/a.whl"),
        GOOD.replace("sha256", "md5"),
        f"--index-url https://example.org/simple\n{GOOD}",
        f"-e .\n{GOOD}",
    ],
)
def test_a_lock_that_holds_nothing_fast_is_seen(line):
    assert list(locked(GOOD)) == ["a"]
    with pytest.raises((AssertionError, ValueError)):
        locked(line)


def test_one_package_has_one_version_in_all_locks_that_are_installed_together():
    for name, other in itertools.combinations(("runtime", "build", "dev", "signatures", "otel"), 2):
        ours, theirs = lock(name), lock(other)
        both = ours.keys() & theirs.keys()
        assert {each: (ours[each].version, ours[each].hashes) for each in both} == {
            each: (theirs[each].version, theirs[each].hashes) for each in both
        }
    assert lock("runtime").keys() <= lock("signatures").keys() & lock("otel").keys() & lock("dev").keys()


def test_a_lock_that_the_image_may_be_built_from_has_what_it_is_named_for():
    """`--build-arg LOCK=`: `runtime`, or what an extra adds to it."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra in ("signatures", "otel"):
        assert {canonicalize_name(Requirement(need).name) for need in extras[extra]} <= lock(extra).keys()
        assert f"`{extra}`" in (ROOT / "Dockerfile").read_text()


def installs(text: str) -> Iterator[str]:
    """The commands of a file that install something with pip."""
    text = re.sub(r"^ *#.*$", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    set_by = re.compile(r"^(\w+) := (.*)$", re.MULTILINE)
    for name, value in set_by.findall(text):
        text = text.replace(f"$({name})", value)
    for line in set_by.sub("", text).splitlines():
        yield from (each for each in re.split(r"&&|\|\||;", line) if re.search(r"\bpip\b.*\binstall\b", each))


def loose(command: str) -> bool:
    """Whether it may install what nobody chose: something by name, or not held to hashes, or built on the spot."""
    if " -r " in command:
        return not ("--require-hashes" in command and "--only-binary :all:" in command)
    return "--no-deps" not in command


WHERE = ["Makefile", "Dockerfile", *(f"deploy/ci/{path.name}" for path in (ROOT / "deploy/ci").glob("*.yml"))]


@pytest.mark.parametrize("file", WHERE)
def test_whatever_installs_asks_for_hashes_and_takes_wheels_only(file, showed):
    commands = list(installs((ROOT / file).read_text()))
    assert commands
    assert [command for command in commands if loose(command)] == []
    showed(f"{file}: {len(commands)} installing commands", "hashes asked for, wheels only")


@pytest.mark.parametrize(
    ("command", "seen"),
    [
        ("pip install --require-hashes --only-binary :all: -r a.txt", False),
        ("pip install --no-deps dist/a.whl", False),
        ("pip install --require-hashes -r a.txt", True),
        ("pip install --only-binary :all: -r a.txt", True),
        ("python -m pip install build", True),
        ("pip install .", True),
    ],
)
def test_a_loose_command_is_seen(command, seen):
    assert [loose(each) for each in installs(f"true && {command}\n")] == [seen]


def test_what_is_installed_is_what_is_locked(showed):
    known = {name: package for each in ("demo", "dev", "build", "runtime") for name, package in lock(each).items()}
    found = {canonicalize_name(each.name): each.version for each in importlib.metadata.distributions(path=[str(SITE)])}
    ours = {"gateway", "pip", "setuptools"}  # ourselves, and what `python -m venv` puts there
    assert {name: version for name, version in found.items() if name not in known and name not in ours} == {}
    assert {name: version for name, version in found.items() if name in known and known[name].version != version} == {}
    needed = {
        name
        for each in ("dev", "build", "runtime")
        for name, package in lock(each).items()
        if package.requirement.marker is None or package.requirement.marker.evaluate()
    }
    assert needed - found.keys() == set()
    showed(f"{len(found)} installed packages", "0 that no lock names, 0 of another version")


def spoilt(distribution: importlib.metadata.Distribution) -> list[str]:
    """The files of a package that are not what its wheel said."""
    bad = []
    for file in distribution.files or ():
        if file.hash is not None and file.suffix != ".pyc":
            told = base64.urlsafe_b64encode(hashlib.new(file.hash.mode, file.locate().read_bytes()).digest())
            if told.decode().rstrip("=") != file.hash.value:
                bad.append(str(file))
    return bad


def test_installed_files_are_those_of_their_wheels(showed):
    count = 0
    for name in lock("runtime"):
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # not for this machine: the test above says which must be here
        assert spoilt(distribution) == []
        count += len(distribution.files or ())
    assert count > 1000
    showed(f"{count:,} files of runtime packages", "each as its wheel said")


def test_a_file_that_was_changed_later_is_seen(tmp_path):
    folder = tmp_path / "a-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Name: a\nVersion: 1\n")
    (tmp_path / "a.py").write_text("1")
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"1").digest()).decode().rstrip("=")
    (folder / "RECORD").write_text(f"a.py,sha256={digest},1\na-1.dist-info/RECORD,,\n")
    (distribution,) = importlib.metadata.distributions(path=[str(tmp_path)])
    assert spoilt(distribution) == []
    (tmp_path / "a.py").write_text("2")
    assert spoilt(distribution) == ["a.py"]


OURS = re.compile(r"_?_?_?editable\w*gateway\w*\.pth")
STARTS = {"distutils-precedence.pth": "setuptools", "a1_coverage.pth": "coverage"}
"""What may run at each start of Python in the environment of tests, and whose it is."""


def strangers(site: Path) -> list[str]:
    """Files that run code at each start of Python, or change where it looks, and that nobody allowed."""
    bad = [name for name in ("sitecustomize.py", "usercustomize.py") if (site / name).exists()]
    for path in site.glob("*.pth"):
        if OURS.fullmatch(path.name):
            if "import" in path.read_text():  # one folder, and no code
                bad.append(path.name)
        elif path.name not in STARTS:
            bad.append(path.name)
    return sorted(bad)


def test_nothing_unknown_runs_when_python_starts(showed):
    assert strangers(SITE) == []
    for name, whose in STARTS.items():
        if (SITE / name).exists():
            owner = importlib.metadata.distribution(whose)
            assert name in {str(file) for file in owner.files or ()}
            assert name not in spoilt(owner)
    showed(f"{len(list(SITE.glob('*.pth')))} `.pth` files", "all on the list, none changed")


def test_a_planted_start_is_seen(tmp_path):
    (tmp_path / "some_init.pth").write_text("import os; os.environ")
    (tmp_path / "sitecustomize.py").touch()
    (tmp_path / "_editable_impl_gateway.pth").write_text("import os")
    (tmp_path / "distutils-precedence.pth").touch()
    assert strangers(tmp_path) == ["_editable_impl_gateway.pth", "sitecustomize.py", "some_init.pth"]


def committed(folder: Path) -> None:
    """The files of the commit, in a folder of their own."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git tree")
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True, timeout=60).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder, filter="data")


def wheel(source: Path, out: Path) -> Path:
    """Builds the wheel as a release does."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", out],
        cwd=source,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        check=True,
        timeout=100,
    )
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_is_what_is_committed(tmp_path, showed):
    source = tmp_path / "source"
    committed(source)
    (source / "gateway/__pycache__").mkdir()
    (source / "gateway/__pycache__/left.cpython-311.pyc").write_bytes(b"left over")
    first, second = wheel(source, tmp_path / "one"), wheel(source, tmp_path / "two")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as packed:
        files = {name: packed.read(name) for name in packed.namelist() if ".dist-info/" not in name}
        meta = {name.split("/", 1)[1]: packed.read(name) for name in packed.namelist() if ".dist-info/" in name}
    tree = {
        str(path.relative_to(source)): path.read_bytes()
        for path in (source / "gateway").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert files.keys() == tree.keys()
    assert files == tree
    assert meta.keys() == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    assert meta["entry_points.txt"].decode().split() == ["[console_scripts]", "gateway", "=", "gateway.cli:main"]
    showed(f"{len(files)} files of the wheel", "the commit's, byte for byte; built twice, the same bytes")


def test_the_list_of_what_is_inside_is_the_lock(tmp_path, showed):
    if not FULL:
        pytest.skip("needs 50 packages of its own; make nightly runs it")
    for name in ("one", "two"):
        subprocess.run(["make", "sbom"], cwd=ROOT, check=True, timeout=600, capture_output=True)
        (tmp_path / name).write_bytes((ROOT / "dist/sbom.cdx.json").read_bytes())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    told = msgspec.json.decode((tmp_path / "one").read_bytes())
    assert told["bomFormat"] == "CycloneDX"
    assert {
        canonicalize_name(each["name"]): (
            each["version"],
            {
                f"sha256:{digest['content']}"
                for reference in each["externalReferences"]
                for digest in reference.get("hashes", ())
            },
        )
        for each in told["components"]
    } == {name: (package.version, package.hashes) for name, package in lock("runtime").items()}
    showed(f"SBOM of {len(told['components'])} packages", "versions and hashes of the lock; made twice, the same bytes")


def addresses(trace: str) -> set[str]:
    """The addresses that a traced process sent something to, or connected with."""
    found = re.findall(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"', trace)
    return {(four or six).removeprefix("::ffff:") for four, six in found}


def test_a_trace_is_read():
    assert addresses(
        'connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("192.0.2.1")}, 16) = 0\n'
        'sendto(4, "", 1, 0, {sa_family=AF_INET6, sin6_port=htons(9), inet_pton(AF_INET6, "::1", &a)}, 28) = 1\n'
        'connect(3, {sa_family=AF_UNIX, sun_path="/run/x"}, 110) = -1\n'
    ) == {"192.0.2.1", "::1"}


def test_a_gateway_contacts_nobody_but_the_backends_that_are_asked(tmp_path, upstream, showed):
    """With all hosts of the shipped catalog in it, and one request to a backend on this machine."""
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-qq", "-o", os.devnull, "true"], capture_output=True).returncode:
        pytest.skip("strace is not installed, or may not be used here")
    trace, python = tmp_path / "trace", tmp_path / "python"
    calls = "connect,sendto,sendmsg,sendmmsg"
    python.write_text(f'#!/bin/sh\nexec {strace} -D -f -qq -e trace={calls} -o {trace} {sys.executable} "$@"\n')
    python.chmod(0o755)
    server = Server(tmp_path, ROOT / "routing_policies", {"here": backend(upstream.url("a"))})
    key = server.key(sensitivity="public")
    upstream.scripts["a"] = [answer(OK)]
    server.command = [str(python), *server.command[1:]]
    server.start()
    try:
        asked = subprocess.run(
            [sys.executable, "-c", ASK, f"{server.base}/v1/chat/completions", key],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert asked.stdout.strip() == "200", asked.stderr
    finally:
        server.stop()
    seen = addresses(trace.read_text())
    assert seen == {"127.0.0.1"}
    showed("start, one request, stop; every connect and send traced", "no address but the asked backend's")


ASK = """\
import json, sys, urllib.request
body = json.dumps({"model": "here", "messages": [{"role": "user", "content": "Good day"}]}).encode()
head = {"authorization": "Bearer " + sys.argv[2], "content-type": "application/json"}
with urllib.request.urlopen(urllib.request.Request(sys.argv[1], body, head), timeout=30) as answer:
    print(answer.status)
"""


def test_a_release_is_a_tag_and_needs_no_password():
    text = (ROOT / "deploy/ci/release.yml").read_text()
    told = yaml.safe_load(text)
    assert told[True] == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}  # YAML 1.1 reads `on` as true
    assert "secrets." not in text
    assert told["permissions"] == {}
    assert {name: job["permissions"] for name, job in told["jobs"].items()} == {
        "build": {"contents": "read"},
        "publish": {"id-token": "write"},
    }
    assert [step for step in told["jobs"]["publish"]["steps"] if "run" in step or "checkout" in step["uses"]] == []
    assert '= "$GITHUB_REF_NAME"' in text
