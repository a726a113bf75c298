"""Takes each defence away, in a copy of the tree, and runs the tests that must then fail. Exit 1 if any still pass.

python tests/mutation/run.py            all of them
python tests/mutation/run.py signature  those whose name or file has the word
"""

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from defences import DEFENCES, Defence

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 300
FAILED, PASSED = 1, 0


def mutant(root: Path, defence: Defence) -> str:
    """The file without the defence. Raises ValueError when its text is no longer there, once."""
    text = (root / "gateway" / defence.file).read_text()
    if (times := text.count(defence.source)) != 1:
        raise ValueError(f"its text occurs {times} times in gateway/{defence.file}: write the row anew")
    changed = text.replace(defence.source, defence.without)
    ast.parse(changed)  # a file that does not parse fails every test, and shows nothing
    return changed


def copied(to: Path) -> Path:
    """A copy of what is in the repository, as it stands in the working tree."""
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in names.stdout.splitlines():
        source, target = ROOT / name, to / name
        if source.is_file() and not source.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return to


def tests_of(root: Path, tests: Sequence[str]) -> tuple[int, str]:
    """How pytest ended, and the last of what it said. Its code is None-like 124 when it took too long."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "--no-header",
        "--tb=line",
        *(f"tests/{each}" for each in tests),
    ]
    process = subprocess.Popen(
        command,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        return 124, "too long"
    return process.returncode, "\n".join(said.strip().splitlines()[-8:])


def judged(root: Path, defence: Defence) -> tuple[str, str]:
    """`red`, or what is wrong: each of its tests is run by itself, so that a row names none that shows nothing."""
    path = root / "gateway" / defence.file
    whole = path.read_text()
    try:
        changed = mutant(root, defence)
    except (ValueError, SyntaxError) as error:
        return "lost", str(error)
    for test in defence.tests:
        code, said = tests_of(root, [test])
        if code != PASSED:
            return "fails before", f"{test}\n{said}"
        path.write_text(changed)
        try:
            code, said = tests_of(root, [test])
        finally:
            path.write_text(whole)
        if code == PASSED:
            return "SURVIVED", f"{test} still passes"
        if code not in (FAILED, 124):
            return "broken", f"{test}\n{said}"
    return "red", ""


def main() -> int:
    """The command."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("words", nargs="*", help="only rows whose name or file has one of these")
    words = options.parse_args().words
    chosen = [each for each in DEFENCES if not words or any(word in each.name or word in each.file for word in words)]
    bad = 0
    with tempfile.TemporaryDirectory() as directory:
        root = copied(Path(directory))
        for defence in chosen:
            began = time.monotonic()
            verdict, why = judged(root, defence)
            bad += verdict != "red"
            print(
                f"{verdict:12} {time.monotonic() - began:5.0f} s  {defence.name} (gateway/{defence.file})", flush=True
            )
            if why:
                print("             " + why.replace("\n", "\n             "), flush=True)
    print(f"{len(chosen) - bad} of {len(chosen)} defences are missed by a test when they are gone")
    return 1 if bad or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
