"""What keeps a tree from loading after it was parsed."""

from gateway.policy.model import Bundle
from gateway.policy.vocabulary import Vocabulary
from gateway.review.load import check


def test_a_tree_that_promises_nothing_breaks_no_promise():
    assert check(Bundle("digest", Vocabulary({}), (), ())) == ()
