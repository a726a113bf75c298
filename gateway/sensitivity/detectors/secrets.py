"""Credentials: keys, tokens, passwords, connection strings."""

from gateway.sensitivity.detector import Detector

ROWS: tuple[Detector, ...] = ()
