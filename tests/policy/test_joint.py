"""Two policies in one space: what each side makes of words, projects and backends that only the other one knows."""

import msgspec
import pytest
from support.policy_trees import bundle, rule

from gateway.core.decision import Project
from gateway.policy.claims import USUAL
from gateway.policy.diff import diff
from gateway.policy.joint import Joint
from gateway.policy.space import intersect
from gateway.policy.vocabulary import Vocabulary

replace = msgspec.structs.replace


def with_words(bundle, **sections):
    """The bundle, with other words in some sections of its vocabulary."""
    words = {name: dict.fromkeys(words, "x") for name, words in sections.items()}
    return replace(bundle, vocabulary=Vocabulary(bundle.vocabulary.sections | words))


def permitted(side, joint, **values):
    """Whether a side permits its first backend what is in a cell, given by values of the joint variables."""
    cell = joint.cells.where({name: joint.cells.mask(name, [value]) for name, value in values.items()})
    view = side.view(side.bundle.backends[0].id)
    meets = [
        [piece for piece in pieces if intersect(piece.cube, cell) is not None]
        for pieces in (view.permits, view.forbids)
    ]
    return bool(meets[0]) and not meets[1]


def test_the_same_bundle_twice_is_its_own_space():
    one = bundle(rule("permit", {"team": "a"}), rule("forbid", {"purpose": "hr"}))
    joint = Joint(one, one)
    assert (joint.old.view(one.backends[0].id), joint.moved) == (joint.new.view(one.backends[0].id), ())


def test_a_backend_that_a_side_does_not_have_is_permitted_nothing():
    one = bundle(rule("permit"))
    view = Joint(one, replace(one, backends=())).new.view(one.backends[0].id)
    assert (view.permits, view.forbids) == ((), ())


@pytest.mark.parametrize(
    ("effect", "purpose", "old", "new"),
    [
        ("permit", "general", True, True),
        ("permit", "extra", True, False),  # a word that a side does not know is unknown there: no permit counts on it
        ("permit", "unknown", False, False),
        ("forbid", "general", False, False),
        ("forbid", "extra", True, False),  # and a forbid fires on it
        ("forbid", "unknown", False, False),
    ],
)
def test_a_word_that_a_side_does_not_know_is_unknown_there(effect, purpose, old, new):
    rules = [rule("permit", {"purpose": {"not": "hr"}})]
    if effect == "forbid":
        rules = [rule("permit"), rule("forbid", {"purpose": "general"})]
    one = bundle(*rules)
    words = [*one.vocabulary.sections["purposes"], "extra"]
    joint = Joint(with_words(one, purposes=words), one)
    assert [permitted(side, joint, purpose=purpose) for side in (joint.old, joint.new)] == [old, new]


@pytest.mark.parametrize("rules", [[rule("permit", {"tags": {"none": ["secret"]}})], [rule("permit"), rule("forbid", {"tags": {"any": ["secret"]}})]])  # fmt: skip
@pytest.mark.parametrize(("member", "old", "new"), [("no", True, True), ("yes", True, False)])
def test_a_set_with_a_word_that_a_side_does_not_know_is_unknown_there(rules, member, old, new):
    one = bundle(*rules)
    words = [*one.vocabulary.sections["tags"], "extra"]
    joint = Joint(with_words(one, tags=words), one)
    here = {"tags": "known", "tags:secret": "no", "tags:extra": member}
    assert [permitted(side, joint, **here) for side in (joint.old, joint.new)] == [old, new]


def test_a_name_that_only_one_side_mentions_is_any_other_name_on_the_other_side():
    old, new = bundle(rule("permit", {"team": "a"})), bundle(rule("permit", {"team": {"not": "b"}}))
    joint = Joint(old, new)
    seen = {
        team: [permitted(side, joint, team=team) for side in (joint.old, joint.new)]
        for team in ("a", "b", "(any other)")
    }
    assert seen == {"a": [True, True], "b": [False, False], "(any other)": [False, True]}


def with_project(bundle, jurisdiction, floor):
    return replace(bundle, projects={"shop": Project("shop", jurisdiction, floor)})


@pytest.mark.parametrize(
    ("label", "old", "new"),
    [
        ("public", True, False),
        ("internal", True, False),
        ("confidential", False, False),
        ("unknown", False, False),
    ],
)
def test_a_project_raises_a_label_to_the_floor_that_a_side_declares(label, old, new):
    one = bundle(rule("permit", {"sensitivity": "<= internal"}))
    joint = Joint(with_project(one, None, None), with_project(one, None, "confidential"))
    assert [permitted(side, joint, project="shop", sensitivity=label) for side in (joint.old, joint.new)] == [old, new]
    assert permitted(joint.new, joint, project="(any other)", sensitivity=label) is old


def test_a_label_is_never_below_the_lower_floor():
    one = bundle(rule("permit", {"sensitivity": "<= internal"}))
    (statement,) = diff(with_project(one, None, "internal"), with_project(one, None, "confidential")).statements
    assert statement.words == {"sensitivity": "internal", "project": "shop"}


def test_a_project_is_under_the_jurisdiction_that_a_side_declares():
    one = bundle(rule("permit", {"project.jurisdiction": "eu"}))
    joint = Joint(with_project(one, "eu", None), with_project(one, "us", None))
    assert [permitted(side, joint, project="shop") for side in (joint.old, joint.new)] == [True, False]


def test_a_request_is_read_as_a_side_declares_its_project():
    one = bundle(rule("permit", {"project.jurisdiction": "eu", "sensitivity": "public"}))
    joint = Joint(one, with_project(one, "eu", "confidential"))
    asked = replace(USUAL, project="shop", sensitivity="internal", source_sensitivity="restricted", jurisdiction="us")
    new = joint.new.facts(asked)
    assert (new.jurisdiction, new.sensitivity, new.source_sensitivity) == ("eu", "confidential", "restricted")
    assert joint.old.facts(asked) == replace(asked, jurisdiction=None)
    assert joint.new.facts(replace(asked, sensitivity=None)).sensitivity is None
    assert joint.new.facts(USUAL) == USUAL
