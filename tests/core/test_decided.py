"""A decision as it is noted: what many have in common is known again by its bytes, whoever made it."""

from gateway.core.decided import Decided


def test_what_was_read_back_is_what_was_noted():
    noted = Decided(b'{"policy_digest":"d"}', b'["dec-1"]')
    assert Decided(bytes(bytearray(noted.shared)), noted.own) == noted
    assert noted.decision is None
