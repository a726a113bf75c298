"""How much a value looks like a credential: placeholders and names of variables do not, random characters do."""

# ruff: noqa: E501, SIM905 - expressions and lists of words are read whole

import re
from enum import IntEnum
from itertools import pairwise
from operator import add
from string import ascii_lowercase, digits

from gateway.sensitivity.sight import Sight, distinct


class Strength(IntEnum):
    """How much of a credential a value is by itself. What a name or a form around it must add is the rows' business."""

    NONE = 0  # a placeholder, a variable, a template, a constant of the language
    WEAK = 1  # a word or several: a password perhaps, a key never
    FAIR = 2  # a word with digits or signs, as people make passwords
    STRONG = 3  # nobody says it aloud


LONGEST = 4096

# Parts that make any value a placeholder, wherever they stand.
_TEMPLATE = re.compile(
    r"\$\{[\w.:\-]{1,80}\}|\{\{[^{}]{1,80}\}\}|\$\([^()]{0,80}\)?|<%|%>|#\{[^{}]{1,80}\}|%\(\w{1,40}\)|\$\[\[|\$\{\{|<[a-z][\w .\-]{1,40}>|\[[a-z][\w .\-]{4,40}\]|&lt;|\{[a-z_][\w.\[\]:\"'()]{2,40}\}"
    r"|\{\d?\}|%[sd]\b|%[a-z].?%[a-z]|__[a-z_]{3,30}__|\.\.\.|…|\*{3}|•{2}|x{6}|-{5}|_{5}|#{4}|={6}|\(\?[:i<]|\[[^\]]{0,20}a-z|\\[wdsb]\b"
    r"|(?<![a-z])(?:your|insert|enter|replace|put)[-_ ]?[a-z_ -]{0,20}(?:pass|secret|token|key|cred|here|value|pwd)"
    r"|change[-_ ]?(?:me|this|it)|replace[-_ ]?(?:me|with|this)|placeholder|redacted|todo|fixme|(?<![a-z])dummy"
    r"|(?<![a-z])(?:example|sample)(?![a-z0-9]{6})|example$|goes[-_ ]?here|not[-_ ]?(?:set|real|used|a[-_ ]?)"
    r"|<your|\[your|(?<![a-z])your[-_]|^your|process\.env|os\.environ|getenv|\bsecrets\.[a-z_]{3,}\b|\benv\."
)
# Values that are variables, calls or paths of a language.
_VARIABLE = re.compile(
    r"\$[a-z_]\w{0,60}(?:$|[./:]|->)|%[a-z_]\w{0,40}%$|@[a-z_]\w{0,40}@$|(?:self|this|cls|args?|opts?|options|params?|config|conf|cfg"
    r"|settings|request|req|res|event|ctx|context|props|state|data|user|account|auth|creds?|credentials|var|local|module|vault"
    r"|env|input|form|body|app|session|process|os|sys|std|my|obj|item|row|response|client|server|node|each|values"
    r")\??[.\[](?:[a-z_]|[\"'])|[a-z_]\w{0,60}(?:\.[a-z_]\w{0,60}){1,6}\(|&[a-z_]\w{0,60}$|[@:]?[a-z_]\w{0,60}\[[\"':]"
)
_CONSTANTS = frozenset(
    """
    none null nil undefined true false yes no on off empty optional required string str int integer number bool
    boolean object any void char byte bytes text varchar unknown default disabled enabled public private static
    const let var function return new await async self this not and or if else in is the a an to for of with
    value values name names test input output type types data error invalid valid missing file path url uri
    readonly false; n/a na tbd nan auto prompt ask stdin env basic bearer digest negotiate token oauth oauth2
    jwt saml ldap kerberos apikey header query body
    """.split()
)
_GENERIC = frozenset(
    """
    password passwords passwd pass pwd passphrase passcode secret secrets token tokens key keys apikey accesskey
    secretkey privatekey publickey authtoken accesstoken refreshtoken apitoken apisecret clientsecret clientid
    credential credentials creds auth login user username email admin_password userpassword dbpassword
    newpassword oldpassword confirmpassword currentpassword repeatpassword passwordfield passwordinput
    passwordhash hashedpassword contrasena contraseña clave senha motdepasse passwort kennwort hasło haslo
    wachtwoord somepassword mysecretkey
    """.split()
)
_ENOUGH = 100  # characters of a value that say whether it is random
_NOT_LETTERS = re.compile(r"[^a-zA-Z]+")
_NOT_DIGITS = re.compile(r"[^0-9]+")
_REPEATED = re.compile(r"(.)\1{3,100}")
_ROW = re.compile(r"abcdefghij|ghijklmnop|klmnopqrst|qrstuvwxyz|0123456789|1234567890|qwertyuiop|asdfghjkl")
_NEXT = frozenset(map(add, ascii_lowercase, ascii_lowercase[1:] + "a")) | frozenset(map(add, digits, digits[1:] + "0"))
_BETWEEN = re.compile(r"[a-zA-Z]\d{1,3}(?=[a-zA-Z])")  # digits within words
_NOT_WORDISH = re.compile(r"[^a-zA-Z]+")
_JOINTS = re.compile(r"[_\-. ]+")
_SEGMENT = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PATH = re.compile(
    r"(?:[a-z][a-z0-9+.\-]{1,12}:)?//|(?:~|\.{1,2})?/[\w.\-]+/|[A-Za-z]:\\|\.{1,2}/"
    r"|[\w./\\\-]{1,120}\.(?:py|js|ts|json|ya?ml|xml|pem|crt|key|txt|env|go|java|html?|php|conf|cfg|md|png|svg|css|sh|com|org|net|io)$"
)
_SELECTOR = re.compile(
    r"[#.][a-zA-Z][a-zA-Z\-_]{3,60}|(?:arn|urn|com|org|net|io):?[.:][\w:./\-*]{1,200}|[.+,)\]|][$ \"'+,.)\]].{0,4000}"
)
_NUMBER = re.compile(r"[+\-]?[\d.,:]+(?:[a-z]{1,5}|%)?")
_FAIR = re.compile(r"(?=.*[a-zA-Z])(?=.*[^a-zA-Z\s_.\-/:,])")

# Pairs of consonants that stand in words of European languages; random letters mostly have others.
_PAIRS = frozenset(
    """
    bb bl br bs bt cc ch ck cl cr cs ct cz dd dg dl dm dn dr ds dt dv dw fd ff fl fr fs ft gd gg gh gl gm gn gr
    gs gt hl hm hn hr ht hs kl km kn kr ks kt kw lb lc ld lf lg lh lk ll lm ln lp lr ls lt lv lw mb mf ml mm mn
    mp ms mt nb nc nd nf ng nh nj nk nl nm nn np nq nr ns nt nv nw nx nz ph pl pm pp pr ps pt pw qr rb rc rd rf
    rg rh rk rl rm rn rp rq rr rs rt rv rw rz sb sc sd sf sg sh sk sl sm sn sp sq sr ss st sv sw sz tb tc tf th
    tl tm tn tp tr ts tt tv tw tz vl vr wb wd wh wl wn wr ws xc xp xt xx zh zl zm zz mk dp db gp lz zk tk pk js
    md rx dj wk cp gb kp tx rs hp ssl
    """.split()
)
_VOWELS = frozenset("aeiouyAEIOUY")


def wordy(text: str) -> bool:
    """Whether a text is made of words: at least two thirds of its letters and digits stand in runs that can be said."""
    text = text[:_ENOUGH]
    whole = said = 0
    for part in _NOT_WORDISH.split(text):
        for piece in _SEGMENT.findall(part):
            whole += len(piece)
            if len(piece) >= 3 and _sayable(piece.lower()):
                said += len(piece)
    if len(_BETWEEN.findall(text)) >= 2:
        return False
    return said >= 0.66 * (whole + len(_NOT_DIGITS.sub("", text))) and whole > 0


def _sayable(word: str) -> bool:
    """Whether letters could be a word: vowels among them, and few pairs of consonants that no word has."""
    if not _VOWELS.intersection(word):
        return len(word) <= 4
    odd = sum(a + b not in _PAIRS for a, b in pairwise(word) if a not in _VOWELS and b not in _VOWELS and a.isascii())
    return odd * 5 <= len(word) - 1


def runs_on(text: str) -> bool:
    """Whether letters or digits of a text just count up, as `a1b2c3d4` and `0123456789abcdef` do: nobody's key."""
    letters = _NOT_LETTERS.sub("", text).lower()
    numbers = _NOT_DIGITS.sub("", text)
    pairs = max(0, len(letters) - 1) + max(0, len(numbers) - 1)
    if pairs < 6:
        return False
    steps = sum(sum(map(_NEXT.__contains__, map(add, part, part[1:]))) for part in (letters, numbers))
    return steps >= 0.66 * pairs


def filler(text: str) -> bool:
    """Whether a text was typed to fill a place: one character over and over, or the alphabet in its order."""
    text = text[:_ENOUGH]
    run = max((len(match[0]) for match in _REPEATED.finditer(text)), default=0)
    rest = len(text) - run
    return rest < 6 or distinct(text) < min(5, rest // 2 + 1) or _ROW.search(text.lower()) is not None or runs_on(text)


def placeholder(text: str) -> bool:
    """Whether a value stands for another: a template, a variable, `changeme`, a word of the language."""
    low = text.lower()
    return (
        _TEMPLATE.search(low) is not None
        or _VARIABLE.match(low) is not None
        or low in _CONSTANTS
        or low.strip("-_<>[](){}%$@#*\"'!. ") in _CONSTANTS
    )


def generic(text: str) -> bool:
    """Whether a value only repeats what it is: `password`, `MY_SECRET_KEY`, `newPassword`."""
    return _JOINTS.sub("", text).lower() in _GENERIC


def strength(text: str) -> Strength:
    """How much of a credential a value is."""
    text = text[:LONGEST]
    size = len(text)
    if size < 3 or placeholder(text) or (_NUMBER.fullmatch(text) and size < 9):
        return Strength.NONE
    kinds = distinct(text)
    if kinds < 3 or (size >= 16 and filler(text)) or (size >= 8 and kinds < 4):
        return Strength.NONE
    if _PATH.match(text) or _SELECTOR.fullmatch(text):
        return Strength.NONE
    if size >= 16 and " " not in text and (_HEX.fullmatch(text) or _UUID.fullmatch(text) or not wordy(text)):
        return Strength.STRONG if kinds >= 7 else Strength.FAIR
    if generic(text):
        return Strength.NONE
    return Strength.FAIR if _FAIR.match(text) else Strength.WEAK


def real(sight: Sight, start: int, end: int) -> bool:
    """A check for tokens with a known prefix: the place is not the example of a manual."""
    text = sight.text[start : min(end, start + LONGEST)]
    return not filler(text[4:]) and not _MANUAL.search(text.lower())


_MANUAL = re.compile(r"x{8}|example(?:key)?$|your[-_]|placeholder|\.\.\.|redacted|\*{4}|0{12}|1234567890abc")
