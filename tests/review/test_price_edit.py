"""Only what differs is touched in a prices.yaml."""

from decimal import Decimal

import pytest

from gateway.policy.prices import prices
from gateway.policy.tree import Tree
from gateway.review.price_edit import Row, renewed, with_version
from gateway.review.prices import Published, Step, differences

FLOW = """\
# a head
version: "1" # of the file
models:
  other: {input: 9, output: 9, source: mine, date: 2026-01-01}
  m: {input: 2, output: 12, source: list, date: 2026-01-01} # a note
"""
BLOCK = """\
version: v1
models:
  m:
    # in front
    input: 2 # why
    output: 12

    source: list # from where
    date: 2026-01-01
  other: {input: 1, output: 1, source: s, date: 2026-01-01}
"""


def step(above, **figures):
    return Step(above, {name: Decimal(str(figure)) for name, figure in figures.items()})


USUAL = step(0, input=2, output=12)


def priced(text):
    return prices(Tree({"prices.yaml": text.encode()}, {}, {}), "2026-11-22")[0]["m"]


def new(text, *steps, services=None, row=None):
    return renewed(
        text, row or Row("m"), Published(steps, services or {}), priced, source="genai-prices 1", date="2026-11-22"
    )


def changed(before, after):
    """The lines that are not in both, as they are now."""
    return [line.strip() for line in after.splitlines() if line not in before.splitlines()]


@pytest.mark.parametrize(
    ("steps", "services", "expected"),
    [
        ((USUAL,), {}, "{input: 2, output: 12, "),
        ((step(0, input=3, output=12),), {}, "{input: 3, output: 12, "),
        ((step(0, input=2, output=12, cache_read=0.2),), {}, "{input: 2, output: 12, cache_read: 0.2, "),
        ((step(0, input=2, output=12, cache_read=2),), {}, "{input: 2, output: 12, "),
        ((step(0, input=3, output=12, cache_read=2),), {}, "{input: 3, output: 12, cache_read: 2, "),
        ((USUAL, step(9, input=4, output=18)), {}, "{input: 2, output: 12, tiers: [{above: 9, input: 4, output: 18}], "),
        ((USUAL,), {"flex": (step(0, input=1, output=6),)}, "{input: 2, output: 12, services: {flex: 0.5}, "),
        ((USUAL,), {"flex": (step(0, input=1, output=7),)}, "{input: 2, output: 12, services: {flex: {input: 1, output: 7}}, "),
        ((USUAL,), {"free": (step(0, input=0, output=0),)}, "{input: 2, output: 12, services: {free: 0}, "),
        ((USUAL,), {"odd": (step(0, input=Decimal(2) / 3, output=4),)}, None),
        (
            (USUAL,),
            {"flex": (step(0, input=1, output=6),), "fast": (step(0, input=4, output=24),)},
            "{input: 2, output: 12, services: {fast: 2, flex: 0.5}, ",
        ),
        (
            (USUAL, step(9, input=4, output=18)),
            {"flex": (step(0, input=1, output=6), step(9, input=2, output=9))},
            "{input: 2, output: 12, tiers: [{above: 9, input: 4, output: 18}], services: {flex: 0.5}, ",
        ),
        (
            (USUAL, step(9, input=4, output=18)),
            {"flex": (step(0, input=1, output=6), step(9, input=1, output=6))},
            "{input: 2, output: 12, tiers: [{above: 9, input: 4, output: 18}], services: {flex: {input: 1, output: 6, tiers: [{above: 9, input: 1, output: 6}]}}, ",
        ),
    ],
)  # fmt: skip
def test_a_row_on_one_line(steps, services, expected):
    if expected is None:
        assert not Published(steps, services).exact
        return
    text = new(FLOW, *steps, services=services)
    assert changed(FLOW, text) == [f"m: {expected}source: genai-prices 1, date: 2026-11-22}} # a note"]
    assert differences(priced(text), Published(steps, services)) == ()


def test_a_row_over_several_lines_keeps_its_comments():
    steps = step(0, input=3, output=12, cache_read=0.3), step(9, input=4, output=18, cache_read=0.4)
    text = new(BLOCK, *steps, services={"flex": (step(0, input=1.5, output=6, cache_read=0.15), step(9, input=2, output=9, cache_read=0.2))})  # fmt: skip
    assert (
        text
        == """\
version: v1
models:
  m:
    # in front
    input: 3 # why
    output: 12

    cache_read: 0.3
    tiers: [{above: 9, input: 4, output: 18, cache_read: 0.4}]
    services: {flex: 0.5}
    source: genai-prices 1 # from where
    date: 2026-11-22
  other: {input: 1, output: 1, source: s, date: 2026-01-01}
"""
    )


TIERED = """\
version: v1
models:
  m:
    input: 2
    output: 12
    tiers:
      - {above: 9, input: 4, output: 18, audio_input: 40}
      - above: 20
        input: 5
        output: 20

    # of services
    services:
      # half
      flex: 0.5
      odd: {input: 7, output: 7, tiers: [{above: 9, input: 8, output: 8}]}
    source: list
    date: 2026-01-01
"""


def test_what_nobody_else_knows_stays():
    text = new(
        TIERED,
        USUAL,
        step(9, input=4, output=19),
        services={
            "flex": (step(0, input=1, output=6), step(9, input=2, output=9.5)),
            "batch": (step(0, input=1, output=6), step(9, input=2, output=9.5)),
        },
    )
    assert (
        text
        == """\
version: v1
models:
  m:
    input: 2
    output: 12
    tiers:
      [{above: 9, input: 4, output: 19, audio_input: 40}]

    # of services
    services:
      # half
      batch: 0.5
      flex: 0.5
      odd: {input: 7, output: 7, tiers: [{above: 9, input: 8, output: 8}]}
    source: genai-prices 1
    date: 2026-11-22
"""
    )


def test_steps_that_are_gone_leave():
    text = new(FLOW.replace("output: 12,", "output: 12, tiers: [{above: 9, input: 4, output: 18}],"), USUAL)
    assert "m: {input: 2, output: 12, tiers: [], source" in text


def test_of_a_list_only_the_row_that_is_meant():
    rows = "[{input: 2, output: 12, source: s, date: 2026-01-01}, {from: 2027-01-01, input: 3, output: 12, source: s, date: 2026-01-01}]"
    text = new(f"version: v\nmodels:\n  m: {rows}\n", step(0, input=1, output=12), row=Row("m", 0))
    assert "m: [{input: 1, output: 12, source: genai-prices 1, date: 2026-11-22}, {from: 2027-01-01, input: 3," in text


def test_the_version_is_text_whatever_it_looks_like():
    assert with_version(FLOW, "2026-11-22.2").splitlines()[1] == 'version: "2026-11-22.2" # of the file'
    assert with_version(BLOCK, "2026-11-22").splitlines()[0] == 'version: "2026-11-22"'
