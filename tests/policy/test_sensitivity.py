"""sensitivity.yaml: from the file to what the scanner is to find."""

import pytest
from support.policy_trees import encoded, read, tree

from gateway.core.kinds import KINDS, Kind
from gateway.core.terms import Dictionary, OwnDetector
from gateway.policy import sensitivity
from gateway.policy.document import Mark
from gateway.policy.model import Specimen
from gateway.policy.parse import parse
from gateway.policy.sensitivity import MAX_PROGRAMS
from gateway.providers import BASE_URLS

DETECTOR = {"id": "ticket", "pattern": "A-[0-9]{6}", "level": "internal", "examples": ["A-123456"]}
DICTIONARY = {"id": "names", "file": "dictionaries/n.txt", "level": "confidential"}


def terms(data=None, files=(), **more):
    parsed = parse(encoded(tree({"sensitivity.yaml": data} | dict(files))), BASE_URLS, **more)
    assert parsed.problems == ()
    return parsed.bundle.sensitivity


def kinds(data):
    return {kind.name: kind for kind in terms({"kinds": data}).kinds}


def told(data, files=(), **more):
    parsed = parse(encoded(tree({"sensitivity.yaml": data} | dict(files))), BASE_URLS, **more)
    assert parsed.bundle is None
    return [(problem.code, problem.message) for problem in parsed.problems]


@pytest.mark.parametrize("data", [None, {}, {"kinds": {}, "detectors": [], "dictionaries": []}])
def test_where_nothing_is_said_built_in_kinds_are_as_built_in(data):
    found = terms(data)
    assert [kind.name for kind in found.kinds] == list(KINDS)
    assert {kind.tag for kind in found.kinds} == {"secret", "pii", None}  # the vocabulary has no `source_code`
    assert [kind.level for kind in found.kinds] == [kind.level for kind in KINDS.values()]
    assert (found.detectors, found.dictionaries) == ((), ())


def test_a_kind_has_another_level_or_tag_or_is_off():
    found = kinds(
        {"email": {"level": "internal"}, "address": {"level": "confidential", "tag": "pii"}, "iban": {"tag": "none"}}
        | {"phone": "off", "code": {"level": "confidential"}}
    )
    assert found["email"] == Kind("email", "internal", "pii")
    assert found["address"] == Kind("address", "confidential", "pii")
    assert found["iban"] == Kind("iban", "confidential", None)
    assert found["code"] == Kind("code", "confidential", None)
    assert found.keys() == KINDS.keys() - {"phone"}


def test_own_detectors_and_dictionaries_are_read_whole():
    data = {
        "detectors": [DETECTOR | {"tag": "pii", "near": ["case", "ticket*"], "counterexamples": ["A-1"], "why": "x"}],
        "dictionaries": [DICTIONARY | {"tag": "secret", "whole_words": False, "ignore_case": False}],
    }
    found = terms(data, {"dictionaries/n.txt": "# x\nZeta  Works\nAcme\n"})
    assert found.detectors == (OwnDetector("ticket", "A-[0-9]{6}", "internal", "pii", ("case", "ticket*")),)
    assert found.dictionaries == (
        Dictionary("names", ("Acme\nZeta Works",), "confidential", "secret", whole_words=False, ignore_case=False),
    )


def test_examples_are_specimens_with_their_places():
    text = """\
detectors:
  - id: ticket
    pattern: A-[0-9]{6}
    level: internal
    examples: [A-123456]
    counterexamples:
      - A-1
"""
    assert read({"sensitivity.yaml": text}).bundle.specimens == (
        Specimen("ticket", "A-123456", Mark("sensitivity.yaml", 5, 16), expected=True),
        Specimen("ticket", "A-1", Mark("sensitivity.yaml", 7, 9), expected=False),
    )


def test_a_term_is_looked_for_as_it_is_compared():
    found = terms({"dictionaries": [DICTIONARY]}, {"dictionaries/n.txt": "ZETA\nzeta\nM\u00fcller\n"})
    assert found.dictionaries[0].shards == ("mu\u0308ller\nm\u00fcller\nzeta",)


def test_a_dictionary_may_lie_elsewhere():
    data = {"dictionaries": [DICTIONARY | {"file": "/etc/names"}]}
    assert terms(data, outside={"/etc/names": b"Acme"}).dictionaries[0].shards == ("acme",)
    assert told(data, outside={"/etc/names": "permission denied"}) == [
        ("P112", "dictionary `/etc/names` cannot be read: permission denied")
    ]
    assert told(data) == [("P112", "dictionary `/etc/names` cannot be read, it is not there")]
    assert told(data, {"dictionaries/names": "Acme"})[-1][0] == "P112"


def test_problems_of_a_dictionary_are_told_in_it_and_its_text_is_not_kept():
    files = {"sensitivity.yaml": {"dictionaries": [DICTIONARY]}, "dictionaries/n.txt": "Acme\nxy\n"}
    parsed = parse(encoded(tree(files)), BASE_URLS, shown={"dictionaries/n.txt": "here/dictionaries/n.txt"})
    assert [str(problem.mark) for problem in parsed.problems] == ["here/dictionaries/n.txt:2:1"]
    assert [text for text in parsed.sources.values() if "Acme" in text] == []


def test_the_digest_names_what_is_to_be_found_and_nothing_else():
    same = [None, {}, {"kinds": {"email": {"level": "confidential"}}}]
    other = [{"kinds": {"email": "off"}}, {"detectors": [DETECTOR]}, {"detectors": [DETECTOR | {"near": ["case"]}]}]
    assert len({terms(data).digest for data in same}) == 1
    assert len({terms(data).digest for data in [*other, None]}) == len(other) + 1
    more = {
        terms({"dictionaries": [DICTIONARY]}, {"dictionaries/n.txt": text}).digest
        for text in ("acme", "acmf", "# \nacme")
    }
    assert len(more) == 2


def test_a_file_of_the_tree_is_part_of_the_digest_of_the_tree():
    first, other = (
        parse(encoded(tree({"dictionaries/n.txt": text})), BASE_URLS).bundle.digest for text in ("acme", "zeta")
    )
    assert first != other


def test_of_a_bad_vocabulary_only_that_is_told():
    parsed = parse(
        encoded(tree({"vocabulary.yaml": "[", "sensitivity.yaml": {"kinds": {"email": {"tag": "x"}}}})), BASE_URLS
    )
    assert {problem.mark.file for problem in parsed.problems} == {"vocabulary.yaml"}


def test_all_patterns_together_are_bounded():
    rows = [DETECTOR | {"id": f"d{number}", "pattern": "[a-z]{900}[0-9]{900}"} for number in range(20)]
    (code, message), *more = told({"detectors": rows})
    assert (code, str(MAX_PROGRAMS) in message, len(more)) == ("P111", True, 20 - MAX_PROGRAMS // 1800 - 1)


def test_all_terms_together_are_bounded(monkeypatch):
    monkeypatch.setattr(sensitivity, "MAX_TERMS", 3)
    rows = [DICTIONARY, DICTIONARY | {"id": "more", "file": "dictionaries/m.txt"}]
    files = {"dictionaries/n.txt": "aaa\nbbb\n", "dictionaries/m.txt": "ccc\n"}
    assert len(terms({"dictionaries": rows}, files).dictionaries) == 2
    ((code, _),) = told({"dictionaries": rows}, files | {"dictionaries/m.txt": "ccc\nddd\n"})
    assert code == "P112"
