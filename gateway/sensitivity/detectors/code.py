"""Source code: a tag, not a label. Several independent signs must agree, and most lines must carry one.

A line is certain (nobody writes it but in a programming language), likely, or neither. Prose with a code word, data and
lock files have lines of the last sort only.
"""

# ruff: noqa: E501, SIM905 - expressions and lists of words are read whole

import re
from collections.abc import Iterator

import msgspec

from gateway.sensitivity.detector import Detector, Hit
from gateway.sensitivity.detectors import hosts
from gateway.sensitivity.sight import Sight

_CERTAIN = re.compile(
    r"(?:async )?def \w{1,80}\(|class \w{1,80}(?:\([\w., =\[\]]{0,120}\))?:\s*(?:#|$)|(?:export |public |abstract |final |data )*(?:class|interface|enum|struct|trait|impl) [\w<>,: ]{1,100}\{"
    r"|from [\w.]{1,100} import [\w*(]|import [\w.]{1,100}(?: as \w{1,40})?;?$|import (?:[\w*{][^;\"']{0,200} from )?[\"']|import (?:static )?[\w.]{3,100}(?:\.\*)?;"
    r"|#\s?(?:include\s{0,4}[<\"]|define \w|ifn?def \w|pragma \w)|using (?:namespace )?[\w.:]{1,80};|package [\w.]{1,80};|use [\w:\\]{3,80}(?:::\{[^}]{0,200}\})?;|namespace [\w.:\\]{1,80}\s?[;{]"
    r"|(?:export |default |async )*function\b\s?\*?\s?\w{0,80}\s?\([^)]{0,200}\)\s?\{?|(?:pub |async |unsafe )*fn \w{1,80}\s?[<(]|func (?:\([^)]{1,80}\) )?\w{1,80}\("
    r"|(?:public|private|protected|internal|static|final|virtual|override|inline|extern|unsigned)\s[\w<>\[\],:&* ]{1,100}[({=;]"
    r"|(?:int|void|char|bool|float|double|long|string|String|auto|size_t|unsigned)\s[*&]?\w{1,60}(?:\[\w{0,20}\])?\s?(?:\([^)]{0,200}\)\s?\{?$|=[^=].{0,300};|;)"
    r"|(?:const|let|var|val)\s[\w{}\[\], :<>]{1,80}\s?=[^=]|(?:if|while|for|switch|catch|foreach)\s?\(.{1,200}\)\s?\{?$|\}\s?else\s?(?:if\s?\(.{1,200}\)\s?)?\{|for \w{1,40}(?:, ?\w{1,40}){0,3} in .{1,200}:$"
    r"|(?:if|elif|while) (?:not )?[\w.(\"'\[].{0,200}:$|except(?: \(?[\w., ]{1,100}\)?)?(?: as \w{1,40})?:$|(?:try|else|finally):$|with [\w.]{1,80}\(.{0,200}\)(?: as \w{1,40})?:$|if __name__ =="
    r"|(?:self|this)(?:\.|->)\w{1,80}(?:\.\w{1,80}|\[[^\]]{1,60}\])?\s?[+\-*/|]?=[^=]|\$\w{1,60}(?:->\w{1,60}|\[[^\]]{1,60}\])?\s?\.?=[^=].{0,300};$|(?:console|System|fmt|std|Math|document|window|os|sys|np|pd|plt|torch|json|re)(?:\.|::)[\w.:]{1,60}\("
    r"|print(?:f|ln|ln!)?\(.{0,300}\)\s?;?$|cout\s?<<|return (?:self|this|None|True|False|true|false|null|nil|new |await |lambda )?[\w.]{0,80}[(\[{.;].{0,200}$|@\w[\w.]{0,80}(?:\(.{0,200}\))?$"
    r"|<\?php|#!/|<(?:script|style|!DOCTYPE|html|div|template|head|body)\b[^>]{0,200}>|(?:SELECT\s.{1,300}\sFROM|INSERT INTO|CREATE (?:TABLE|VIEW|INDEX|FUNCTION)|UPDATE \w{1,60} SET|ALTER TABLE|DELETE FROM)\s"
    r"|(?:raise|throw) (?:new )?\w{1,60}\(|(?:await|yield|lambda|defer|del|assert|elsif|unless|puts|require|require_relative|attr_\w{1,10}) ?[(\"':@\w]{1,3}[\w.]{0,60}[(:\"'=\[].{0,200}$|local \w{1,60}\s?=|module \w{1,60}$|[a-z_]\w{0,60}(?:\.[a-z_]\w{0,60}){1,4}\([^)]{0,200}\)[;,]?$|[\w.]{1,60}(?:: [\w\[\], .]{1,60})? = [A-Z]\w{1,60}\($|[\"'\w]{1,60}[\"']?[=:] ?[\w.]{1,60} ?\+ ?[\"']|\w{1,60}\s?:?=\s?(?:function|func|lambda)\b"
)
# Anywhere in a line. Each sign is told by one of its characters, so that all others are passed over at once.
_SIGN = re.compile(
    r"[;{)=&|!+\[(.](?:(?<=[;{])$|(?<=\))(?:[,;:]?$|\s?->)|(?<==)>|(?<=&)&|(?<=\|)\|[^|]|(?<=[!=])==?[^=]|(?<=\+)\+"
    r"|(?<=[\w\])]\[)[\w\"':.\-]{1,60}\]|(?<=\w\()\)|(?:(?<=\bself\.)|(?<=\bthis\.)|(?<=\bcls\.))\w)"
)
_LIKELY = re.compile(
    r"[\w.\[\]\"'*, ]{1,120}\s?[+\-*/|:]?=\s?[\w\"'(\[{\-&*!.].{0,300}$"
    r"|[\])}]{1,4}[,;)]{0,3}$|(?://|/\*|\*/|#|--|;;)\s?\w?|\"\"\"|'''|[\"'][\w.\- ]{1,80}[\"'](?::|,$)|[\w.]{1,80},$|\w{1,60}:\s?[\w\[\]., |]{1,80}(?:\s?=.{1,100})?,$|(?:return|break|continue|pass|end|yield|raise|throw)\b[^.?!]{0,100}$|</?[a-zA-Z][^>]{0,200}>"
)
_DATA = re.compile(
    r"[\"'][^\"']{0,200}[\"'](?:\s?:\s?.{0,300})?,?$|[\])}{\[]{1,4},?$|\[{1,2}[\w.\-\"]{1,80}\]{1,2}$|[\w.\-]{1,80} = (?:\"[^\"]{0,300}\"|\d{1,20}|\[)$|[\w\-]{1,60}:(?:\s.{0,300})?$|- .{1,300}$"
)
_FENCE = re.compile(r"(?m)^[ \t]{0,8}(```|~~~)[ \t]{0,4}([\w+#.\-]{0,30})[^\n]{0,100}\n")
_NO_CODE = frozenset(
    "text txt plain plaintext markdown md json yaml yml toml ini csv log output console diff none latex tex math".split()
)
_GAP = 6
_MOST_LINES = 20_000
_WIDEST = 400


class Signs(msgspec.Struct):
    """What the lines of a stretch of text look like, counted."""

    start: int
    end: int
    lines: int = 0
    certain: int = 0
    likely: int = 0
    data: int = 0


def _stretches(text: str, start: int, end: int) -> Iterator[Signs]:
    """Stretches of lines with signs, at most some lines without one between them."""
    now: Signs | None = None
    without = 0
    at = start
    for _ in range(_MOST_LINES):
        if at >= end:
            break
        stop = text.find("\n", at, end)
        stop = end if stop < 0 else stop
        line = text[at : min(stop, at + _WIDEST)].strip()
        begin, at = at, stop + 1
        if not line:
            continue
        certain = _CERTAIN.match(line) is not None
        if certain or _SIGN.search(line) is not None or _LIKELY.match(line) is not None:
            if now is None:
                now = Signs(begin, stop)
            now.end = stop
            now.lines += 1 + without
            if certain:
                now.certain += 1
            elif _DATA.match(line) is not None:
                now.data += 1
            else:
                now.likely += 1
            without = 0
        elif now is not None:
            without += 1
            if without > _GAP:
                yield now
                now, without = None, 0
    if now is not None:
        yield now


def _is_code(signs: Signs, whole: int) -> bool:
    """Two certain lines among mostly likely ones; one, where there is hardly anything else."""
    share = (signs.certain + signs.likely + signs.data * 0.5) / max(1, signs.lines)
    if signs.certain >= 3:
        return share >= 0.4
    if signs.certain == 2:
        return share >= 0.5
    if signs.certain == 1:
        return share >= 0.6 and (signs.likely >= 1 or whole <= 2)
    return signs.likely >= 6 and share >= 0.85 and signs.data <= signs.likely // 2


def _find(sight: Sight) -> Iterator[Hit]:
    text = sight.text
    fenced = []
    opened = None
    for fence in _FENCE.finditer(text + "\n"):
        if opened is None:
            opened = fence
            continue
        fenced.append((opened.end(), fence.start(), opened[2].lower()))
        opened = None
    if opened is not None:
        fenced.append((opened.end(), len(text), opened[2].lower()))
    at = 0
    for start, end, language in fenced:
        yield from _judged(text, at, start)
        if language and language not in _NO_CODE:
            yield Hit(start, end, "code", "code.source")
        elif language not in _NO_CODE:
            yield from _judged(text, start, end)
        at = end
    yield from _judged(text, at, len(text))


def _judged(text: str, start: int, end: int) -> Iterator[Hit]:
    if end - start < 8:
        return
    whole = text.count("\n", start, end) + 1
    for signs in _stretches(text, start, end):
        if _is_code(signs, whole):
            yield Hit(signs.start, signs.end, "code", "code.source")


SOURCE = Detector(
    "code.source",
    r"```|~~~|[;{})\],]\s*\n|\w\(|[\w\]] ?[+:]?= ?\S|(?:def|class|import|from|function|func|fn|const|let|var|return|if|for|while|with|except|elif|raise|throw) [A-Za-z_(]+[.(:={;]|#include|<\?php|SELECT |INSERT INTO|CREATE |</[a-z]",
    _find,
)

ROWS: tuple[Detector, ...] = (SOURCE, *hosts.ROWS)
