"""Every problem that a policy tree can have, by its code: what it means, and what to do about it.

A code is stable and never used for anything else. P0xx: the file; P1xx: what is written in it; P2xx: what is odd about
a tree that loads; P3xx: invariants and differences; P4xx: tests.
"""

from collections.abc import Mapping

import msgspec


class Code(msgspec.Struct, frozen=True):
    """What a code means, and what to do."""

    meaning: str
    remedy: str


CODES: Mapping[str, Code] = {
    "P001": Code("the file is not readable as YAML, or is too large", "mend what is at the mark"),
    "P002": Code("a key stands twice in one mapping", "keep one of them"),
    "P003": Code("YAML that could hide something: anchors, tags, directives, depth", "write values out"),
    "P004": Code("no kind of policy file has this name, or it cannot be read", "rename it, or move it out of the tree"),
    "P005": Code("the tree has no vocabulary.yaml", "copy the one that is shipped"),
    "P006": Code("a generated file is not what would be generated now", "run `gateway policy schema --write`"),
    "P101": Code("an unknown field", "check its spelling; the reference names the fields"),
    "P102": Code("a field is missing, or its value has the wrong form", "write it as the message says"),
    "P103": Code("a word that the vocabulary, the catalog or the rules do not have", "check it, or add it there"),
    "P104": Code("an unknown attribute, or one of the other side", "see the attributes in the reference"),
    "P105": Code("a name is taken", "choose another"),
    "P106": Code("fields that do not go together", "write one of them, as the message says"),
    "P107": Code("a backend has no address", "give it a `base_url`"),
    "P108": Code("the price book does not have the model", "add a row to prices.yaml, or write the price out"),
    "P109": Code("the layer of a project permits something", "a layer only narrows: permit it in policies/"),
    "P110": Code("an exception that nobody may make", "four hours at most, breakable rules only, two who approve"),
    "P111": Code("a pattern that RE2 does not take, that is too large, or matches nothing", "write it otherwise"),
    "P112": Code("a dictionary that cannot be read, or a term in it that cannot be used", "mend it at the line"),
    "P201": Code("a rule that matches nothing", "mend its conditions, or delete it"),
    "P202": Code("a permit that changes nothing: others decide all of it", "delete it, or what covers it"),
    "P203": Code("a forbid that changes nothing, or guards what no permit reaches", "delete it, or keep the guard"),
    "P204": Code("a forbid cuts a permit; for your information", "nothing, if that is meant"),
    "P205": Code("a backend that no request can reach", "permit it to somebody, or delete it"),
    "P206": Code("requests that nobody may serve", "permit a backend to them, if that is not meant"),
    "P207": Code("facts of a backend are older than they should be", "check them, and set a later `review_by`"),
    "P208": Code("an exception has expired, or soon will", "delete it"),
    "P209": Code("no test fails when the rule is deleted or widened", "write the test that would"),
    "P210": Code("an id is used twice", "rename one"),
    "P211": Code("a condition that others of the rule imply", "delete it"),
    "P212": Code("a chain of fallbacks or substitutes has an end that is never reached", "shorten it"),
    "P301": Code("an invariant does not hold; a request shows it", "mend the rules, not the invariant"),
    "P302": Code("the proof of an invariant ran out of its budget", "simplify the rules, or write policy.lock"),
    "P303": Code("a change permits what was not permitted before", "see that it is meant; its examples say what"),
    "P304": Code("a change denies what was permitted before; for your information", "tell whoever relied on it"),
    "P305": Code("policy.lock does not count for the tree", "write it again: `gateway policy prove --lock`"),
    "P306": Code("a tree is not signed as GATEWAY_POLICY_KEY asks for", "sign what is meant: `gateway policy sign`"),
    "P401": Code("a test does not come out as it expects", "mend the rule or the test"),
}  # fmt: skip
