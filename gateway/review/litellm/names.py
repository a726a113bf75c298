"""Ids and aliases: each entry gets an id of its own, entries of the same name become a group behind an alias."""

import re
from collections.abc import Iterable, Mapping, Sequence

from gateway.core.catalog import AUTO
from gateway.review.litellm.entries import Draft
from gateway.review.litellm.values import Findings, Own

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}\Z")
_LONGEST = 100
"""Of what an id begins with, so that there is room for the provider and a number."""


def is_name(text: str) -> bool:
    """Whether a row or an alias may be called so."""
    return _NAME.match(text) is not None and text != AUTO


class Names:
    """Names that are taken, and those that are given. Not frozen: they are given one by one."""

    def __init__(self, drafts: Sequence[Draft], own: Own, found: Findings) -> None:
        self._ids = {backend.id for backend in own.backends}
        self._aliases = {alias for backend in own.backends for alias in backend.aliases}
        self._asked = {draft.name for draft in drafts}
        self._given: set[str] = set()
        self._found = found
        self.groups: dict[str, list[int]] = {}
        for position, draft in enumerate(drafts):
            self.groups.setdefault(draft.name, []).append(position)
        self.ids: list[str] = [""] * len(drafts)
        self.aliases: list[list[str]] = [[] for _ in drafts]
        for name, positions in self.groups.items():
            self._name(name, positions, drafts)

    def _name(self, name: str, positions: list[int], drafts: Sequence[Draft]) -> None:
        usable = is_name(name) and name not in self._ids
        if not is_name(name):
            self._found.note(
                "model_list.model_name",
                f"a name here is letters, digits and `._:@/-`, at most 128, and not `{AUTO}`, which stands for all",
                "Let clients ask for the row's id, or for an alias that you give it.",
                name,
            )
        elif not usable:
            self._found.note(
                "model_list.model_name",
                "the policy tree has a backend of this name already, and that one answers to it",
                "Compare the two rows: leave one out, or give both an alias and let clients ask for that.",
                name,
            )
        elif name in self._aliases:
            self._found.note(
                "model_list.model_name",
                "the policy tree has an alias of this name already: the row is one of that group now",
                "If that is not meant, take the alias from the row, or from the others.",
                name,
            )
        alone = len(positions) == 1 and usable and name not in self._aliases
        for position in positions:
            draft = drafts[position]
            given = draft.given_id if self._is_free(draft.given_id) else ""
            if alone:
                id, aliases = name, [given] if given else []
            else:
                id = given or self._free(f"{_word(name)}/{draft.place.provider}")
                aliases = [name] if usable else []
            if draft.given_id and not given and draft.given_id != name:
                self._found.note(
                    "model_info.id",
                    "the name is taken, or is none that a row may have",
                    "Nothing, unless clients ask for it by this id.",
                    name,
                )
            self._given |= {id, *aliases}
            self.ids[position], self.aliases[position] = id, aliases

    def _is_free(self, name: str) -> bool:
        return is_name(name) and name not in self._ids | self._aliases | self._asked | self._given

    def _free(self, base: str) -> str:
        name, number = base, 1
        while not self._is_free(name):
            number += 1
            name = f"{base}-{number}"
        return name

    def add(self, key: str, alias: str, positions: Iterable[int]) -> None:
        """Gives rows a further alias. Where it cannot be one, a note says why."""
        if not is_name(alias) or alias in self._ids | set(self.ids) | self.groups.keys():
            self._found.note(
                key,
                "the alias is the name of a model already, or no name that an alias may have",
                "Let clients ask for the model by another name.",
                alias,
            )
            return
        for position in positions:
            if alias not in self.aliases[position]:
                self.aliases[position].append(alias)


def add_aliases(
    names: Names, drafts: Sequence[Draft], key: str, aliases: Mapping[str, object], found: Findings
) -> None:
    """Gives rows the aliases of a mapping from alias to name of a group, or to a model. What is none is noted."""
    for alias, target in aliases.items():
        hidden = isinstance(target, Mapping) and target.get("hidden") is True
        model = target.get("model") if isinstance(target, Mapping) else target
        positions = names.groups.get(str(model)) or [
            position for position, draft in enumerate(drafts) if draft.place.model == str(model).partition("/")[2]
        ]
        if not positions:
            do = "Write the alias into the row that is meant."
            found.note(key, "what the alias stands for is no model that was carried over", do, alias)
        elif hidden:
            why = "an alias cannot be hidden: /v1/models lists what the policy could ever permit to the key"
            found.note(key, why, "Nothing.", alias)
        if positions:
            names.add(key, alias, positions)


def _word(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._:@/-]+", "-", name).strip("-._:@/")[:_LONGEST] or "model"
