"""Values that look like credentials and are nobody's: generated, so that none stands in a file."""

import random
import re
from string import ascii_lowercase, ascii_uppercase, digits

ALPHABETS = {
    "A": ascii_lowercase + ascii_uppercase + digits,
    "a": ascii_lowercase + digits,
    "b": ascii_lowercase + "234567",
    "D": digits,
    "H": digits + "abcdef",
    "L": ascii_lowercase,
    "U": ascii_uppercase + digits,
    "W": ascii_lowercase + ascii_uppercase + digits + "_-",
}


def filled(template: str) -> str:
    """A template with `{A36}` as 36 letters and digits, `{H40}` as 40 of hexadecimal, `{G}` as a UUID; always the same."""
    chosen = random.Random(template)

    def characters(alphabet, count):
        text = "".join(chosen.choice(ALPHABETS[alphabet]) for _ in range(count))
        return (
            text.replace("-", "_")
            if count < 3
            else text[:-1].replace("--", "_a") + (text[-1] if text[-1].isalnum() else "Z")
        )

    def value(match):
        if match[0] == "{G}":
            return "-".join(characters("H", count) for count in (8, 4, 4, 4, 12))
        return characters(match[1], int(match[2]))

    return re.sub(r"\{(?:G|([A-Za-z])(\d+))\}", value, template)
