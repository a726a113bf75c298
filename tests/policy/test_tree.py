"""A tree while it is read: which files there are, and what a wrong shape is told as: one mistake, one problem."""

import os

import pytest
from support.policy_trees import BACKENDS, WORDS, encoded, places, policy, read, tree

from gateway.policy.document import Mark
from gateway.policy.files import PolicyFile
from gateway.policy.tree import KINDS, Tree, kind_of, project_of

FULL = os.environ.get("GATEWAY_TEST_AMOUNTS") == "full"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("vocabulary.yaml", "vocabulary"),
        ("prices.yaml", "prices"),
        ("projects.yaml", "projects"),
        ("invariants.yaml", "invariants"),
        ("catalog/own.yaml", "catalog"),
        ("policies/base.yaml", "policies"),
        ("policies/base-2.v1.yaml", "policies"),
        ("policies/données.yaml", "policies"),
        ("policies/projects/acme/a.yaml", "policies"),
        ("tests/base.yaml", "tests"),
        ("exceptions/2026.yaml", "exceptions"),
        # no file of a tree
        ("catalog.yaml", None),
        ("vocabulary.yml", None),
        ("policies/base.yml", None),
        ("prices.yaml.orig", None),
        ("policies/sub/base.yaml", None),
        ("policies/projects/base.yaml", None),
        ("policies/projects/acme/deep/a.yaml", None),
        ("catalog/projects/acme/a.yaml", None),
        ("vocabulary/a.yaml", None),
        ("x/vocabulary.yaml", None),
        # tricks with paths
        ("policies/../x.yaml", None),
        ("policies/projects/../x.yaml", None),
        ("policies/projects//x.yaml", None),
        ("policies//x.yaml", None),
        ("./policies/x.yaml", None),
        ("/policies/x.yaml", None),
        ("/etc/gateway/vocabulary.yaml", None),
        ("policies/.hidden.yaml", None),
        ("policies/.yaml", None),
        ("policies/projects/.acme/a.yaml", None),
        ("policies/a\n.yaml", None),
        ("policies/a\\b.yaml", None),
        ("policies/\udcff.yaml", None),
        ("Policies/a.yaml", None),
        ("policies/a.YAML", None),
        ("", None),
    ],
)
def test_the_kind_of_a_file(name, kind):
    assert kind_of(name) == kind


@pytest.mark.parametrize(
    ("name", "project"),
    [
        ("policies/a.yaml", ""),
        ("policies/projects/acme/a.yaml", "acme"),
        ("policies/projects/a.yaml", ""),
        ("catalog/projects/acme/a.yaml", ""),
    ],
)
def test_the_project_of_a_file(name, project):
    assert project_of(name) == project


def test_every_kind_is_named_where_a_file_is_of_none():
    (problem,) = read({"x.yaml": {}}).problems
    named = {name.strip().removesuffix(".yaml").removesuffix("/*") for name in problem.message.split(":")[1].split(",")}
    assert (problem.mark, problem.code, named) == (Mark("x.yaml"), "P004", {*KINDS, "policies/projects/NAME"})


def test_files_have_the_names_they_are_shown_with_and_a_name_cannot_steer_a_terminal():
    files = encoded({"policies/a.yaml": "[", "policies/\x1b[2J\n.yaml": "{}"})
    read_ = Tree(files, {}, {"policies/a.yaml": "here/policies/a.yaml"})
    assert sorted({each.mark.file for each in read_.problems}) == [
        "here/policies/a.yaml",
        "policies/\ufffd[2J\ufffd.yaml",
    ]


def test_a_kind_with_a_bad_file_is_shaky_whether_in_yaml_or_in_shape():
    read_ = Tree(encoded({"catalog/a.yaml": "[", "policies/a.yaml": "[]", "tests/a.yaml": {"tests": []}}), {}, {})
    assert (read_.shaky, read_.of_kind("policies", PolicyFile), read_.shaky) == ({"catalog", "policies"}, [], {"catalog", "policies"})  # fmt: skip


def backend(**fields):
    return {"catalog/a.yaml": {"backends": BACKENDS | {"x": {"provider": "openai"} | fields}}}


def one(**fields):
    return {"policies/main.yaml": policy({"id": "a"} | fields)}


def test_of(**fields):
    return {"tests/a.yaml": {"tests": [{"name": "a", "expect": {"decision": "deny"}} | fields]}}


test_of.__test__ = False


@pytest.mark.parametrize(
    ("files", "message"),
    [
        # fields
        (one(forbidd={}), "P101 unknown field `forbidd`; did you mean `forbid`?"),
        (one(permit={"wen": {}}), "P101 unknown field `wen`; did you mean `when`?"),
        (one(require={"doo": [], "do": ["redact"]}), "P101 unknown field `doo`; did you mean `do`?"),
        (one(limit={"usd": 1, "perr": "key", "window": "day"}), "P101 unknown field `perr`; did you mean `per`?"),
        (backend(contxt=1), "P101 unknown field `contxt`; did you mean `context`?"),
        (backend(timeout={"idel": "5s"}), "P101 unknown field `idel`; did you mean `idle`?"),
        ({"invariants.yaml": {"invariants": [{"id": "a", "never": {"requst": {}}}]}}, "P101 unknown field `requst`; did you mean `request`?"),
        ({"policies/main.yaml": {"policy": "p", "rules": []}}, "P102 missing field `owner`"),
        (backend(price={"input": 1}), "P102 missing field `output`"),
        # kinds of values
        ({"policies/main.yaml": []}, "P102 `policies/main.yaml` wants fields, each with a value"),
        ({"policies/main.yaml": ""}, "P102 `policies/main.yaml` wants fields, each with a value"),
        (one(permit=5), "P102 `permit` wants fields, each with a value"),
        (one(forbid={"when": []}), "P102 `when` wants fields, each with a value"),
        (one(forbid={}, why=5), "P102 `why` wants a word"),
        (one(prefer={"order": "cost"}), "P102 `order` wants a list"),
        (one(prefer={"order": []}), "P102 `order` is a list of at least 1"),
        (backend(capabilities=["chat", 5]), "P102 `capabilities` wants a word"),
        (backend(context="1"), "P102 `context` wants a whole number"),
        # one of several forms: the one that was meant
        (one(limit=5), "P102 `limit` wants fields, each with a value, or a list"),
        (one(limit=[5]), "P102 `limit` wants fields, each with a value"),
        (one(limit={"usd": "1", "per": "key", "window": "day"}), "P102 `usd`: write a plain number, without quotes"),
        (one(forbid={}, breakable="yes"), "P102 `breakable` wants `never`, or `true` or `false`"),
        (backend(status=5), "P102 `status` wants a word, or fields, each with a value"),
        (backend(status={"active": "soon"}), "P102 `soon` is not a day such as `2026-11-22`"),
        (test_of(expect={"deny": 5}), "P102 `deny` wants fields, each with a value, or a list"),
        (test_of(expect={"deny": {"far": 5}}), "P102 `far` wants a word, or a list"),
        (test_of(faults={"far": True}), "P102 `far` wants a whole number, or a word"),
        # words and figures
        (one(forbid={}, in_flight="kill"), "P103 unknown value `kill`; known: `finish` or `revoke`"),
        (one(prefer={"order": ["luck"]}), "P103 unknown value `luck`; known: `cost`"),
        ({"policies/main.yaml": policy(mode="dry")}, "P103 unknown value `dry`; known: `off`, `shadow`, `warn` or `enforce`"),
        (backend(context=0), "P102 `context` is more than 0"),
        (backend(timeout={"total": "25h"}), "P102 `total` is at most 86400"),
        (backend(timeout={"total": 5}), "P102 `total`: a duration is a number with a unit, for example `5s`, `500ms` or `10m`"),
        (backend(price={"gpu_hour": 1, "tokens_per_second": 0}), "P102 `tokens_per_second` is at least 0.001"),
        (backend(price=5), "P102 `price`: a price is `book`, `{input: ..., output: ...}` or `{gpu_hour: ..., tokens_per_second: ...}`"),
        # patterns
        (one(id="-a", forbid={}), "P102 `-a` is not a name of letters, digits and `._:@/-`"),
        ({"catalog/a.yaml": {"backends": BACKENDS | {"-x": {"provider": "openai"}}}}, "P102 `-x` is not a name of letters, digits and `._:@/-`"),
        ({"vocabulary.yaml": {s: dict.fromkeys(w, "x") for s, w in (WORDS | {"zones": ["Home"]}).items()}}, "P102 `Home` is not a word of small letters, digits and `_.-`"),
        (one(limit={"usd": 1, "per": "key", "window": "d"}), "P102 `d` is not `hour`, `day`, `week`, `month`, or a number of hours or days such as `12h` or `7d`"),
        # what may be a secret is not repeated
        (backend(api_key="sk-live-123"), "P102 `api_key` is not `env:NAME` or `file:PATH`, never the key itself"),
        (backend(base_url="https://me:pw@x/v1"), "P102 `base_url` is not `http://host/path` or `https://host/path`, without user, query or fragment"),
    ],
)  # fmt: skip
def test_a_wrong_shape_is_one_problem_in_our_words(files, message):
    assert [f"{each.code} {each.message}" for each in read(files).problems] == [message]


def test_a_key_and_its_value_may_both_be_wrong():
    parsed = read({"catalog/a.yaml": "backends:\n  -x:\n    []\n"})
    assert places(parsed) == ["catalog/a.yaml:2:3 P102", "catalog/a.yaml:3:5 P102"]


def test_the_line_is_that_of_the_wrong_item_also_within_one_of_several_forms():
    text = "policy: p\nowner: o\nrules:\n  - id: a\n    limit:\n      - usd: 1\n        per: key\n        window: day\n      - usd: 1\n        per: kay\n        window: day\n"
    assert places(read({"policies/main.yaml": text})) == ["policies/main.yaml:10:14 P103"]


PROBES = (None, True, 5, "x", [], {}, [[]], {"a": {}}, "any", "backend.x")
WHOLE = tree(
    {
        "prices.yaml": {"version": "v", "models": {"far": {"input": 1, "output": 2, "source": "s", "date": "2026-11-22"}}},
        "projects.yaml": {"projects": {"acme": {"jurisdiction": "eu", "floor": "internal"}}},
        "invariants.yaml": {"invariants": [
            {"id": "i1", "never": {"request": {"purpose": "hr"}, "backend": {"region": "us"}}, "over": "any_backend"},
            {"id": "i2", "always_some": {"request": {"purpose": "hr"}}, "backend": {"region": "us"}},
            {"id": "i3", "monotone": "sensitivity"},
            {"id": "i4", "chain": {"max_distinct_operators": 2, "never_after": {"left": {"region": "eu"}, "enter": {"region": "us"}}}},
            {"id": "i5", "no_new_access": {"base": "main", "unless_approved_by": "x"}},
        ]},
        "exceptions/a.yaml": {"exceptions": [{"id": "e", "rules": ["no"], "principal": {"key": "k"}, "backends": ["far"],
            "starts": "2026-11-22T10:00:00Z", "expires": "2026-11-22T11:00:00Z", "ticket": "T", "requested_by": "a", "approved_by": ["b", "c"]}]},
        "tests/a.yaml": {"tests": [{"name": "t", "request": {"purpose": "hr", "tags": ["pii"], "needs": ["tools"], "model": "auto"}, "faults": {"far": 503},
            "at": "2026-11-22T10:00:00Z", "expect": {"permit": ["home"], "deny": {"far": ["no"]}, "permit_only": {"region": "eu"}, "first": "home", "http": 200}}]},
        "policies/projects/acme/a.yaml": policy({"id": "mine", "forbid": {"to": {"region": "us"}}}),
        "policies/main.yaml": policy(
            {"id": "all", "permit": {"when": {"sensitivity": "<= internal", "attempt": 1}}, "require": {"do": ["region_pin"]}},
            {"id": "no", "forbid": {"when": {"tags": {"any": ["pii"]}}, "to": {"region": {"not": "eu"}}}, "breakable": True, "in_flight": "revoke"},
            {"id": "must", "require": {"when": {"team": "x"}, "do": [{"max_output_tokens": 5}]}},
            {"id": "money", "limit": [{"usd": 1, "per": "key", "window": "day", "then": [{"downgrade": "far"}, "deny"]}, {"share": 1, "of": "spend", "by": "zone", "window": "7d"}]},
            {"id": "cheap", "prefer": {"order": ["cost"], "when": {"purpose": "hr"}}},
        ),
    }
)  # fmt: skip


def spots(data, path=()):
    yield path
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield from spots(value, (*path, key))


def with_probe(data, path, probe):
    if not path:
        return probe
    copy = dict(data) if isinstance(data, dict) else list(data)
    copy[path[0]] = with_probe(copy[path[0]], path[1:], probe)
    return copy


def test_the_whole_tree_loads():
    assert read(WHOLE).problems == ()


@pytest.mark.parametrize("name", [name for name in WHOLE if name != "vocabulary.yaml"])
def test_no_wrong_value_anywhere_makes_it_raise(name):
    for number, path in enumerate(spots(WHOLE[name])):
        for probe in PROBES if FULL else PROBES[number % 3 :: 3]:
            parsed = read(WHOLE | {name: with_probe(WHOLE[name], path, probe)})
            assert (parsed.bundle is None) is bool(parsed.problems), (path, probe)
            said = " ".join(each.message for each in parsed.problems)
            assert not any(word in said for word in ("Entry", "Ceiling", "list[", "dict[", "Decimal", "instance")), said
