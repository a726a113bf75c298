"""The table of detectors. A row is one detector; a file is one family."""

from gateway.sensitivity.detector import Detector
from gateway.sensitivity.detectors import code, contact, identifiers, payment, secrets

DETECTORS: tuple[Detector, ...] = (*secrets.ROWS, *payment.ROWS, *identifiers.ROWS, *contact.ROWS, *code.ROWS)
