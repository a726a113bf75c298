"""The difference in words: every statement with whom, except where, because and an example; cut short; and as data."""

import json

import msgspec
import pytest
from support.policy_trees import policy, read, rule

from gateway.policy.diff import diff, unapproved
from gateway.review import difference

VENDOR = {"deployment": "vendor_api"}
NO_HR = rule("forbid", {"purpose": "hr"}, VENDOR, id="no-hr")
NO_SECRETS = rule("forbid", {"tags": {"any": ["secret"]}, "team": {"not": "red"}}, id="no-secrets")
CLAIM = {"invariants": [{"id": "unseen", "no_new_access": {"base": "main", "unless_approved_by": "security"}}]}


def tree(*rules, files=()):
    parsed = read(dict(files), main=policy(*rules))
    assert parsed.problems == ()
    return parsed.bundle


OLD = tree(rule("permit"), NO_HR, NO_SECRETS)
NEW = tree(rule("permit"), NO_SECRETS)


def words(old, new, write=difference.text, approvers=()):
    found = diff(old, new)
    return write(found, unapproved(found, old, new, approvers), "main", "here")


def test_no_difference():
    assert words(OLD, OLD) == "same (the same requests may reach the same backends)\nfrom main to here"
    assert words(OLD, OLD, difference.markdown) == (
        "### Policy: same (the same requests may reach the same backends)\n\nFrom `main` to `here`."
    )


def test_a_difference_for_a_terminal():
    assert words(OLD, NEW) == (
        "more permissive (1 now allowed)\n"
        "from main to here\n"
        "\n"
        "+ now allowed: purpose hr, unknown\n"
        "    to dim, far\n"
        "    except where still forbidden by no-secrets: tags unknown or with secret; team not red\n"
        "    because forbid no-hr was removed (policies/main.yaml:1:100)\n"
        "    for example purpose=hr to dim\n"
        "\n"
        "also changed\n"
        "  rule no-hr: removed"
    )


def test_the_same_the_other_way_round():
    lines = words(NEW, OLD).splitlines()
    assert lines[0] == "less permissive (1 no longer allowed)"
    assert lines[3:6] == [
        "- no longer allowed: purpose hr, unknown",
        "    to dim, far",
        "    except where already forbidden by no-secrets: tags unknown or with secret; team not red",
    ]
    assert lines[6].startswith("    because forbid no-hr was added (policies/main.yaml:1:")


def test_a_difference_for_a_pull_request():
    assert words(OLD, NEW, difference.markdown).splitlines() == [
        "### Policy: more permissive (1 now allowed)",
        "",
        "From `main` to `here`.",
        "",
        "#### Now allowed",
        "",
        "| requests | backends | because |",
        "| --- | --- | --- |",
        r"| purpose hr, unknown<br>except where still forbidden by no-secrets: tags unknown or with secret; team not red | dim, far | forbid no-hr was removed (policies/main.yaml:1:100) |",
        "",
        "<details><summary>Examples</summary>",
        "",
        "- purpose=hr to dim",
        "",
        "</details>",
        "",
        "<details><summary>Also changed: 1</summary>",
        "",
        "- rule no-hr: removed",
        "",
        "</details>",
    ]


def test_a_difference_for_programs_is_complete():
    found = words(OLD, NEW, difference.data)
    assert json.loads(msgspec.json.encode(found)) == {
        "verdict": "more permissive",
        "old": {"name": "main", "digest": OLD.digest},
        "new": {"name": "here", "digest": NEW.digest},
        "statements": [
            {
                "direction": "now allowed",
                "requests": {"purpose": "hr, unknown"},
                "exceptions": [
                    {"requests": {"tags": "unknown", "team": "not red"}, "decide": "forbid", "rules": ["no-secrets"]},
                    {"requests": {"tags": "with secret", "team": "not red"}, "decide": "forbid", "rules": ["no-secrets"]},
                ],
                "backends": ["dim", "far"],
                "backends_are": "unchanged",
                "open_exceptions": [],
                "rules": [
                    {"rule": "no-hr", "effect": "forbid", "fate": "removed", "file": "policies/main.yaml", "line": 1, "column": 100}
                ],
                "example": found["statements"][0]["example"],
            }
        ],
        "moved": [],
        "also": [{"kind": "rule", "id": "no-hr", "field": "", "before": "", "after": None}],
        "unapproved": [],
    }  # fmt: skip
    assert found["statements"][0]["example"]["after"]["purpose"] == "hr"


@pytest.mark.parametrize(
    ("approver", "said"),
    [
        ("security", "there is new access, and security has not approved it"),
        (None, "there is new access, and nobody can approve it"),
    ],
)
def test_new_access_that_nobody_approved_is_said_last_and_in_every_form(approver, said):
    claim = {"base": "main"} | ({"unless_approved_by": approver} if approver else {})
    files = {"invariants.yaml": {"invariants": [{"id": "unseen", "no_new_access": claim}]}}
    new = tree(rule("permit"), NO_SECRETS, files=files)
    sentence = f"invariant unseen (invariants.yaml:1:24) does not hold: {said}"
    assert words(OLD, new).splitlines()[-1] == sentence
    assert f"> [!CAUTION]\n> {sentence}" in words(OLD, new, difference.markdown)
    assert words(OLD, new, difference.data)["unapproved"] == [{"invariant": "unseen", "approver": approver}]


@pytest.mark.parametrize(("approvers", "severity"), [((), "error"), (("security",), "warning")])
def test_remarks_stand_at_the_rules(approvers, severity):
    new = tree(rule("permit"), NO_SECRETS, files={"invariants.yaml": CLAIM})
    found = diff(OLD, new)
    remarks = list(difference.problems(found, unapproved(found, OLD, new, approvers)))
    assert (remarks[0].code, remarks[0].severity, str(remarks[0].mark)) == (
        "P303",
        severity,
        "policies/main.yaml:1:100",
    )
    assert remarks[0].message == "now allowed: purpose hr, unknown, to dim, far; forbid `no-hr` was removed"
    assert [each.code for each in remarks[1:]] == ([] if approvers else ["P301"])
    (less,) = difference.problems(diff(new, OLD), ())
    assert (less.code, less.severity) == ("P304", "info")


def test_backends_are_told_that_are_new_or_gone_or_not_what_they_were():
    def some(**rows):
        files = {
            "catalog/a.yaml": {
                "backends": {id: {"provider": "openai", "region": region} for id, region in rows.items()}
            }
        }
        return tree(rule("permit", to={"region": "eu"}), files=files)

    said = words(some(a="eu", b="eu", c="us"), some(a="us", d="eu", c="eu")).splitlines()
    assert [line.strip() for line in said if line.startswith("    to ")] == [
        "to c (its facts changed)",
        "to d (new)",
        "to a (its facts changed)",
        "to b (removed)",
    ]
    assert "    because permit permit decides otherwise, itself unchanged (policies/main.yaml:1:48)" in said


def test_a_backend_that_moved_is_said_in_the_verdict():
    def at(url):
        return tree(
            rule("permit"), files={"catalog/a.yaml": {"backends": {"x": {"provider": "openai", "base_url": url}}}}
        )

    assert words(at("http://a"), at("http://b")).splitlines()[0] == (
        "same (the same requests may reach the same backends); x moved: what was sent there goes somewhere else now"
    )


def test_an_example_is_told_as_either_side_reads_it():
    rules = (rule("permit", {"sensitivity": "<= internal"}),)
    new = tree(*rules, files={"projects.yaml": {"projects": {"shop": {"floor": "confidential"}}}})
    example = next(line for line in words(tree(*rules), new).splitlines() if "for example" in line)
    assert example == (
        "    for example sensitivity=confidential project=shop to dim (read as sensitivity=internal project=shop before)"
    )


def test_statements_that_differ_in_one_attribute_are_told_together():
    clean = {"id": "clean", "require": {"when": {"tags": {"any": ["secret"]}}, "do": ["redact"]}}
    found = words(tree(rule("permit")), tree(rule("permit"), clean))
    assert len(diff(tree(rule("permit")), tree(rule("permit"), clean)).statements) == 2
    assert found.splitlines()[0] == "less permissive (1 no longer allowed)"
    assert "- no longer allowed: tags unknown or with secret; redaction none" in found.splitlines()


def test_what_is_much_is_cut_short():
    files = {"catalog/a.yaml": {"backends": {f"b{number}": {"provider": "openai"} for number in range(12)}}}
    teams = [rule("permit", {"team": f"t{number}", "app": f"a{number}"}, id=f"r{number}") for number in range(25)]
    nobody = tree(files=files)
    assert "    to b0, b1, b10, b11, b2, b3, b4, b5, and 4 more" in words(nobody, tree(rule("permit"), files=files))
    for write in (difference.text, difference.markdown):
        assert "now allowed: and 5 more" in words(nobody, tree(*teams, files=files), write)
        assert "more" not in words(nobody, tree(*teams[:20], files=files), write).replace("and 4 more", "").replace(
            "more perm", ""
        )


def test_names_from_a_tree_cannot_steer_a_report():
    files = {"catalog/a.yaml": {"backends": {"x": {"provider": "openai", "model": "a|b<img src=x>\u202e"}}}}
    new = {"catalog/a.yaml": {"backends": {"x": {"provider": "openai", "model": "c"}}}}
    said = words(tree(files=files), tree(files=new), difference.markdown)
    assert r"a\|b\<img src=x>" in said
