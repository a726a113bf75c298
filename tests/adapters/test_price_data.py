"""The data of genai-prices, as values."""

import sys
from decimal import Decimal

import pytest
from support import price_data

from gateway.adapters.price_data import SOURCE, Unavailable, open_data
from gateway.review.prices import Published, Step

TODAY = "2026-11-27"
OPENAI = ["https://api.openai.com/v1"]


def step(above, **figures):
    return Step(above, {name: Decimal(figure) for name, figure in figures.items()})


@pytest.fixture
def data(monkeypatch):
    price_data.install(monkeypatch)
    return open_data(None, fetch=False)


USUAL = {"cache_read": "0.4", "cache_write": "5", "cache_write_long": "8", "audio_input": "40", "reasoning": "21", "audio_output": "80"}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("plain", Published((step(0, input="2", cache_read="0.2", output="12"),))),
        (
            "rich",
            Published(
                (step(0, input="4", output="20", **USUAL), step(100, input="8", output="30", **USUAL)),
                {
                    "flex": (step(0, input="2", output="10", **USUAL), step(100, input="4", output="15", **USUAL)),
                    "batch": (step(0, input="1", output="20", **USUAL), step(100, input="1", output="30", **USUAL)),
                },
            ),
        ),
        ("hourly", Published((step(0, input="2", output="5"),))),
        ("fine", Published((step(0, input="0.0000001", output="1"),))),
    ],
)
def test_what_is_published_of_a_model(data, model, expected):
    """The dearest of a day, and of the variants those that are a service tier by now."""
    (known,) = data.known(model, OPENAI, TODAY)
    assert (known.provider, known.published) == ("openai", expected)


def test_a_price_is_known_before_its_day(data):
    (known,) = data.known("rising", OPENAI, TODAY)
    assert known.published.steps[0].figures["input"] == 2
    assert known.announced == {"2026-12-01": Published((step(0, input="3", output="12"),))}
    (after,) = data.known("rising", OPENAI, "2026-12-01")
    assert (after.published.steps[0].figures["input"], after.announced) == (3, {})


@pytest.mark.parametrize(
    ("model", "urls", "expected"),
    [
        ("plain", OPENAI, ["openai"]),
        ("plain", [], ["openai"]),
        ("shared", [*OPENAI, "https://other/v1"], ["openai", "other"]),
        ("shared", ["https://other/v1"], ["other"]),
        ("plain", ["https://elsewhere/v1"], []),
        ("plain", ["https://other/v1"], []),
        ("unheard-of", [], []),
        ("unheard-of", OPENAI, []),
        ("picture", OPENAI, []),
    ],
)
def test_those_are_asked_who_serve_it(data, model, urls, expected):
    assert [each.provider for each in data.known(model, urls, TODAY)] == expected


def test_a_file_and_the_network_come_instead(monkeypatch, tmp_path):
    price_data.install(monkeypatch)
    (tmp_path / "data.json").write_text(price_data.RAW)
    of_file, of_network = open_data(tmp_path / "data.json", fetch=False), open_data(None, fetch=True)
    assert [data.known("plain", [], TODAY)[0].provider for data in (of_file, of_network)] == ["file", "net"]
    assert of_file.version == "9.9.9"


@pytest.mark.parametrize("text", [None, "no json", "{}", '["x"]'])
def test_a_file_that_is_none_of_theirs(monkeypatch, tmp_path, text):
    price_data.install(monkeypatch)
    if text is not None:
        (tmp_path / "data.json").write_text(text.replace("{}", '[{"id": "x"}]'))
    with pytest.raises(Unavailable, match=r"cannot read .*data\.json as data of genai-prices"):
        open_data(tmp_path / "data.json", fetch=False)


def test_a_network_that_is_down(monkeypatch):
    price_data.install(monkeypatch)
    monkeypatch.setattr(sys.modules["genai_prices"].UpdatePrices, "fetch", lambda _: 1 / 0)
    with pytest.raises(Unavailable, match="cannot fetch the newest prices: division by zero"):
        open_data(None, fetch=True)


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    with pytest.raises(Unavailable, match=r"pip install 'gateway\[prices\]'"):
        open_data(None, fetch=False)


def test_the_real_package():
    """Where it is installed: its shape is the one that the rest of this file takes it to have."""
    pytest.importorskip("genai_prices")
    data = open_data(None, fetch=False)
    (sol,) = data.known("gpt-5.6-sol", OPENAI, TODAY)
    assert {"input", "output", "cache_read", "cache_write"} == sol.published.steps[0].figures.keys()
    assert [each.above for each in sol.published.steps] == [0, 272_000]
    assert {"flex", "priority", "batch"} <= sol.published.services.keys()
    (haiku,) = data.known("claude-haiku-5-5", ["https://api.anthropic.com/v1"], TODAY)
    assert "cache_write_long" in haiku.published.steps[0].figures
    assert SOURCE == "genai-prices"
