"""The label of a request. It is a join, so no single source can lower what another one raised."""

import msgspec

from gateway.core.decision import Facts, Project
from gateway.core.labels import join, level_or_highest
from gateway.core.record import Caller


class Classified(msgspec.Struct, frozen=True):
    """The label, the tags, and each source that had a say with the level it asked for."""

    sensitivity: str
    tags: frozenset[str]
    provenance: tuple[tuple[str, str], ...]


NO_TAGS: frozenset[str] = frozenset()


def classify(floor: str, header: str | None, project: str | None = None, conversation: str | None = None) -> Classified:
    """Joins the floors of key and project, the header, and what an earlier turn of the conversation had.

    Nothing scans the text yet, so there are no tags.
    """
    sources = [("key", level_or_highest(floor))]
    if project is not None:
        sources.append(("project", level_or_highest(project)))
    if header is not None:
        sources.append(("header", join(*(level_or_highest(part) for part in header.split(",")))))
    if conversation is not None:
        sources.append(("conversation", level_or_highest(conversation)))
    return Classified(join(*(level for _, level in sources)), NO_TAGS, tuple(sources))


def facts_of(caller: Caller, classified: Classified, purpose: str, project: Project) -> Facts:
    """What a policy may ask about a request, before its first hop. Nothing is redacted yet: it goes as it came."""
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
