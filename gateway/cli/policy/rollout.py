"""`gateway policy rollout`"""

import contextlib
import functools
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from gateway.adapters import decisions
from gateway.adapters.audit import Audit, whoever
from gateway.cli.common import StateDir, cannot_run, noting, print_json, settings_of
from gateway.cli.policy.common import load
from gateway.cli.policy.replay import Report
from gateway.policy.document import render
from gateway.policy.model import Rollout
from gateway.review import rollout
from gateway.review.load import check


def roll_out(
    policies: Annotated[Path | None, typer.Argument(help="The policy tree (GATEWAY_POLICIES).")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Write the next mode into the files that are ready.")] = False,
    state_dir: StateDir = None,
    format: Annotated[Report, typer.Option(help="How to print.")] = Report.text,
) -> None:
    """Say which files on trial (`mode: shadow` or `warn`, with `promote`) are ready for the next mode.

    Exit code 1: something is ready and was not written, because --apply was not given or the tree would not load.
    """
    parsed = load(policies)
    if (bundle := parsed.bundle) is None:
        cannot_run(render(parsed.problems, parsed.sources))
    directory = settings_of(policies=policies, state_dir=state_dir).state_dir
    if not directory.is_dir():
        cannot_run(f"no state directory at {directory}; set GATEWAY_STATE_DIR or --state-dir")
    since = rollout.begun(decisions.read(directory, 0.0), bundle.digest) if bundle.rollouts else None
    now = time.time()
    trials = [
        rollout.trial(bundle, each, decisions.read(directory, since or 0.0), since, now) for each in bundle.rollouts
    ]
    ready = [each.rollout for each in trials if not each.missing]
    wrong = [each for each in check(rollout.promoted(bundle, ready)) if each.severity == "error"] if ready else []
    applied = apply and bool(ready) and not wrong
    if applied:
        _apply(ready, parsed.sources, directory, bundle.digest)
    match format:
        case Report.text:
            typer.echo(rollout.text(trials))
            for each in ready if applied else ():
                typer.echo(f"wrote `mode: {each.next_mode}` into {each.mark.file}")
        case Report.markdown:
            typer.echo(rollout.markdown(trials))
        case Report.json:
            print_json({"digest": bundle.digest, "applied": applied, "files": [rollout.data(each) for each in trials]})
    if wrong:
        typer.echo(f"the tree would not load with what is ready:\n{render(wrong, parsed.sources)}", err=True)
    if ready and not applied:
        raise typer.Exit(1)


def _apply(ready: Sequence[Rollout], sources: Mapping[str, str], state_dir: Path, digest: str) -> None:
    """Puts the next mode into each of these files and notes it; into none that could not take it, nor where it cannot
    be noted."""
    made: dict[Path, bytes] = {}
    for each in ready:
        path, judged = Path(each.mark.file), sources[each.mark.file]
        new = rollout.rewritten(each, judged)
        if new is None:
            cannot_run(f"{each.mark}: cannot put `{each.next_mode}` here; write the mode as one plain word")
        if _read(path) != judged.encode():
            cannot_run(f"{path} was changed meanwhile; nothing is written")
        made[path] = new.encode()

    before: dict[Path, Path] = {}
    after: dict[Path, Path] = {}
    said = "; ".join(f"{each.policy}: {each.next_mode}" for each in ready)
    try:
        for path, raw in made.items():
            before[path] = _beside(path, "old", sources[str(path)].encode())
            after[path] = _beside(path, "new", raw)
        undo = functools.partial(_put, before)  # renames alone, so that a full disk does not keep it from being done
        with noting(), Audit(state_dir).during(whoever(), "policy_promoted", digest, said, undo=undo):
            _put(after)
    finally:
        for beside in (*before.values(), *after.values()):
            beside.unlink(missing_ok=True)


def _beside(path: Path, suffix: str, raw: bytes) -> Path:
    """A file beside another, as it is to be. By its name it is no policy file, so nobody loads half of it."""
    beside = path.with_name(f".{path.name}.{suffix}")
    try:
        beside.write_bytes(raw)
        shutil.copymode(path, beside)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        cannot_run(f"cannot write {path}: {error.strerror}")
    return beside


def _put(files: Mapping[Path, Path]) -> None:
    for path, beside in files.items():
        try:
            beside.replace(path)
        except OSError as error:
            cannot_run(f"cannot write {path}: {error.strerror}")


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
