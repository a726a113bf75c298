"""What a `require` may ask for: a closed list. Each row says when it is discharged, and whether something is done.

Discharged is a question about request and backend, so a policy with obligations is decided, and proved, like any other.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from gateway.policy.document import Mark
from gateway.policy.model import Atom

_HERE = Mark("gateway/policy/obligations.py")
_REDACTED = Atom("request", "redaction", "in", frozenset({"done"}), "redaction is done", _HERE)
_REGION = Atom("backend", "region", "declared", frozenset(), "region declared", _HERE)
_KEEPS_NOTHING = Atom("backend", "retention", "in", frozenset({"none", "zdr"}), "retention is none, zdr", _HERE)


class Discharge(msgspec.Struct, frozen=True):
    """One obligation. It is discharged when all of `when` is true; None: this gateway cannot, so it denies.

    `takes`: it carries a figure, and the smallest one counts; or the tags of the findings that it is about, and all
    that are named count. `acts`: something is done to the request or its answer; the others hold by how this gateway is
    built, or by what the backend is.
    """

    name: str
    meaning: str
    when: tuple[Atom, ...] | None = ()
    takes: Literal["", "figure", "tags"] = ""
    acts: bool = False


_ROWS = (
    Discharge("redact", "findings with these tags are taken out first", (_REDACTED,), takes="tags"),
    Discharge("rescan", "the redacted text is scanned again, in full", (_REDACTED,)),
    Discharge("no_prompt_log", "no prompt text is kept: this gateway never keeps any"),
    Discharge("no_cache", "the answer is not cached: this gateway has no cache"),
    Discharge("region_pin", "the backend declares where it processes", (_REGION,)),
    Discharge("zdr_only", "the operator keeps no prompts", (_KEEPS_NOTHING,)),
    Discharge("max_output_tokens", "the answer is limited to so many tokens", takes="figure", acts=True),
    Discharge("strip_images", "images are taken out first", acts=True),
    Discharge("scan_answer", "the answer is cut off before it shows findings with these tags", takes="tags", acts=True),
    Discharge("human_approval", "a person approves the request first; not in this version, so it denies", None),
    Discharge("canary_watermark", "a canary goes into the prompt; not in this version, so it denies", None),
)

OBLIGATIONS: Mapping[str, Discharge] = {row.name: row for row in _ROWS}
