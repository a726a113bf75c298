"""The closed table of what can be found in a text."""

import re

from gateway.core.kinds import KINDS
from gateway.core.labels import LEVELS


def test_every_kind_is_a_word_and_raises_a_level_or_has_a_tag():
    assert [
        name for name, kind in KINDS.items() if kind.name != name or not re.fullmatch("[a-z][a-z_]{0,31}", name)
    ] == []
    assert {kind.level for kind in KINDS.values()} - {None} <= set(LEVELS)
    assert [name for name, kind in KINDS.items() if kind.level is None and kind.tag is None] == []
