"""What a policy means, in forty lines, straight from its written rules. Slow, plain, and it knows nothing of the gateway.

A request and a backend are dicts from attribute to a word, a set of words, or None for unknown. T, F, U: True, False, None.
"""

from operator import ge, gt, le, lt

COMPARED = {">=": ge, ">": gt, "<=": le, "<": lt}
LEVELS = ["public", "internal", "confidential", "restricted"]
DISCHARGED_BY = {
    "redact": {"redaction": "done"},
    "rescan": {"redaction": "done"},
    "region_pin": {"region": "declared"},
    "zdr_only": {"retention": ["none", "zdr"]},
}
NOT_BUILT = ("human_approval", "canary_watermark")


def every(truths):
    truths = list(truths)
    return False if False in truths else None if None in truths else True


def holds(written, value, backend):
    if written in ("any", "declared"):
        return written == "any" or value is not None
    form, words = next(iter(written.items())) if isinstance(written, dict) else ("in", written)
    if isinstance(words, str) and words.startswith("backend."):
        words = backend.get(words.removeprefix("backend."))
    if value is None or words is None:
        return None
    if isinstance(words, str) and words[0] in "<>":
        operator, bound = words.split()
        order = LEVELS if bound in LEVELS else [str(number) for number in range(100)]
        words = [w for w in order if COMPARED[operator](order.index(w), order.index(bound))]
    words = [str(w) for w in (words if isinstance(words, list | frozenset) else [words])]
    if form in ("any", "all", "none"):
        found = [w in value for w in words]
        return all(found) if form == "all" else any(found) is (form == "any")
    return (value in words) is (form == "in")


def speaks_of(scope, request, backend):
    asked = [(w, (request if side == "when" else backend)[a]) for side in scope for a, w in scope[side].items()]
    return every(holds(written, value, backend) for written, value in asked)


def discharged(do, request, backend):
    names = [next(iter(item)) if isinstance(item, dict) else item for item in do]
    wanted = [
        {"when" if a == "redaction" else "to": {a: w}} for n in names for a, w in DISCHARGED_BY.get(n, {}).items()
    ]
    return not set(names) & set(NOT_BUILT) and all(speaks_of(s, request, backend) is True for s in wanted)


def verdict(rules, request, backend):
    """The ids of the permits that count, and of the rules that forbid."""
    permits, forbids = set(), set()
    for rule in rules:
        do = rule.get("require", {}).get("do", [])
        scope = {
            k: v for k, v in next(rule[e] for e in ("permit", "forbid", "require") if e in rule).items() if k != "do"
        }
        truth = speaks_of(scope, request, backend)
        if "permit" in rule:
            permits |= {rule["id"]} if truth is True and discharged(do, request, backend) else set()
        elif truth is not False and not (do and discharged(do, request, backend)):
            forbids.add(rule["id"])
    return permits, forbids
