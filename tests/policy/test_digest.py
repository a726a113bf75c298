"""A digest names exactly these files and bytes."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.digest import SHOWN, digest_of, tree_of, whole_digest_of


@given(st.dictionaries(st.sampled_from(["a", "b", "c/d"]), st.binary(max_size=4), min_size=1), st.data())
def test_the_digest_changes_with_any_byte_and_name(files, data):
    name = data.draw(st.sampled_from(sorted(files)))
    moved = {(key if key != name else name + "x"): raw for key, raw in files.items()}
    longer = files | {name: files[name] + b"\0"}
    flipped = longer | {name: files[name] + b"\1"}
    assert len({digest_of(each) for each in (files, moved, longer, flipped, {**files, "e": b""})}) == 5


def test_the_digest_has_no_seams():
    assert digest_of({"a": b"1", "b": b"2"}) != digest_of({"a": b"1b\x001\x002"})
    assert digest_of({"a": b"1", "b": b"2"}) == digest_of({"b": b"2", "a": b"1"})


def test_what_is_shown_is_the_beginning_of_the_whole():
    whole = whole_digest_of({"a": b"1"})
    assert (len(whole), whole[:SHOWN], SHOWN) == (64, digest_of({"a": b"1"}), 16)


def test_the_tree_is_what_stands_before_suspensions_and_days():
    named = digest_of({"a": b"1"})
    assert {
        tree_of(each) for each in (named, f"{named}+0a1b2c", f"{named}@2026-06-12", f"{named}+0a1b2c@2026-06-12")
    } == {named}
