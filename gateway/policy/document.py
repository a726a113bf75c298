"""Policy files as text: strict YAML with the place of every key and value, and problems that point at one.

The accepted YAML is small on purpose. Anchors, aliases, tags, merge keys and duplicate keys are errors, and only
`true`, `false`, `null` and plain decimal numbers are not strings (so `no` is Norway and `1e3` is a name).
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Literal

import msgspec
import yaml

from gateway.core.steering import plain

Path = tuple[str | int, ...]
"""Where in a document: keys and list positions from the top."""

MAX_FILE_BYTES = 500_000
_MAX_DEPTH = 32
_MAX_VALUES = 20_000
_MAX_TEXT = 4096
_MAX_REFUSALS = 20
"""Of one file: what is beyond these is refused before it is built, so that no file costs more than a moment."""

_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufffe\uffff]|\r(?!\n)")
"""What editors and reviews do not show, or show in another order. Some of it ends a line in YAML, so that what reads
as a comment would be a rule."""

_DIRECTIVE = re.compile("^%", re.MULTILINE)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\Z")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,12}\Z")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


class Mark(msgspec.Struct, frozen=True, order=True):
    """A place in a file. Lines and columns count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


Severity = Literal["error", "warning", "info"]


class Problem(msgspec.Struct, frozen=True, order=True):
    """Something wrong in a policy tree, or worth knowing. Only errors keep a tree from loading.

    `code` is stable; `message` has the writer's words in backticks.
    """

    mark: Mark
    code: str
    message: str
    severity: Severity = "error"

    def __str__(self) -> str:
        said = "" if self.severity == "error" else f"{self.severity}: "
        return f"{self.mark} {self.code} {said}{self.message}"


MAX_SHOWN = 200
"""Problems that are shown at once."""

_SHOWN_COLUMNS = 160


def render(problems: Iterable[Problem], sources: dict[str, str]) -> str:
    """The problems, sorted, each with its source line and a caret; the first `MAX_SHOWN` of them."""
    found = sorted(set(problems))
    lines = {file: text.split("\n") for file, text in sources.items()}
    blocks = []
    for problem in found[:MAX_SHOWN]:
        of_file = lines.get(problem.mark.file, [])
        block = plain(str(problem))
        if problem.mark.line <= len(of_file) and (line := plain(of_file[problem.mark.line - 1].rstrip("\r"))):
            cut = max(0, problem.mark.column - _SHOWN_COLUMNS // 2) if len(line) > _SHOWN_COLUMNS else 0
            block += f"\n    {line[cut : cut + _SHOWN_COLUMNS]}\n    {' ' * (problem.mark.column - 1 - cut)}^"
        blocks.append(block)
    if len(found) > MAX_SHOWN:
        blocks.append(f"... and {len(found) - MAX_SHOWN} more")
    return "\n".join(blocks)


def suggestion(word: str, known: Iterable[str]) -> str:
    """A hint for a word that is not known: the nearest one, or all of them when they are few."""
    choices = sorted(known)
    if near := difflib.get_close_matches(word, choices, 1, 0.6):
        return f"; did you mean `{near[0]}`?"
    return f"; known: {', '.join(choices)}" if 0 < len(choices) <= 12 else ""


class Document:
    """One parsed file: plain data, and the mark of every key and value. `problems` says what was not acceptable."""

    def __init__(self, file: str, raw: bytes) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.data: object = None
        self._values: dict[Path, Mark] = {}
        self._keys: dict[Path, Mark] = {}
        self.text = raw.decode("utf-8", "replace")
        if len(raw) > MAX_FILE_BYTES:
            self._problem(Mark(file), "P001", f"file is larger than {MAX_FILE_BYTES} bytes")
            return
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError as error:
            mark = self._mark_after(raw[: error.start].decode())
            self._problem(mark, "P001", f"file is not UTF-8 (byte {error.start})")
            return
        try:
            self._refuse_characters()
            if not self.problems:
                self._refuse_references()
            if not self.problems:
                node = yaml.compose(self.text, Loader=yaml.CSafeLoader)
                self.data = None if node is None else self._build(node, ())
        except yaml.MarkedYAMLError as error:
            mark, end = self._mark(error.problem_mark or error.context_mark), self._mark_after(self.text)
            self._problem(min(mark, end), "P001", f"not YAML: {error.problem or error.context}")
        except yaml.YAMLError as error:
            self._problem(Mark(file), "P001", f"not YAML: {str(error).splitlines()[0]}")

    def key(self, path: Path) -> Mark:
        """Where a key stands, or the nearest thing around it."""
        return self._nearest(path, self._keys, self._values)

    def value(self, path: Path) -> Mark:
        """Where a value stands, or the nearest thing around it."""
        return self._nearest(path, self._values, self._keys)

    def _nearest(self, path: Path, first: dict[Path, Mark], second: dict[Path, Mark]) -> Mark:
        while path:
            if mark := first.get(path) or second.get(path):
                return mark
            path = path[:-1]
        return self._values.get((), Mark(self.file))

    def _mark(self, at: Any) -> Mark:
        """The mark of a place as the YAML library says it, which counts from 0; None: the top of the file."""
        return Mark(self.file, at.line + 1, at.column + 1) if at else Mark(self.file)

    def _problem(self, mark: Mark, code: str, message: str) -> None:
        self.problems.append(Problem(mark, code, message))

    def _mark_after(self, text: str) -> Mark:
        """The mark of the character that comes after a beginning of the file."""
        return Mark(self.file, text.count("\n") + 1, len(text) - text.rfind("\n"))

    def _refuse_characters(self) -> None:
        """Finds the first character that does not show, and the first directive (which the parser is slow with)."""
        if match := _UNSEEN.search(self.text):
            mark = self._mark_after(self.text[: match.start()])
            self._problem(mark, "P001", f"the character U+{ord(match[0]):04X} is not accepted: it does not show")
        elif match := _DIRECTIVE.search(self.text):
            self._problem(self._mark_after(self.text[: match.start()]), "P003", "directives are not accepted")

    def _refuse_references(self) -> None:
        """Finds anchors, aliases, tags, depth and mass in the event stream: no bomb is ever expanded or built."""
        depth = values = documents = 0
        for event in yaml.parse(self.text, Loader=yaml.CSafeLoader):
            if type(event) is yaml.ScalarEvent and values < _MAX_VALUES and _is_plain(event):
                values += 1  # most events: this is what the time of a large file goes into
                continue
            if isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            elif isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._problem(self._mark(event.start_mark), "P001", "a file is one document")
                    return
            if not isinstance(event, yaml.NodeEvent):
                continue
            values += 1
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            for code, message in _refusals(event, depth, values):
                self._problem(self._mark(event.start_mark), code, message)
            if depth > _MAX_DEPTH or values > _MAX_VALUES or len(self.problems) >= _MAX_REFUSALS:
                return

    def _build(self, node: yaml.Node, path: Path) -> object:
        mark = self._mark(node.start_mark)
        self._values[path] = mark
        if isinstance(node, yaml.MappingNode):
            return dict(self._members(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self._build(item, (*path, position)) for position, item in enumerate(node.value)]
        return _scalar(node)

    def _members(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, object]]:
        seen: dict[str, Mark] = {}
        for key, value in node.value:
            mark = self._mark(key.start_mark)
            if not isinstance(key, yaml.ScalarNode):
                self._problem(mark, "P001", "a key is a plain word")
                continue
            name = str(key.value)
            if name in seen:
                self._problem(mark, "P002", f"duplicate key `{name}`, first at line {seen[name].line}")
                continue
            if name == "<<":
                self._problem(mark, "P003", "merge keys are not accepted; write the values out")
                continue
            seen[name] = self._keys[*path, name] = mark
            yield name, self._build(value, (*path, name))


def _is_plain(event: yaml.ScalarEvent) -> bool:
    return event.anchor is None and event.tag is None and len(event.value) <= _MAX_TEXT


def _refusals(event: yaml.NodeEvent, depth: int, values: int) -> Iterator[tuple[str, str]]:
    """What is not acceptable about one value: codes and messages."""
    if isinstance(event, yaml.AliasEvent):
        yield "P003", "aliases are not accepted; write the value out"
    elif event.anchor is not None:
        yield "P003", "anchors are not accepted; write the value out"
    elif getattr(event, "tag", None) is not None:
        yield "P003", "tags are not accepted"
    if depth > _MAX_DEPTH:
        yield "P003", f"nested deeper than {_MAX_DEPTH}"
    if values > _MAX_VALUES:
        yield "P001", f"more than {_MAX_VALUES} values; make several files of it"
    if isinstance(event, yaml.ScalarEvent) and len(event.value) > _MAX_TEXT:
        yield "P001", f"a text of more than {_MAX_TEXT} characters"


def _scalar(node: yaml.Node) -> object:
    text = str(node.value)
    if getattr(node, "style", None):
        return text  # quoted or block: a string, whatever it looks like
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        return int(text)
    if _DECIMAL.match(text):
        return Decimal(text)
    return text
