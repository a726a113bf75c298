import pytest

from gateway.sensitivity.detectors.addresses import ROWS
from gateway.sensitivity.sight import Sight

CASES = {
    "address.english": ("lives at 221B Baker Street, London", "in 1999 the street was long"),
    "address.romance": ("Domicilio: C/ Mayor, 14, 2 A", "la calle es larga"),
    "address.french": ("habite 12 bis, rue de la Paix", "la rue 12"),
    "address.germanic": ("wohnt in der Lindenstraße 12a", "die Straße war 12 km lang"),
    "address.box": ("P.O. Box 1234, Reno", "a box of 12"),
    "address.chinese": ("住在北京市海淀区中关村大街27号", "第27号"),
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_streets(row):
    has, has_not = CASES[row.id]
    assert list(row.find(Sight(has)))
    assert list(row.find(Sight(has_not))) == []


@pytest.mark.parametrize(
    "text",
    [
        "ul. Marszałkowska 10/12",
        "via Roma 3",
        "Av. de la Vega, 18",
        "Rua Augusta 100",
        "Plaza Mayor s/n",
        "os. Zielone 5",
    ],
)
def test_one_way_to_write_serves_many_languages(text):
    assert list(ROWS[1].find(Sight(text)))
