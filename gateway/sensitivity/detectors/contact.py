"""How a person is reached: e-mail, phone, street (weak)."""

from gateway.sensitivity.detector import Detector, pattern

ROWS: tuple[Detector, ...] = (
    pattern(
        "contact.email",
        "email",
        r"[A-Za-z0-9._%+\-]{1,64}@(?:[A-Za-z0-9\-]{1,63}\.){1,8}[A-Za-z][A-Za-z0-9\-]{1,62}\b",
        trigger=r"[A-Za-z0-9._%+\-]@[A-Za-z0-9]",
    ),
)
