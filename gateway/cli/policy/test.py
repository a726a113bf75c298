"""`gateway policy test`"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.adapters.decisions import find
from gateway.cli.common import StateDir, cannot_run, print_json, settings_of, table
from gateway.cli.policy.common import Format, print_problems, written
from gateway.core.steering import plain
from gateway.policy.decide import Eligibility
from gateway.policy.document import Mark, Problem
from gateway.policy.model import Bundle, Case
from gateway.review.cases import differences, outcome, problem
from gateway.review.coverage import Coverage, covered
from gateway.review.example import of_decision


class _Ran(msgspec.Struct, frozen=True):
    """A test that was run, with what does not come out as expected."""

    case: Case
    differences: tuple[str, ...]


def run_tests(
    policies: Annotated[Path | None, typer.Argument(help="The policy tree (GATEWAY_POLICIES).")] = None,
    from_decision: Annotated[
        str | None, typer.Option(metavar="ID", help="Print a test that expects what this logged decision was.")
    ] = None,
    state_dir: StateDir = None,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.text,
) -> None:
    """Run the tests of a policy tree, and say which rules and boundaries they reach."""
    bundle, sources = written(policies)
    if from_decision is not None:
        typer.echo(_from_decision(bundle, from_decision, state_dir), nl=False)
        return
    policy = Eligibility(bundle)
    ran = [_Ran(case, differences(bundle, case, outcome(bundle, case, policy))) for case in bundle.cases]
    if format is Format.json:
        print_json(_as_data(bundle, ran, covered(bundle)))
    elif format is Format.text:
        typer.echo("\n".join(_in_words(bundle, ran, covered(bundle))))
    else:
        found: list[Problem] = [problem(each.case, said) for each in ran for said in each.differences]
        print_problems(found, sources, format)
    if any(each.differences for each in ran):
        raise typer.Exit(1)


def _from_decision(bundle: Bundle, id: str, state_dir: Path | None) -> str:
    directory = settings_of(state_dir=state_dir).state_dir
    stored = find(directory, id) if directory.is_dir() else None
    if stored is None:
        cannot_run(f"no decision `{id}` is kept in {directory}; an answer has its id in `x-gateway-decision`")
    return of_decision(bundle, stored)


def _as_data(bundle: Bundle, ran: list[_Ran], coverage: Coverage) -> dict[str, object]:
    marks = _marks(bundle)
    return {
        "digest": bundle.digest,
        "passed": sum(not each.differences for each in ran),
        "failed": sum(bool(each.differences) for each in ran),
        "tests": [
            {
                "name": each.case.name,
                "place": str(each.case.mark),
                "passed": not each.differences,
                "differences": each.differences,
            }
            for each in ran
        ],
        "rules": [{"rule": id, "place": str(marks[id]), "tests": count} for id, count in coverage.rules.items()],
        "boundaries": [
            {"rule": each.rule, "condition": each.text, "place": str(each.mark), "missing": each.missing}
            for each in coverage.boundaries
        ],
    }


def _marks(bundle: Bundle) -> Mapping[str, Mark]:
    return {rule.id: rule.mark for rule in bundle.rules}


def _in_words(bundle: Bundle, ran: list[_Ran], coverage: Coverage) -> Iterator[str]:
    if not ran:
        yield "the tree has no tests; write some into tests/*.yaml"
        return
    rows = [[plain(each.case.name), "FAILED" if each.differences else "passed", str(each.case.mark)] for each in ran]
    yield table(["test", "result", "place"], rows)
    for each in ran:
        if each.differences:
            yield f"\n{plain(each.case.name)}  {each.case.mark}"
            yield from (f"    {plain(said)}" for said in each.differences)
    failed = sum(bool(each.differences) for each in ran)
    yield f"\n{len(ran)} tests: {len(ran) - failed} passed, {failed} failed"
    reached = [id for id, count in coverage.rules.items() if count]
    yield f"rules: {len(reached)} of {len(coverage.rules)} decide something in some test"
    marks = _marks(bundle)
    yield from (f"    not {id}  {marks[id]}" for id, count in coverage.rules.items() if not count)
    if coverage.boundaries:
        whole = sum(not each.missing for each in coverage.boundaries)
        yield f"boundaries: {whole} of {len(coverage.boundaries)} have a test on either side"
    for boundary in coverage.boundaries:
        if boundary.missing:
            missing = " and ".join(boundary.missing)
            yield f"    not `{boundary.text}` of {boundary.rule}, with {missing}  {boundary.mark}"
