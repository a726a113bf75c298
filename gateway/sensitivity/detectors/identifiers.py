"""Numbers that states and insurers give to people and firms, by shape, checksum and the words around them."""

from gateway.sensitivity.detector import Detector

ROWS: tuple[Detector, ...] = ()
