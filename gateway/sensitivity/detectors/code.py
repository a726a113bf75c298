"""Source code, and names of machines inside: tags, not labels."""

from gateway.sensitivity.detector import Detector

ROWS: tuple[Detector, ...] = ()
