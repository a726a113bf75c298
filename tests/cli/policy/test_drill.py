"""`gateway policy drill suspend`: who would be left, who would break, and what became of recorded requests."""

import json

import pytest
from support.policy_commands import run, shipped

from gateway.cli.policy import drill as command
from gateway.core.chat import Demand
from gateway.core.record import End
from gateway.core.stored import Stored
from gateway.core.usage import NOTHING
from gateway.policy.claims import USUAL

CATALOG = """\
backends:
  home: {provider: openai, deployment: self_hosted, aliases: [smart], price: {input: 1, output: 2},
         capabilities: [chat, urls]}
  far: {provider: openai, deployment: vendor_api, aliases: [smart], zone: vendors, substitute: home,
        price: {input: 0.5, output: 1}, capabilities: [chat, tools]}
"""


@pytest.fixture
def drilled(tree):
    words = (tree / "vocabulary.yaml").read_text()
    (tree / "vocabulary.yaml").write_text(words.replace("zones: {}", "zones: {vendors: a}"))
    (tree / "catalog/a.yaml").write_text(CATALOG)
    return tree


def stored(time, team, requested="auto"):
    demand = Demand(frozenset({"chat"}), 9, 1, None, 1)
    facts = USUAL.__class__("internal", frozenset(), "general", "default", team, "any", "any")
    return Stored("d", "r", time, "x", requested, facts, demand, (), (), None, NOTHING, 0, End.COMPLETE, 200)


@pytest.mark.parametrize("what", ["far", "zone:vendors"])
def test_it_says_who_is_left_and_who_has_nobody(drilled, what):
    code, out, err = run("drill", "suspend", what, "tree", "--state-dir", "nowhere")
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        "suspending far",
        "",
        "auto: 1 of 2 backends left: home",
        "    nobody is left for needs tools",
        "        for example `request: {needs: [tools]}`",
        "",
        "far: 1 of 1 backends left: home (takes over: home)",
        "    nobody is left for needs tools",
        "        for example `request: {model: far, needs: [tools]}`",
        "",
        "smart: 1 of 2 backends left: home",
        "    nobody is left for needs tools",
        "        for example `request: {model: smart, needs: [tools]}`",
        "",
        "3 of 3 model names would have requests that nobody serves; no requests of the last 7 days are recorded here",
    ]


def test_when_nobody_would_break_it_ends_with_0(drilled):
    (drilled / "catalog/a.yaml").write_text(CATALOG.replace(", capabilities: [chat, tools]", ""))
    code, out, _ = run("drill", "suspend", "far", "tree", "--state-dir", "nowhere")
    assert code == 0
    assert "every request that could be served still can be" in out
    assert "nobody is left" not in out


def test_recorded_requests_are_counted(drilled, monkeypatch):
    since = []

    def read(directory, moment):
        since.append(moment)
        return iter([stored(0.0, "web"), stored(0.0, "ml"), stored(0.0, "web", "home")])

    monkeypatch.setattr(command, "read", read)
    monkeypatch.setattr(command.time, "time", lambda: 1_000_000.0)
    code, out, _ = run("drill", "suspend", "far", "tree", "--days", 2, "--state-dir", ".")
    assert (code, since) == (1, [1_000_000.0 - 2 * 86_400.0])
    assert out.splitlines()[-7:] == [
        "recorded requests of the last 2 days:",
        "team  all  another backend  nobody",
        "----  ---  ---------------  ------",
        "ml      1                1       0",
        "web     2                1       0",
        "",
        "3 of 3 model names would have requests that nobody serves; 0 recorded requests would have nobody",
    ]


def test_as_data(drilled):
    code, out, _ = run("drill", "suspend", "far", "tree", "--format", "json", "--state-dir", "nowhere")
    data = json.loads(out)
    assert (code, data["suspended"], data["days"], data["traffic"]) == (1, ["far"], 7, [])
    assert data["names"][1] == {
        "name": "far",
        "before": ["far"],
        "after": ["home"],
        "substitutes": ["home"],
        "lost": [{"words": {}, "needs": "tools", "example": {"model": "far", "needs": ["tools"]}}],
    }


def test_as_markdown(drilled, monkeypatch):
    monkeypatch.setattr(command, "read", lambda directory, moment: iter([stored(0.0, "we|b")]))
    out = run("drill", "suspend", "far", "tree", "--format", "markdown", "--state-dir", ".")[1].splitlines()
    assert out[0] == "### Suspending `far`"
    assert (
        "| `far` | 1 of 1 backends left: home (takes over: home) | needs tools (`{model: far, needs: [tools]}`) |"
        in out
    )
    assert out[-1] == "| we\\|b | 1 | 1 | 0 |"


@pytest.mark.parametrize("what", ["fax", "zone:nowhere", "planet:mars"])
def test_what_stands_for_no_backend_cannot_be_drilled(drilled, what):
    code, out, err = run("drill", "suspend", what, "tree")
    assert (code, out, f"`{what}` is no backend" in err) == (2, "", True)
    assert ("did you mean `far`?" in err) is (what == "fax")


def test_many_classes_are_cut_short_and_complete_as_data():
    code, out, _ = run("drill", "suspend", "qwen-a", shipped(), "--state-dir", "nowhere")
    whole = json.loads(run("drill", "suspend", "qwen-a", shipped(), "--state-dir", "nowhere", "--format", "json")[1])
    assert code == 1
    left = [len(each["lost"]) - 5 for each in whole["names"] if len(each["lost"]) > 5]
    assert [line for line in out.splitlines() if "more (--format" in line] == [
        f"    ... and {count} more (--format json has all)" for count in left
    ]
    assert left
