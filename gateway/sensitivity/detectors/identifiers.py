"""Numbers that states and insurers give to people and firms, by shape, checksum and the words around them."""

from gateway.sensitivity.detector import Detector
from gateway.sensitivity.detectors import labelled, payment, plates
from gateway.sensitivity.detectors.numbers import (
    america,
    asia,
    britain,
    east,
    german,
    iberia,
    north,
    poland,
    south,
    west,
)
from gateway.sensitivity.shapes import Identifier, Table

IDENTIFIERS: tuple[Identifier, ...] = (
    *payment.IDENTIFIERS,
    *america.ROWS,
    *britain.ROWS,
    *iberia.ROWS,
    *west.ROWS,
    *german.ROWS,
    *north.ROWS,
    *poland.ROWS,
    *east.ROWS,
    *asia.ROWS,
    *south.ROWS,
)

ROWS: tuple[Detector, ...] = (
    Detector("identifiers", "[0-9]", Table(IDENTIFIERS).find),
    *labelled.ROWS,
    *plates.ROWS,
)
