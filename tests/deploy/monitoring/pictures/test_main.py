"""`make pictures` where what it needs is not there."""

import pytest

from deploy.monitoring.pictures import __main__ as pictures


@pytest.mark.parametrize(
    ("there", "told"),
    [
        ({"node", "npm", "prometheus", "promtool"}, "apt install chromium"),
        ({"node", "npm", "chromium"}, "apt install prometheus"),
        (set(), "apt install nodejs npm chromium prometheus"),
    ],
)
def test_what_is_missing_is_named(there, told, monkeypatch, capsys):
    monkeypatch.setattr("shutil.which", lambda program: program if program in there else None)
    assert pictures.main() == 1
    assert capsys.readouterr().err.rstrip().endswith(told)
