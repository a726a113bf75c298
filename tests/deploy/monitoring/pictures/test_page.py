"""docs/dashboards.md shows each dashboard, and says which panels are drawn by a stand-in."""

import json
import re
import struct

import pytest
from support.server import ROOT

PAGE = (ROOT / "docs/dashboards.md").read_text()
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in (ROOT / "deploy/grafana/dashboards").glob("*.json")}
PUBLISHED = {"timeseries", "stat", "table", "bargauge"}
STAND_INS = {"piechart": "Pie charts", "state-timeline": "state timeline"}
"""Kinds of panels, and what the page calls them."""


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_has_a_picture_that_is_no_burden(name):
    picture = (ROOT / "docs/pictures" / f"{name}.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert struct.unpack(">I", picture[16:20]) == (1600,)
    assert len(picture) < 400_000
    assert f"](pictures/{name}.png)" in PAGE


def test_every_picture_is_of_a_dashboard():
    assert {*re.findall(r"\]\(pictures/(.+)\.png\)", PAGE)} == DASHBOARDS.keys()
    assert {path.stem for path in (ROOT / "docs/pictures").glob("*")} == DASHBOARDS.keys()


def test_stand_ins_are_named():
    kinds = {panel["type"] for made in DASHBOARDS.values() for panel in made["panels"]} - {"row"}
    assert kinds - PUBLISHED == STAND_INS.keys()
    assert all(words in PAGE for words in STAND_INS.values())


def test_what_the_page_names_is_on_the_dashboards():
    titles = {panel["title"] for made in DASHBOARDS.values() for panel in made["panels"]}
    for name in (
        "How full budgets are",
        "First choice kept",
        "Concentration",
        "Policy by replica",
        "Asked or left alone",
    ):
        assert f"*{name}*" in PAGE
        assert name in titles
