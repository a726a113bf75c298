"""Credentials: keys, tokens, passwords, connection strings. One module for each way to know them."""

from gateway.sensitivity.detector import Detector
from gateway.sensitivity.detectors import assignments, connections, key_blocks, provider_tokens, service_tokens

ROWS: tuple[Detector, ...] = (
    *provider_tokens.ROWS,
    *service_tokens.ROWS,
    *key_blocks.ROWS,
    *connections.ROWS,
    *assignments.ROWS,
)
