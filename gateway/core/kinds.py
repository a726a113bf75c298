"""What can be found in a text: a closed table. A kind says how sensitive it makes a request, and how rules call it."""

from collections.abc import Mapping

import msgspec


class Kind(msgspec.Struct, frozen=True):
    """One kind of finding: the level that it raises a request to (None: none), and its tag for policies."""

    name: str
    level: str | None
    tag: str | None


_ROWS = (
    Kind("secret", "restricted", "secret"),
    Kind("credit_card", "confidential", "pii"),
    Kind("iban", "confidential", "pii"),
    Kind("bank_account", "confidential", "pii"),
    Kind("crypto_wallet", "confidential", "pii"),
    Kind("national_id", "confidential", "pii"),
    Kind("tax_id", "confidential", "pii"),
    Kind("passport", "confidential", "pii"),
    Kind("driver_license", "confidential", "pii"),
    Kind("medical_id", "confidential", "pii"),
    Kind("other_id", "confidential", "pii"),  # a customer, a policy, a member: whom it means is in somebody's file
    Kind("vehicle_plate", "confidential", "pii"),
    Kind("postcode", "confidential", "pii"),  # British ones only: a dozen doors each
    Kind("email", "confidential", "pii"),
    Kind("phone", "confidential", "pii"),
    Kind("address", "internal", None),  # weak: a street alone names nobody
    Kind("person", "internal", None),  # from the optional recogniser only
    Kind("code", None, "source_code"),
    Kind("internal_host", "internal", None),
)

KINDS: Mapping[str, Kind] = {row.name: row for row in _ROWS}
