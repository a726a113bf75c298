"""`gateway policy prove`"""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway import __version__
from gateway.adapters import policy_files
from gateway.cli.common import cannot_run, print_json, settings_of
from gateway.cli.policy.common import Format, print_problems, written
from gateway.policy.document import Mark
from gateway.policy.model import Bundle
from gateway.policy.prove import Proof
from gateway.policy.prove import prove as prove_all
from gateway.review import lock, proofs
from gateway.review.load import STEPS

_VERDICT = {True: "holds", False: "VIOLATED", None: "not decided"}


def prove(
    policies: Annotated[Path | None, typer.Argument(help="The policy tree (GATEWAY_POLICIES).")] = None,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.text,
    write_tests: Annotated[
        bool, typer.Option("--write-tests", help="Write each counterexample into the tree as a test that fails.")
    ] = False,
    steps: Annotated[int, typer.Option(min=0, help="Search steps for all proofs together; 0: without end.")] = STEPS,
    write_lock: Annotated[
        bool, typer.Option("--lock", help="Prove without end and, if all holds, write policy.lock into the tree.")
    ] = False,
    check_lock: Annotated[
        bool, typer.Option("--check-lock", help="Prove nothing: exit code 1 unless policy.lock is for this tree.")
    ] = False,
) -> None:
    """Prove the invariants of a policy tree for all requests, or show a request that breaks one."""
    if check_lock and (write_lock or write_tests):
        cannot_run("--check-lock proves nothing, so it goes with neither --lock nor --write-tests")
    bundle, sources = written(policies, alone=write_lock or check_lock)
    tree = settings_of(policies=policies).policies
    if check_lock:
        _check_lock(tree, bundle, format)
        return
    begun = time.perf_counter()
    found = prove_all(bundle, None if write_lock else steps or None)
    took = time.perf_counter() - begun
    files = _write(tree, found) if write_tests else {}
    if format is Format.json:
        print_json([_data(proof, files) for proof in found])
    elif format is not Format.text:
        print_problems(proofs.problems(found), sources, format)
    else:
        for proof in found:
            typer.echo("\n".join(_lines(proof, files)))
        held = sum(proof.holds is True for proof in found)
        typer.echo(f"\n{held} of {len(found)} invariants hold ({took:.2f} s, policy {bundle.digest})")
        if left_out := [each.id for each in bundle.invariants if each.kind == "no_new_access"]:
            typer.echo(f"not proved from one tree alone, see `gateway policy diff`: {', '.join(left_out)}")
    all_hold = all(proof.holds for proof in found)
    if write_lock:
        said = _write_lock(tree, bundle, found) if all_hold else f"{lock.NAME} is not written: not everything holds"
        if format is Format.text:
            typer.echo(said)
    if not all_hold:
        raise typer.Exit(1)


def _check_lock(tree: Path, bundle: Bundle, format: Format) -> None:
    """Says whether the lock is for the tree as it is. Exits with 1 when it is not."""
    proved, problems = policy_files.read_lock(tree)
    why = "there is none" if proved is None else lock.why_not(proved, bundle)
    if proved is not None and not why:
        expected = lock.lock_of(bundle, (each.id for each in bundle.invariants if each.kind != "no_new_access"))
        why = "" if proved == expected else "it does not have every invariant, and no other"
    if why and not problems:
        problems = (lock.odd(Mark(str(tree / lock.NAME)), why),)
    problems = tuple(msgspec.structs.replace(each, severity="error") for each in problems)
    print_problems(problems, {}, format)
    if problems:
        raise typer.Exit(1)
    if format is Format.text:
        typer.echo(f"{tree / lock.NAME} is for this tree (digest {bundle.digest}, gateway {__version__})")


def _write_lock(tree: Path, bundle: Bundle, found: tuple[Proof, ...]) -> str:
    made = lock.lock_of(bundle, (proof.invariant.id for proof in found))
    try:
        path = policy_files.write_beside(tree, lock.NAME, lock.text(made))
    except OSError as error:
        cannot_run(f"cannot write {tree / lock.NAME}: {error.strerror}")
    return f"wrote {path} (digest {bundle.digest})"


def _write(tree: Path, found: tuple[Proof, ...]) -> dict[str, str]:
    """Writes the tests of counterexamples; the file of each invariant that got one."""
    files = {}
    for proof in found:
        if proof.counterexample is not None and proof.counterexample.test:
            path = tree / "tests" / f"counterexample-{re.sub(r'[^A-Za-z0-9._-]', '-', proof.invariant.id)}.yaml"
            try:
                path.parent.mkdir(exist_ok=True)
                path.write_text(proof.counterexample.test)
            except OSError as error:
                cannot_run(f"cannot write {path}: {error.strerror}")
            files[proof.invariant.id] = str(path)
    return files


def _lines(proof: Proof, files: dict[str, str]) -> Iterator[str]:
    invariant, found = proof.invariant, proof.counterexample
    over = f"{proof.backends} backends" if proof.backends else "any backend"
    cells = f"{proof.cells:,}" if proof.cells < 1_000_000 else f"{proof.cells:.1e}"
    yield f"{_VERDICT[proof.holds]:<12} {invariant.id:<36} {cells} cells, {over}"
    if proof.holds:
        return
    yield f"    {invariant.mark}: {proofs.sentence(proof)}"
    if found is None:
        return
    for place in found.nearest:
        yield f"    nearest: forbid {proofs.placed(place)} would fire if {place.asks}"
    for said in proofs.beyond_the_caller(found):
        yield f"    needs: {said}"
    if command := proofs.curl(found):
        yield f"    {command}"
    if invariant.id in files:
        yield f"    written: {files[invariant.id]}"
    elif found.test:
        yield from (f"    | {line}" for line in found.test.splitlines())


def _data(proof: Proof, files: dict[str, str]) -> dict[str, object]:
    found = proof.counterexample
    data: dict[str, object] = {
        "invariant": proof.invariant.id,
        "kind": proof.invariant.kind,
        "place": str(proof.invariant.mark),
        "verdict": _VERDICT[proof.holds].lower(),
        "cells": proof.cells,
        "backends": proof.backends,
    }
    if found is not None:
        data["counterexample"] = {
            "said": proofs.sentence(proof),
            "request": found.request,
            "backend": found.backend or None,
            "passport": found.passport,
            "permits": [{"rule": each.rule, "place": str(each.mark)} for each in found.permits],
            "nearest": [{"rule": each.rule, "place": str(each.mark), "asks": each.asks} for each in found.nearest],
            "lifted": found.lifted,
            "calls": [{"backend": each.backend, "after": each.after or None} for each in found.calls],
            "lower": found.lower or None,
            "denied": found.denied,
            "curl": proofs.curl(found) or None,
            "test": found.test or None,
            "file": files.get(proof.invariant.id),
        }
    return data
