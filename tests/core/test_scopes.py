"""The closed set of scopes."""

from typing import get_args

from gateway.core.scopes import ADMIN_SCOPES, DEFAULT_SCOPES, SCOPES, Scope


def test_every_scope_is_a_row_and_no_other_is():
    assert set(SCOPES) == set(get_args(Scope))
    assert all(SCOPES.values())


def test_a_key_that_says_nothing_is_for_an_application_and_for_no_operator():
    assert set(DEFAULT_SCOPES) < set(SCOPES)
    assert ADMIN_SCOPES == {"admin:read", "admin:write"}
    assert not ADMIN_SCOPES & set(DEFAULT_SCOPES)
    assert "metrics" not in DEFAULT_SCOPES
