"""A replay in words: the verdict first, tables that can be read, details folded, all of it as data."""

import msgspec

from gateway.review import traffic
from gateway.review.replay import Cost, Flow, Moved, Replay, Turned

USD = 10**12
NOTHING = Replay(0, None, None, 0, (), (), (), (), ())
FOUND = Replay(
    requests=120,
    begins=10.0,
    ends=20.0,
    unlike=3,
    denied=(Turned("legal", "k1", "auto", ("no-hr", "a", "b", "c"), 12, "dec-1"),),
    allowed=(Turned("dev", "k2", "fast", ("permit",), 2, "dec-2"),),
    moved=(Moved("far", "home", 7, USD, 3 * USD, "dec-3"),),
    costs=(Cost("legal", 100, 2 * USD, USD // 2, USD), Cost("dev", 20, 0, USD // 3, 5)),
    flows=(Flow("internal", "us", "cn", "inhouse", 90, 100),),
)


def test_no_traffic():
    assert traffic.text(NOTHING, "main", "here", "7d") == (
        "no traffic to replay\n0 requests of the last 7d, from main to here"
    )
    assert traffic.markdown(NOTHING, "main", "here", "7d").splitlines()[0] == "### Replay: no traffic to replay"


def test_a_replay_for_a_terminal():
    assert traffic.text(FOUND, "main", "here", "7d").splitlines() == [
        "12 newly denied, 2 newly allowed, 7 rerouted, -1.1667 USD expected",
        "120 requests of the last 7d, from main to here",
        "3 of them went elsewhere at the time: another policy was in force, or a backend was down",
        "",
        "newly denied",
        "  requests  team   key  model  rules                    example",
        "        12  legal  k1   auto   no-hr, a, b, and 1 more  dec-1",
        "",
        "newly allowed",
        "  requests  team  key  model  rules   example",
        "         2  dev   k2   fast   permit  dec-2",
        "",
        "expected cost per team",
        "  team   requests  before, USD  after, USD  difference  booked, USD",
        "  legal       100       2.0000      0.5000     -1.5000       1.0000",
        "  dev          20       0.0000      0.3333     +0.3333       0.0000",
        "",
        "sent to another backend first",
        "  before  after  requests  before, USD  after, USD  difference  example",
        "  far     home          7       1.0000      3.0000     +2.0000  dec-3",
        "",
        "which data goes where first",
        "  label     operator  weights  zone     before  after  difference",
        "  internal  us        cn       inhouse      90    100         +10",
    ]


def test_a_replay_for_a_pull_request():
    assert traffic.markdown(FOUND, "main", "here", "7d").splitlines() == [
        "### Replay: 12 newly denied, 2 newly allowed, 7 rerouted, -1.1667 USD expected",
        "",
        "120 requests of the last 7d, from `main` to `here`.",
        "3 of them went elsewhere at the time: another policy was in force, or a backend was down.",
        "",
        "#### Newly denied",
        "",
        "| requests | team | key | model | rules | example |",
        "| ---: | --- | --- | --- | --- | --- |",
        "| 12 | legal | k1 | auto | no-hr, a, b, and 1 more | dec-1 |",
        "",
        "#### Newly allowed",
        "",
        "| requests | team | key | model | rules | example |",
        "| ---: | --- | --- | --- | --- | --- |",
        "| 2 | dev | k2 | fast | permit | dec-2 |",
        "",
        "#### Expected cost per team",
        "",
        "| team | requests | before, USD | after, USD | difference | booked, USD |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| legal | 100 | 2.0000 | 0.5000 | -1.5000 | 1.0000 |",
        "| dev | 20 | 0.0000 | 0.3333 | +0.3333 | 0.0000 |",
        "",
        "<details><summary>Sent to another backend first</summary>",
        "",
        "| before | after | requests | before, USD | after, USD | difference | example |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
        "| far | home | 7 | 1.0000 | 3.0000 | +2.0000 | dec-3 |",
        "",
        "</details>",
        "",
        "<details><summary>Which data goes where first</summary>",
        "",
        "| label | operator | weights | zone | before | after | difference |",
        "| --- | --- | --- | --- | ---: | ---: | ---: |",
        "| internal | us | cn | inhouse | 90 | 100 | +10 |",
        "",
        "</details>",
    ]


def test_a_replay_for_programs():
    found = msgspec.json.decode(msgspec.json.encode(traffic.data(FOUND, "main", "here")))
    assert (found["old"], found["new"], found["newly_denied"], found["newly_allowed"]) == ("main", "here", 12, 2)
    assert (found["rerouted"], found["delta_pico_usd"]) == (7, -(3 * USD // 2) + USD // 3)
    assert found["moved"] == [
        {"before": "far", "after": "home", "requests": 7, "before_pico_usd": USD, "after_pico_usd": 3 * USD, "example": "dec-3"}
    ]  # fmt: skip


def test_long_tables_are_cut_short():
    many = tuple(Flow("internal", "us", "cn", f"z{number}", 2, 1) for number in range(23))
    found = msgspec.structs.replace(NOTHING, requests=1, flows=many)
    assert traffic.text(found, "main", "here", "7d").splitlines()[-1] == "and 3 more"
    assert traffic.markdown(found, "main", "here", "7d").splitlines()[-3] == "and 3 more"


def test_names_cannot_steer_a_report():
    odd = Turned("a|b", "<img>", "x\ny", ("r",), 1, "dec-1")
    found = msgspec.structs.replace(NOTHING, requests=1, denied=(odd,))
    assert r"| 1 | a\|b | \<img> | x" + "\N{REPLACEMENT CHARACTER}y | r | dec-1 |" in traffic.markdown(
        found, "m", "h", "7d"
    )
    assert "\ny" not in traffic.text(found, "m", "h", "7d")
