"""The words that policies may use: attributes (here, in code) and their values (vocabulary.yaml).

An attribute of a request is one row here and one field of `core.decision.Facts`; an attribute of a backend is one row
here and one fact of the passport.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

Kind = Literal["level", "word", "tags", "name"]
"""`level`: an ordered word. `word`: one of a closed list. `tags`: a set of words. `name`: any name."""

Side = Literal["request", "backend"]


class Attribute(msgspec.Struct, frozen=True):
    """Something a condition may ask. `section` is the list in vocabulary.yaml that its values come from."""

    name: str
    side: Side
    kind: Kind
    section: str
    meaning: str


def _table(*rows: Attribute) -> dict[str, Attribute]:
    return {row.name: row for row in rows}


REQUEST: Mapping[str, Attribute] = _table(
    Attribute("sensitivity", "request", "level", "levels", "the label of the request, as dispatched"),
    Attribute("tags", "request", "tags", "tags", "what the scanner found"),
    Attribute("purpose", "request", "word", "purposes", "what the call is for, chosen among those granted to the key"),
    Attribute("project", "request", "name", "", "the project, chosen among those granted to the key"),
    Attribute("team", "request", "name", "", "the team that owns the key"),
    Attribute("app", "request", "name", "", "the application that the key was made for"),
    Attribute("key", "request", "name", "", "the id of the key"),
)

BACKEND: Mapping[str, Attribute] = _table(
    Attribute("backend", "backend", "word", "", "the catalog key"),
    Attribute("provider", "backend", "word", "", "the wire dialect and its defaults"),
    Attribute("deployment", "backend", "word", "deployments", "who runs the machine"),
    Attribute("zone", "backend", "word", "zones", "a free name for a group of backends, used in reports"),
    Attribute("region", "backend", "word", "regions", "where requests are processed"),
    Attribute("weights_origin", "backend", "word", "origins", "where the weights were made"),
    Attribute("operator_origin", "backend", "word", "origins", "under whose law the operator stands"),
    Attribute("licence", "backend", "word", "licences", "the licence of the weights"),
    Attribute("status", "backend", "word", "statuses", "whether it may be used now"),
    Attribute("retention", "backend", "word", "retentions", "how long the operator keeps prompts"),
    Attribute("trains_on_data", "backend", "word", "training", "whether the operator trains on prompts"),
    Attribute("audience", "backend", "word", "audiences", "who may use it"),
)

SECTIONS = tuple(dict.fromkeys(row.section for row in (*REQUEST.values(), *BACKEND.values()) if row.section))
"""The lists that vocabulary.yaml holds."""


class Vocabulary(msgspec.Struct, frozen=True):
    """Each section's words with their one line of meaning."""

    sections: dict[str, dict[str, str]]

    def words(self, section: str) -> frozenset[str]:
        """The words of a section."""
        return frozenset(self.sections.get(section, {}))
