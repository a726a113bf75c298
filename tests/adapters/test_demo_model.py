"""The demo model: a real llama.cpp server."""

import httpx2

from gateway.adapters import demo_model


def test_it_serves_its_model(llama):
    assert [model["id"] for model in httpx2.get(f"{llama}/models").json()["data"]] == [demo_model.MODEL]


def test_without_the_packages_there_are_no_weights(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert demo_model.weights() is None
