"""Spenders are told apart by every dimension, and are the same wherever they are made."""

from typing import get_args

import msgspec
import pytest

from gateway.core.budget import Dimension
from gateway.core.spender import Spender

SOMEBODY = Spender("k", "t", "a", "p", "v", "z")


def test_there_is_a_value_for_each_dimension_of_a_limit():
    assert {"organisation", *Spender.__struct_fields__} == set(get_args(Dimension))


@pytest.mark.parametrize("dimension", Spender.__struct_fields__)
@pytest.mark.parametrize("value", ["other", None])
def test_each_dimension_tells_spenders_apart(dimension, value):
    other = msgspec.structs.replace(SOMEBODY, **{dimension: value})
    assert len({SOMEBODY, other, msgspec.structs.replace(SOMEBODY)}) == 2
