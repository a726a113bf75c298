"""A policy tree: bytes in, a bundle or every problem out. It loads as a whole or not at all."""

from collections.abc import Mapping

import msgspec

from gateway.core.labels import LEVELS
from gateway.policy import catalog, claims, files, prices, rules, sensitivity
from gateway.policy.conditions import WORDS_WITH_MEANING, Conditions
from gateway.policy.digest import digest_of
from gateway.policy.document import Mark, Problem
from gateway.policy.model import Bundle
from gateway.policy.signature import Signed
from gateway.policy.tree import Tree
from gateway.policy.vocabulary import SECTIONS, Vocabulary


class Parsed(msgspec.Struct, frozen=True):
    """What came of a tree: a bundle only when there are no problems. `sources` are the texts, by file.

    `signed` is what somebody whose key is known vouches for; None: nobody was asked for.
    """

    bundle: Bundle | None
    problems: tuple[Problem, ...]
    sources: dict[str, str]
    signed: Signed | None = None


def parse(
    tree: Mapping[str, bytes],
    providers: Mapping[str, str | None],
    extra_catalog: Mapping[str, bytes] | None = None,
    shown: Mapping[str, str] | None = None,
    today: str = "9999-12-31",
    outside: Mapping[str, bytes | str] | None = None,
) -> Parsed:
    """The bundle in a tree of files.

    `tree` maps paths below its root (with `/`) to bytes, `extra_catalog` further catalog files that lie elsewhere;
    `providers` maps each known provider to its default base URL, None if it has none; `shown` says what a problem
    calls a file, where that is not its path; `today` (YYYY-MM-DD) says which dated facts have begun;
    `outside` are the dictionaries that lie elsewhere, by path: their bytes, or why they cannot be read. The digest of
    the bundle is without them, since they change without a review; the one of its `sensitivity` is with them.
    """
    read = Tree(tree, extra_catalog or {}, shown or {})
    vocabulary = _vocabulary(read)
    book, priced = prices.prices(read, today)
    fallback = prices.fallback(read, book)
    backends, places, since = catalog.backends(read, vocabulary, book, providers, today, fallback)
    known = None if "catalog" in read.shaky else frozenset(backends)
    conditions = Conditions(vocabulary, known, frozenset(providers), read.problems)
    projects = rules.projects(read, vocabulary)
    written = rules.rules(read, conditions, projects, backends)
    terms, specimens = sensitivity.terms(read, vocabulary, outside or {})
    bundle = Bundle(
        digest_of(read.bytes),
        vocabulary,
        tuple(backends.values()),
        tuple(written.values()),
        projects,
        rules.exemptions(read, conditions, written, known),
        claims.invariants(read, conditions),
        claims.cases(read, conditions, vocabulary, projects, written, known),
        places,
        rules.rollouts(read),
        terms,
        specimens,
        max(since, priced),
    )
    sources = {document.file: document.text for document in read.documents.values()}
    return Parsed(None if read.problems else bundle, tuple(sorted(set(read.problems))), sources)


def _vocabulary(tree: Tree) -> Vocabulary:
    found = tree.of_kind("vocabulary", files.VocabularyFile)
    if "vocabulary" not in tree.kinds.values():
        tree.problem(Mark("vocabulary.yaml"), "P005", "a tree has a vocabulary.yaml; this one has none")
    if not found:
        return Vocabulary({})
    _, document, file = found[0]
    if tuple(file.levels) != LEVELS:
        tree.problem(document.value(("levels",)), "P106", f"levels are, in this order: {', '.join(LEVELS)}")
    sections: dict[str, dict[str, str]] = {section: dict(getattr(file, section)) for section in SECTIONS}
    for section, words in sections.items():
        for word in WORDS_WITH_MEANING & words.keys():
            tree.problem(
                document.key((section, word)), "P106", f"`{word}` has a meaning of its own; choose another word"
            )
    return Vocabulary(sections)
