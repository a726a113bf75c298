"""sensitivity.yaml: what the scanner looks for in this organisation, and how sensitive it is."""

import hashlib
from collections.abc import Mapping

import msgspec

from gateway.core import lexicon
from gateway.core.kinds import KINDS, Kind
from gateway.core.patterns import compiled, why_refused
from gateway.core.terms import Dictionary, OwnDetector, ScannerTerms
from gateway.policy.dictionaries import MAX_TERMS, terms_of
from gateway.policy.document import Document, Mark, Path, suggestion
from gateway.policy.model import Specimen
from gateway.policy.sensitivity_files import NO_TAG, OFF, DetectorEntry, DictionaryEntry, SensitivityFile
from gateway.policy.tree import Tree
from gateway.policy.vocabulary import Vocabulary

MAX_PROGRAMS = 30_000
"""Steps that all expressions of a tree compile to together. They are looked for in one pass, which takes longer, and
more memory, the more there is to keep in mind."""

NAME = "sensitivity.yaml"


def terms(
    tree: Tree, vocabulary: Vocabulary, outside: Mapping[str, bytes | str]
) -> tuple[ScannerTerms, tuple[Specimen, ...]]:
    """What the scanner is to find, and the examples that show it. `outside` are the dictionaries that lie elsewhere, by
    path: their bytes, or why they cannot be read."""
    read = _Reader(tree, vocabulary, outside)
    for _, document, file in tree.of_kind("sensitivity", SensitivityFile):
        read.file(document, file)
    found = ScannerTerms(tuple(read.kinds.values()), tuple(read.detectors), tuple(read.dictionaries))
    return msgspec.structs.replace(found, digest=_digest(found)), tuple(read.specimens)


def _digest(found: ScannerTerms) -> str:
    """The digest that names what is to be found."""
    return hashlib.sha256(msgspec.msgpack.encode(found)).hexdigest()[:16]


class _Reader:
    """Reads the file. What is wrong goes to the tree."""

    def __init__(self, tree: Tree, vocabulary: Vocabulary, outside: Mapping[str, bytes | str]) -> None:
        self.tree = tree
        self.tags = vocabulary.words("tags")
        self.outside = outside
        known = {name: msgspec.structs.replace(kind, tag=None) for name, kind in KINDS.items()}
        # of a tag that the vocabulary does not have no rule can speak
        self.kinds = {name: kind if kind.tag in self.tags else known[name] for name, kind in KINDS.items()}
        self.detectors: list[OwnDetector] = []
        self.dictionaries: list[Dictionary] = []
        self.specimens: list[Specimen] = []
        self._marks: dict[str, Mark] = {}
        self._programs = self._terms = 0

    def file(self, document: Document, file: SensitivityFile) -> None:
        for name, entry in file.kinds.items():
            self._kind(document, ("kinds", name), name, entry)
        for position, detector in enumerate(file.detectors):
            self._detector(document, ("detectors", position), detector)
        for position, dictionary in enumerate(file.dictionaries):
            self._dictionary(document, ("dictionaries", position), dictionary)

    def _kind(self, document: Document, path: Path, name: str, entry: object) -> None:
        if name not in KINDS:
            said = f"unknown kind of finding `{name}`{suggestion(name, KINDS)}"
            self.tree.problem(document.key(path), "P103", said)
            return
        if entry == OFF:
            del self.kinds[name]
            return
        level, tag = getattr(entry, "level", None), getattr(entry, "tag", None)
        if level is None and tag is None:
            self.tree.problem(document.value(path), "P102", f"`{name}` wants a `level`, a `tag`, or `off`")
            return
        before = self.kinds[name]
        tag = before.tag if tag is None else self._tag(document, (*path, "tag"), tag)
        self.kinds[name] = Kind(name, level or before.level, tag)

    def _detector(self, document: Document, path: Path, entry: DetectorEntry) -> None:
        tag = self._tag(document, (*path, "tag"), entry.tag)
        at = document.value((*path, "pattern"))
        taken = self._taken(document, path, entry.id)
        if reason := why_refused(entry.pattern):
            self.tree.problem(at, "P111", f"the pattern of `{entry.id}` is not accepted: {reason}")
            return
        self._programs += compiled(entry.pattern).programsize
        if self._programs > MAX_PROGRAMS:
            said = f"the patterns up to this one compile to {self._programs} steps, at most {MAX_PROGRAMS} are taken"
            self.tree.problem(at, "P111", f"{said}; repeat less, or use smaller classes")
            return
        if taken:
            return
        self.detectors.append(OwnDetector(entry.id, entry.pattern, entry.level, tag, tuple(entry.near or ())))
        for field, expected in (("examples", True), ("counterexamples", False)):
            for position, text in enumerate(getattr(entry, field)):
                self.specimens.append(Specimen(entry.id, text, document.value((*path, field, position)), expected))

    def _dictionary(self, document: Document, path: Path, entry: DictionaryEntry) -> None:
        tag = self._tag(document, (*path, "tag"), entry.tag)
        taken = self._taken(document, path, entry.id)
        at = document.value((*path, "file"))
        raw = self.outside.get(entry.file) if entry.file.startswith("/") else self.tree.bytes.get(entry.file)
        if not isinstance(raw, bytes):
            said = f": {raw}" if raw else ", it is not there"
            self.tree.problem(at, "P112", f"dictionary `{entry.file}` cannot be read{said}")
            return
        found, problems = terms_of(self.tree.shown(entry.file), raw, MAX_TERMS - self._terms)
        self.tree.problems += problems
        self._terms += len(found)
        if problems or taken:
            return
        written = {way for term in found for way in lexicon.ways(term, ignore_case=entry.ignore_case)}
        self.dictionaries.append(
            Dictionary(entry.id, lexicon.shards(written), entry.level, tag, entry.whole_words, entry.ignore_case)
        )

    def _taken(self, document: Document, path: Path, id: str) -> bool:
        """Whether something else has an id; if so, that is a problem."""
        at = document.value((*path, "id"))
        if id in KINDS:
            self.tree.problem(at, "P105", f"`{id}` is a built-in kind of finding; choose another id")
        elif id in self._marks:
            self.tree.problem(at, "P210", f"id `{id}` is used twice, first at {self._marks[id]}")
        else:
            self._marks[id] = at
            return False
        return True

    def _tag(self, document: Document, path: Path, word: str | None) -> str | None:
        """A tag as written, None where there is none."""
        if word is None or word == NO_TAG:
            return None
        if word not in self.tags and "vocabulary" not in self.tree.shaky:
            hint = suggestion(word, (*self.tags, NO_TAG))
            self.tree.problem(document.value(path), "P103", f"unknown tag `{word}`{hint} (vocabulary.yaml)")
        return word
