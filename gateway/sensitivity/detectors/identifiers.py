"""Numbers that states, banks and insurers give to people and firms: all tables, put together over one lexicon."""

from functools import partial

from gateway.sensitivity.detector import Detector
from gateway.sensitivity.detectors import labelled, payment, phones, plates
from gateway.sensitivity.detectors.numbers import (
    america,
    asia,
    britain,
    east,
    german,
    iberia,
    india,
    latin,
    north,
    poland,
    south,
    west,
)
from gateway.sensitivity.lexicon import Lexicon
from gateway.sensitivity.shapes import DENIALS, Identifier, Table

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
    *india.ROWS,
    *asia.ROWS,
    *latin.ROWS,
    *south.ROWS,
    *plates.IDENTIFIERS,
)

LEXICON = Lexicon((*(row.words for row in IDENTIFIERS), *labelled.WORDS, *phones.WORDS, DENIALS))

ROWS: tuple[Detector, ...] = (
    Detector("identifiers", "[0-9]", Table(IDENTIFIERS, LEXICON).find),
    Detector("labelled", "[0-9]", partial(labelled.find_labelled, LEXICON)),
    Detector("phones", "[0-9]", partial(phones.find_phone, LEXICON)),
    *plates.ROWS,
)
