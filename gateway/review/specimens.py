"""Examples of own detectors: the scanner itself looks at each, and finds what is expected or the tree does not load."""

from collections.abc import Iterator

from gateway.policy.document import Problem
from gateway.policy.model import Bundle, Specimen
from gateway.sensitivity.own import detector_of
from gateway.sensitivity.scan import Scanner


def problems(bundle: Bundle) -> tuple[Problem, ...]:
    """P401 for each example in which nothing is found, and for each counterexample in which something is."""
    return tuple(_problems(bundle))


def _problems(bundle: Bundle) -> Iterator[Problem]:
    scanners = {each.id: Scanner([detector_of(each)]) for each in bundle.sensitivity.detectors}
    near = {each.id: " near one of its words" if each.near else "" for each in bundle.sensitivity.detectors}
    for each in bundle.specimens:
        found = _found(scanners[each.detector], each)
        if found and not each.expected:
            yield Problem(each.mark, "P401", f"`{each.detector}` finds `{found}` in a counterexample")
        elif each.expected and not found:
            said = f"`{each.detector}` finds nothing in an example{near[each.detector]}"
            yield Problem(each.mark, "P401", said)


def _found(scanner: Scanner, specimen: Specimen) -> str:
    """What is found first, empty: nothing."""
    for each in scanner.scan_text(specimen.text):
        return specimen.text[each.start : each.end]
    return ""
