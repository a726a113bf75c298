"""The same SQL for both kinds of tables."""

import pytest

from gateway.adapters.tables import numbered


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT a FROM b WHERE c = ? AND d > ?", "SELECT a FROM b WHERE c = $1 AND d > $2"),
        ("INSERT INTO a VALUES (?, ?)", "INSERT INTO a VALUES ($1, $2)"),
    ],
)
def test_values_have_numbers_in_postgresql(written, expected):
    assert numbered(written) == expected
