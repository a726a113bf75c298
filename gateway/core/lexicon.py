"""How terms of a dictionary and texts are written so that they can be compared: character for character, so that a
place in what is written anew is the same place in the text."""

import unicodedata

SHORTEST, LONGEST = 3, 200
"""Characters of a term."""
SHARD_TERMS = 4096
"""How many terms are looked for together. An automaton of so many is made in 10 ms, without a break for anybody else;
ten times as many take 40 times as long."""

_SPACES = dict.fromkeys(map(ord, "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000"), " ")
_SPACES |= dict.fromkeys(range(0x2000, 0x200B), " ")
_PLAIN = bytes(ord(_SPACES.get(each, chr(each))) for each in range(128)) + bytes(128)
_FOLDS = _SPACES | {0x3C2: "\u03c3"}  # a small sigma at the end of a word is one, too


def written(text: str, *, ignore_case: bool) -> str:
    """A text as it is compared: any white space is a space and, if case does not matter, letters are small ones.

    As many characters as before: what has no single small letter keeps the first one of it.
    """
    if text.isascii():  # the same, in a quarter of the time for a short one
        return (text.lower() if ignore_case else text).encode().translate(_PLAIN).decode()
    if not ignore_case:
        return text.translate(_SPACES)
    small = text.lower()
    if len(small) != len(text):
        small = "".join(each.lower()[0] for each in text)
    return small.translate(_FOLDS)


def ways(term: str, *, ignore_case: bool) -> tuple[str, ...]:
    """A term, whose words one space is between, in each of the ways that Unicode has to write it: composed, decomposed,
    and in plain characters."""
    if term.isascii():
        return (term.lower() if ignore_case else term,)
    forms = (unicodedata.normalize(form, term) for form in ("NFC", "NFD", "NFKC"))
    return tuple(dict.fromkeys(written(" ".join(each.split()), ignore_case=ignore_case) for each in forms))


def shards(terms: set[str]) -> tuple[str, ...]:
    """Terms in portions, one a line. Sorted, so that those of a portion begin alike and most texts have none of it."""
    ordered = sorted(terms)
    return tuple("\n".join(ordered[at : at + SHARD_TERMS]) for at in range(0, len(ordered), SHARD_TERMS))
