"""The words that policies may use: attributes (here, in code) and their values (vocabulary.yaml).

An attribute of a request is one row here and one field of `core.decision.Facts` (a property, if it follows from
another); an attribute of a backend is one row here and one fact of the passport.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from gateway.core.buckets import BUCKETS
from gateway.core.budget import STATES
from gateway.core.errors import FailureKind
from gateway.core.fallback import MAX_ATTEMPTS

Kind = Literal["level", "count", "number", "word", "set", "name"]
"""`level`, `count`, `number`: ordered words; of a `number` there are so many that intervals count. `word`: one of a
closed list. `set`: several of one. `name`: any name."""

ORDERED: tuple[Kind, ...] = ("level", "count", "number")

Side = Literal["request", "backend"]


class Attribute(msgspec.Struct, frozen=True):
    """Something a condition may ask.

    `section` is the list in vocabulary.yaml that its values come from; `values` are those that the code fixes. With
    neither, the values are names, or the ids of what the tree declares. `follows` is the attribute that it is computed
    from; empty: it is a fact of its own.
    """

    name: str
    side: Side
    kind: Kind
    section: str
    meaning: str
    values: tuple[str, ...] = ()
    hop: bool = False
    follows: str = ""

    @property
    def field(self) -> str:
        """The field of `Facts`: the name without its owner."""
        return self.name.rpartition(".")[2]


def _table(*rows: Attribute) -> dict[str, Attribute]:
    return {row.name: row for row in rows}


_ATTEMPTS = tuple(map(str, range(1, MAX_ATTEMPTS + 1)))
_ERRORS = ("none", *(kind.code for kind in FailureKind if kind.may_fall_back))

REQUEST: Mapping[str, Attribute] = _table(
    Attribute("sensitivity", "request", "level", "levels", "the label of the request, as it would be sent"),
    Attribute("source_sensitivity", "request", "level", "levels", "the label of the request, as it came"),
    Attribute("tags", "request", "set", "tags", "what the scanner found"),
    Attribute("redaction", "request", "word", "", "whether findings were taken out before", ("none", "done")),
    Attribute("purpose", "request", "word", "purposes", "what the call is for, chosen among those granted to the key"),
    Attribute("project", "request", "name", "", "the project, chosen among those granted to the key"),
    Attribute("project.jurisdiction", "request", "word", "jurisdictions", "whose law the project is under"),
    Attribute("principal.person", "request", "word", "persons", "what kind of person the key is for, in export law"),
    Attribute("team", "request", "name", "", "the team that owns the key"),
    Attribute("app", "request", "name", "", "the application that the key was made for"),
    Attribute("key", "request", "name", "", "the id of the key"),
    Attribute("key.bucket", "request", "number", "", "a stable hash of the key's id", BUCKETS, follows="key"),
    Attribute("budget", "request", "word", "", "how the budgets of key, team, app and project stand", STATES),
    Attribute("attempt", "request", "count", "", "which upstream call of the request this is", _ATTEMPTS, hop=True),
    Attribute("last_error", "request", "word", "", "how the call before failed", _ERRORS, hop=True),
    Attribute("visited_regions", "request", "set", "regions", "regions that an earlier call was sent to", hop=True),
    Attribute("visited_operators", "request", "set", "origins", "operator origins of earlier calls", hop=True),
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
    Attribute("eligible_persons", "backend", "set", "persons", "the kinds of person that may use it"),
)

SECTIONS = tuple(dict.fromkeys(row.section for row in (*REQUEST.values(), *BACKEND.values()) if row.section))
"""The lists that vocabulary.yaml holds."""


class Vocabulary(msgspec.Struct, frozen=True):
    """Each section's words with their one line of meaning."""

    sections: dict[str, dict[str, str]]

    def words(self, section: str) -> frozenset[str]:
        """The words of a section."""
        return frozenset(self.sections.get(section, {}))

    def values(self, attribute: Attribute) -> tuple[str, ...] | None:
        """The closed list of an attribute's values, in order; None: it has none."""
        if attribute.section:
            return tuple(self.sections.get(attribute.section, ()))
        return attribute.values or None
