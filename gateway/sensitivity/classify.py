"""The label of a request. It is a join, so no single source can lower what another one raised."""

from collections import Counter
from collections.abc import Iterable, Mapping

from gateway.core.decision import Facts, Project
from gateway.core.findings import NOTHING_FOUND, UNKNOWN, Classified, Found, Scan
from gateway.core.labels import join, level_or_highest
from gateway.core.record import Caller
from gateway.sensitivity.kinds import Kind

_ONLY_OPAQUE = Found(opaque=True)


def found_in(scan: Scan, kinds: Mapping[str, Kind]) -> Found:
    """What the findings of a scan come to, by what is said of their kinds."""
    if not scan.complete:
        return Found(opaque=scan.opaque, known=False)
    if not scan.places:
        return _ONLY_OPAQUE if scan.opaque else NOTHING_FOUND
    counts = Counter(place.finding.kind for place in scan.places if place.finding.kind in kinds)
    levels = [level for kind in counts if (level := kinds[kind].level) is not None]
    return Found(
        level=join(*levels) if levels else None,
        tags=frozenset(tag for kind in counts if (tag := kinds[kind].tag) is not None),
        kinds=tuple(sorted(counts.items())),
        opaque=scan.opaque,
    )


def classify(
    floor: str,
    header: str | None,
    project: str | None = None,
    conversation: str | None = None,
    found: Found = NOTHING_FOUND,
    opaque_as: str | None = None,
) -> Classified:
    """Joins the floors of key and project, the header, what earlier turns of the conversation had, and what was found.

    What cannot be read counts as `opaque_as`, by default as confidential. Where the scanner failed, nobody knows.
    """
    sources = [("key", level_or_highest(floor))]
    if project is not None:
        sources.append(("project", level_or_highest(project)))
    if header is not None:
        sources.append(("header", join(*(level_or_highest(part) for part in header.split(",")))))
    if conversation is not None:
        sources.append(("conversation", level_or_highest(conversation)))
    declared = join(*(level for _, level in sources))
    return with_findings(tuple(sources), declared, found, opaque_as or join(level_or_highest(floor), "confidential"))


def with_findings(sources: Iterable[tuple[str, str]], declared: str, found: Found, opaque_as: str) -> Classified:
    """The label of what was declared and what was found."""
    sources, levels = [*sources], [declared]
    if found.opaque:
        sources.append(("attachment", opaque_as))
        levels.append(opaque_as)
    if not found.known:
        return Classified(None, None, (*sources, ("scanner", UNKNOWN)), declared)
    if found.level is not None:
        sources.append(("scanner", found.level))
        levels.append(found.level)
    return Classified(join(*levels), found.tags, tuple(sources), declared, found.kinds)


def facts_of(caller: Caller, classified: Classified, purpose: str, project: Project) -> Facts:
    """What a policy may ask about a request, before its first hop, as it came."""
    return Facts(
        sensitivity=classified.sensitivity,
        tags=classified.tags,
        purpose=purpose,
        project=project.name,
        team=caller.team,
        app=caller.app,
        key=caller.key,
        source_sensitivity=classified.sensitivity,
        jurisdiction=project.jurisdiction,
        person=caller.person,
    )
