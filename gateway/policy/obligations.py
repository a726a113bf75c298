"""What a `require` may ask for: a closed list. Each row says when it is discharged, and whether something is done.

Discharged is a question about request and backend, so a policy with obligations is decided, and proved, like any other.
"""

from collections.abc import Mapping

import msgspec

from gateway.policy.document import Mark
from gateway.policy.model import Atom

_HERE = Mark("gateway/policy/obligations.py")
_REDACTED = Atom("request", "redaction", "in", frozenset({"done"}), "redaction is done", _HERE)
_REGION = Atom("backend", "region", "declared", frozenset(), "region declared", _HERE)
_KEEPS_NOTHING = Atom("backend", "retention", "in", frozenset({"none", "zdr"}), "retention is none, zdr", _HERE)


class Discharge(msgspec.Struct, frozen=True):
    """One obligation. It is discharged when all of `when` is true; None: this gateway cannot, so it denies.

    `takes`: it carries a figure, and the smallest one counts. `acts`: something is done to the request as it is sent;
    the others hold by how this gateway is built, or by what the backend is.
    """

    name: str
    meaning: str
    when: tuple[Atom, ...] | None = ()
    takes: bool = False
    acts: bool = False


_ROWS = (
    Discharge("redact", "findings are taken out first", (_REDACTED,)),
    Discharge("rescan", "the redacted text is scanned again, in full", (_REDACTED,)),
    Discharge("no_prompt_log", "no prompt text is kept: this gateway never keeps any"),
    Discharge("no_cache", "the answer is not cached: this gateway has no cache"),
    Discharge("region_pin", "the backend declares where it processes", (_REGION,)),
    Discharge("zdr_only", "the operator keeps no prompts", (_KEEPS_NOTHING,)),
    Discharge("max_output_tokens", "the answer is limited to so many tokens", takes=True, acts=True),
    Discharge("strip_images", "images are taken out first", acts=True),
    Discharge("human_approval", "a person approves the request first; not in this version, so it denies", None),
    Discharge("canary_watermark", "a canary goes into the prompt; not in this version, so it denies", None),
)

OBLIGATIONS: Mapping[str, Discharge] = {row.name: row for row in _ROWS}
