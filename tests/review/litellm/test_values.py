"""Findings: each is told once, in the order in which it was found."""

from gateway.review.litellm.values import Findings, Note


def test_findings():
    found = Findings()
    found.note("b", "why", "do", "m")
    found.note("a", "why", "do")
    found.note("b", "why", "do", "n", "m")
    found.note("b", "another", "do", "o")
    assert found.notes() == (
        Note("b", "why", "do", ("m", "n")),
        Note("a", "why", "do"),
        Note("b", "another", "do", ("o",)),
    )
    assert [key for key in ("a", "b", "c") if found.has(key)] == ["a", "b"]


def test_carried_keys():
    found = Findings()
    found.carried("router_settings", ["timeout"])
    found.carried("", ["model_list"])
    found.carried("router_settings", {"timeout"})
    assert found.keys() == ("model_list", "router_settings.timeout")
