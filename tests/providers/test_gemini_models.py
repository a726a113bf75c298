"""The families of Gemini's models."""

import pytest

from gateway.providers.gemini_models import family_of


@pytest.mark.parametrize(
    ("model", "none", "medium", "most"),
    [
        ("gemini-2.5-flash", 0, 8192, 24576),
        ("gemini-2.5-flash-lite", 0, 8192, 24576),
        ("gemini-2.5-pro", 128, 8192, 32768),
        ("gemini-3-pro-preview", "LOW", "HIGH", "HIGH"),
        ("gemini-3.1-pro-preview", "LOW", "MEDIUM", "HIGH"),
        ("gemini-3-flash-preview", "MINIMAL", "MEDIUM", "HIGH"),
        ("gemini-3.5-flash", "MINIMAL", "MEDIUM", "HIGH"),
        ("gemini-3.5-flash-lite", "MINIMAL", "MEDIUM", "HIGH"),
        ("gemini-3.6-flash", "MINIMAL", "MEDIUM", "HIGH"),
        ("gemini-3.8-flash", "LOW", "MEDIUM", "HIGH"),
        ("gemini-3.10-flash", "LOW", "MEDIUM", "HIGH"),
        ("gemini-4-argon", "LOW", "MEDIUM", "HIGH"),
        ("gemini-flash-latest", "LOW", "MEDIUM", "HIGH"),
        ("publishers/google/models/Gemini-2.5-Pro", 128, 8192, 32768),
    ],
)
def test_each_family_thinks_in_its_own_terms(model, none, medium, most):
    efforts = family_of(model).efforts
    assert (efforts["none"], efforts["medium"], efforts["max"]) == (none, medium, most)


@pytest.mark.parametrize(
    "model",
    ["gemini-2.0-flash", "gemini-1.5-pro", "gemini-2.5-flash-image", "gemini-3-pro-image", "gemma-3-27b-it", "mine"],
)
def test_some_do_not_think(model):
    assert not family_of(model).efforts


@pytest.mark.parametrize(
    ("quality", "has", "has_not"),
    [
        ("samples", "gemini-3.5-flash", "gemini-3.5-flash-lite"),
        ("samples", "gemini-3.1-pro-preview", "gemini-3.6-flash"),
        ("choices", "gemini-2.5-flash", "gemini-3-flash-preview"),
        ("penalties", "gemini-2.0-flash", "gemini-2.5-flash"),
        ("json_with_tools", "gemini-3-flash-preview", "gemini-2.5-pro"),
        ("fetches", "gemini-2.5-flash", "gemini-2.0-flash"),
        ("signed", "gemini-3-flash-preview", "gemini-2.5-flash"),
        ("shows", "gemini-4-argon", "gemini-2.5-flash"),
        ("continues", "gemini-3.5-flash", "gemini-3.6-flash"),
        ("system", "gemini-2.0-flash", "gemma-3-27b-it"),
    ],
)
def test_what_one_family_has_and_another_has_not(quality, has, has_not):
    assert (getattr(family_of(has), quality), getattr(family_of(has_not), quality)) == (True, False)
