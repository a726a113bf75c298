"""Where a backend's key is found: by name only. A key that stands in a config is neither written nor shown."""

import re
from collections.abc import Iterable

from gateway.review.litellm.providers import Place
from gateway.review.litellm.reading import Section
from gateway.review.litellm.values import Findings

_VARIABLE = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)\Z")
_PLACEHOLDERS = frozenset(
    ("", "none", "null", "na", "n/a", "empty", "dummy", "fake", "fake-key", "fake_key", "no-key", "no-key-required",
     "not-needed", "not-required", "sk-no-key-required", "anything", "ollama", "lm-studio", "vllm", "local", "xxx")
)  # fmt: skip
"""What people write for servers that want no key."""


class KeyRefs:
    """Names for the keys of rows. Not frozen: the same key has the same name wherever it stands."""

    def __init__(self, all_params: Iterable[Section], found: Findings) -> None:
        written = (_VARIABLE.match(str(params.get("api_key", ""))) for params in all_params)
        self._names = {match[1] for match in written if match}
        self._of_literal: dict[str, str] = {}
        self._found = found

    def of(self, params: Section, place: Place, where: str) -> str | None:
        """A reference as a catalog has it, None: the server wants no key."""
        written = params.get("api_key")
        usual = place.kind.key if place.provider == place.kind.ours else ""
        if written is None:
            return f"env:{usual}" if usual else None
        if match := _VARIABLE.match(str(written)):
            return f"env:{match[1]}"
        if not place.hosted and str(written).strip().lower() in _PLACEHOLDERS:
            return None
        name = self._of_literal.get(str(written)) or self._new(usual or f"{_word(where)}_API_KEY")
        self._of_literal[str(written)] = name
        why = "a key stands in the config itself; it was not taken over"
        self._found.note("litellm_params.api_key", why, f"Put the key into the variable {name} of the gateway.", where)
        return f"env:{name}"

    def _new(self, base: str) -> str:
        name, number = base, 1
        while name in self._names:
            number += 1
            name = f"{base}_{number}"
        self._names.add(name)
        return name


def _word(name: str) -> str:
    word = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")[:60]
    return word if word[:1].isalpha() else f"MODEL_{word}".rstrip("_")
