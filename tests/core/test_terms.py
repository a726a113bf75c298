"""What an operator says about the scanner, as a value."""

import pickle

from gateway.core.kinds import KINDS
from gateway.core.terms import BUILT_IN, Dictionary, OwnDetector, ScannerTerms


def test_where_nobody_says_anything_every_built_in_kind_is_on():
    assert {kind.name: kind for kind in BUILT_IN.kinds} == KINDS
    assert (BUILT_IN.detectors, BUILT_IN.dictionaries) == ((), ())


def test_it_can_be_handed_from_one_process_to_another():
    terms = ScannerTerms(
        detectors=(OwnDetector("a", "b", "internal", None, ("c",)),),
        dictionaries=(Dictionary("d", ("acme\nzeta",), "confidential", "pii"),),
        digest="e",
    )
    assert pickle.loads(pickle.dumps(terms)) == terms
