"""Kinds under the name that detectors import them by."""

from gateway.core import kinds as core
from gateway.sensitivity import kinds


def test_it_is_the_table_of_core():
    assert kinds.KINDS is core.KINDS
    assert kinds.Kind is core.Kind
