"""The shape of sensitivity.yaml, as pydantic models."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

_ID = r"^[a-z][a-z0-9_]{0,31}$"
_FILE = r"^(dictionaries/\w[\w .@+-]*\.txt|/.+)$"
FORMS: Mapping[str, str] = {
    _ID: "a word of small letters, digits and `_`, at most 32",
    _FILE: "`dictionaries/NAME.txt`, or a whole path such as `/etc/gateway/customers.txt`",
}
"""As `files.FORMS`."""

OFF = "off"
NO_TAG = "none"

_Id = Annotated[str, StringConstraints(pattern=_ID)]
_Level = Literal["public", "internal", "confidential", "restricted"]
_Text = Annotated[str, StringConstraints(min_length=1)]
_Near = Annotated[str, StringConstraints(min_length=2, max_length=64)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class KindEntry(_Entry):
    """What a built-in kind of finding means here."""

    level: _Level | None = None
    tag: str | None = None


def _kind(value: object) -> object:
    """`off`, or what the kind means."""
    return value if value == OFF else KindEntry.model_validate(value)


class DetectorEntry(_Entry):
    """A detector of our own."""

    id: _Id
    pattern: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    level: _Level
    tag: str | None = None
    near: Annotated[list[_Near], Field(min_length=1, max_length=50)] | None = None
    examples: Annotated[list[_Text], Field(min_length=1, max_length=20)]
    counterexamples: Annotated[list[_Text], Field(max_length=20)] = []
    why: str | None = None


class DictionaryEntry(_Entry):
    """A list of terms."""

    id: _Id
    file: Annotated[str, StringConstraints(pattern=_FILE, max_length=1000)]
    level: _Level
    tag: str | None = None
    whole_words: bool = True
    ignore_case: bool = True
    why: str | None = None


class SensitivityFile(_Entry):
    """sensitivity.yaml"""

    kinds: dict[str, Annotated[Any, BeforeValidator(_kind, json_schema_input_type=Literal["off"] | KindEntry)]] = {}
    detectors: Annotated[list[DetectorEntry], Field(max_length=100)] = []
    dictionaries: Annotated[list[DictionaryEntry], Field(max_length=20)] = []
