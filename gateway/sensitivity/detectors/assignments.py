"""Credentials by the name they are given: `password = "…"`, `--api-key …`, `<secret>…</secret>`, `la clave es …`.

A row is a family of names. What stands between a name and its value is the same for all of them; how strong the
value must be is not: a password may be a word, a key has to look like one, and what is merely called after a provider
needs more.
"""

# ruff: noqa: E501 - expressions are read whole

import re
from collections.abc import Iterator
from typing import NamedTuple

from gateway.sensitivity.detector import Detector, Hit
from gateway.sensitivity.detectors.bundles import Row
from gateway.sensitivity.detectors.values import LONGEST, Strength, generic, strength, wordy
from gateway.sensitivity.sight import Sight
from gateway.sensitivity.triggers import needed

_PASSWORDS = (
    "pass", "pwd", "pswd", "psw", "kennwort", "contrase", "clave", "mdp", "hasło", "haslo", "senha", "wachtwoord", "parola",
    "пароль", "密码", "密碼", "口令", "パスワード", "비밀번호",
)  # fmt: skip
_KEYS = (
    "secret", "sekret", "segredo", "token", "jeton", "jwt", "key", "klucz", "密钥", "金鑰", "令牌", "bearer",
    "_pat", "pat =", "pat=", "pat:",
)  # fmt: skip
_LOGINS = r"auth|authorization|credentials?|creds?|login|signature|j?session(?:_?id)?|phpsessid|cookie|connection_?string|conn_?str|dsn|salt|seed|crumb"
_PROVIDERS = (
    r"adafruit|adobe|airtable|algolia|alibaba|aliyun|amplitude|asana|atlassian|auth0|aws|azure|beamer|bitbucket|bittrex|bitly|braintree|bugsnag"
    r"|circleci|clearbit|clickup|cloudant|cloudflare|cloudinary|codeclimate|codecov|cohere|coinbase|confluent|contentful|coveralls|databricks"
    r"|datadog|deepgram|deepseek|digitalocean|discord|docker|dropbox|drone|dynatrace|elastic|etherscan|facebook|fastly|fbapi|figma"
    r"|finicity|firebase|flickr|freshbooks|freshdesk|github|gitlab|gitter|google|grafana|heroku|honeycomb|hubspot|ibm|infura|intercom|ipinfo"
    r"|jenkins|jira|klaviyo|kraken|kucoin|launchdarkly|linear|linkedin|logdna|looker|mailchimp|mailgun|mailjet|mapbox|mattermost|messagebird"
    r"|mistral|mixpanel|moonshot|netlify|new_?relic|newsapi|nytimes|okta|opsgenie|openai|openweather|pagerduty|paypal|paystack|pinecone|plaid"
    r"|postmark|pubnub|pusher|rapidapi|razorpay|readme|rollbar|salesforce|sauce|segment|sendbird|sendgrid|sentry|shodan|shopify|slack|snowflake"
    r"|snyk|softlayer|sonar|sourcegraph|splunk|spotify|square|stripe|sumologic|telegram|tencent|travis|trello|twilio|twitch|twitter|typeform"
    r"|unsplash|vercel|virustotal|vultr|wakatime|wandb|wechat|yandex|yelp|zendesk|zapier|zoho|reporter_id$"
)

# Between a name and its value. Possessive, so that nothing is read twice.
_REST = r"""[A-Za-z0-9_.\-À-ɏ]{0,48}+(?: \d)?(?:\\{0,4}["'`])?[\])]{0,2}(?:\[["']?[\w.\-]{1,40}["']?\]|\s?:?\s?(?:str|string|char|const)(?=\s?=))?"""
_SIGN = (
    r"""(?:\s{0,20}(?:===?|!==?|=~|[?.+|]?=>?|:{0,2}=>?|->|:|：|<<)\s{0,40}(?:\{\s{0,40}["']?(?:value|default)["']?\s{0,4}[:=]\s{0,4})?"""
    r"""|,?\s{1,40}["']?value["']?\s{0,4}[:=]\s{0,4}|\s{0,4}\{\s{0,40}default\s{0,4}=\s{0,4}|\s{0,4},\s{0,20}(?=\\{0,4}["'`@])"""
    r"""|\(\s{0,20}(?=\\{0,4}["'`@])|>\s{0,40}|\s{1,40}(?=\\{0,4}["'`]))"""
)
_SAID = (
    r"""(?: (?:for|of|del?|für|para|do|pour)(?: [\w@.'"\-]{1,40}){1,4}?)?\s{0,4}(?:\(\w{1,30}\))?"""
    r"""(?:\s{1,4}(?:is|was|es|est|ist|lautet|to|é|jest)(?: now| set to)?:?\s|是|为)\s{0,4}"""
)
_AFTER = re.compile(rf"{_REST}(?:({_SIGN})|({_SAID}))")

# An option of a command takes its value after a space. The group that matches nothing keeps the numbers of the other.
_OPTION = re.compile(r"[a-z0-9\-]{0,40}+( {1,2})(?=[^\s\-<>|&$%])((?!))?")
_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-$"
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_QUOTE = re.compile(r"""[bBrRuUfFL@$]{0,2}(\\{0,4})(["'`]{1,3}|&quot;|[“«‘])""")
_CLOSING = {"“": "”", "«": "»", "‘": "’"}
_BARE = re.compile(r"""[^\s"'`<>,;(){}\[\]|&\\]{1,2000}+""")
_BLOB = 64
_BRACKETS = frozenset("(){}[]|;,")
_WIDE = re.compile(r"""[^\s"'`<]{6,200}+(?<![;,)])(?=[ \t\r]*(?:\n|\Z))""")
_CALL = re.compile(r"[@$]?[A-Za-z_][\w.>:\-]{0,80}[(\[]|[({\[<]")
_IDENTIFIER = re.compile(r"[@:$&*!%]?[A-Za-z_][A-Za-z_]{0,60}(?:(?:\.|->|::)[A-Za-z_]\w{0,60}){0,6}%?")
# Names that are about a credential and not of one.
_ABOUT = re.compile(
    r"(?:^|[_.\-])(?:forgot|forgotten|reset|confirm|show|hide|toggle|add|invalid|wrong|incorrect|bad|num|max|min|is|has|use|check|validate"
    r"|next|prev|page|csrf|xsrf|eos|bos|pad|unk|sep|cls|mask|continuation|cancellation|sync|public|pub|foreign|partition|sort|sorted"
    r"|idempotency|lock|s3|hot|i18n|press|tokenizer|tokenize|author|authors|authority|keyword|keywords|keyboard|keystone|passenger|passes|passed)(?:[_.\-]|$)"
    r"|(?:[_.\-])(?:ids?|types?|ur[li]s?|names?|files?|filename|path|len|length|size|count|expiry|expires?|ttl|timeout|policy|version|format|label"
    r"|hint|placeholder|field|rules?|regex|pattern|error|errors|message|msg|header|param|prefix|suffix|algorithm|alg|ref|endpoint|required|enabled"
    r"|min|max|class|selector|form|title|description|help|page|view|route|link|button|icon|limit|provider|method|mode|attempts|status|column|table"
    r"|index|manager|service|generator|validator|encoder|factory|handler|arn|fingerprint|thumbprint|sha\d*|md5|checksum|digest|kind|scope|scopes"
    r"|reset|strength|usage|uuid|guid|exists|changed|region|bucket|domain|host|port|email|user|username|nr|nummer|no|number)$"
    r"|cache_?key$"
)
_LABEL = re.compile(
    r"passw|kennwort|contrase|passe|enter|confirm|forgot|reset|invalid|wrong|must|should|required|field|your|please|match|least|show|hide|new "
    r"|current|cannot|can't|not |error|missing|failed|incorrect| is | the "
)
_PART_OF_VARIABLE = re.compile(
    r"(?:^|[_.\-])(?:password|passwd|pass|pwd|passphrase|user|username|name|value|val|input|arg|args|param|data|text|field|str|string|get|new|old|config|conf"
    r"|settings|env|var|key|token|secret|auth|cred|creds|credentials|login|hash|hashed|encoded|encrypted|plain|bytes|buf|buffer|tmp|temp|result"
    r"|response|request|form|raw|self|this|opts|options|null|url|id|type|account|generate|random|create|read|load|prompt|ask|db)\d?(?:[_.\-]|$)"
)
_HASHES = re.compile(
    r"sha\d|md5|checksum|integrity|commit|digest|hash|fingerprint|revision|etag|crc|blake|\.tgz|\.tar|resolved|dependencies"
)
# Short stems must be words of their own: `db_pass` and not `bypass`, `my_pat` and not `pattern`.
_PASSWORD_NAME = re.compile(
    r"passw|pass_?phrase|pass_?code|passe|pswd|pwd|kennwort|contrase|has[lł]o|senha|wachtwoord|[^\x00-\x7f]"
    r"|(?:^|[_.\-])(?:psw|mdp|clave|parola)(?:[_.\-]|$)|(?:^|[_.\-])pass\d?$|(?:user|db|my|root|admin|login|auth|smtp|mail|sql|ftp|proxy|store)pass$"
)
_PASSWORD_WORD = re.compile(r"passw|phrase|contrase|kennwort|senha|has[lł]o|wachtwoord|[^\x00-\x7f]")
_KEY_NAME = re.compile(
    r"secret|sekret|segredo|token(?!iz)|jeton|keys?(?![a-z])|klucz|[^\x00-\x7f]|(?:^|[_.\-])(?:pat|jwt|bearer)(?:[_.\-]|$)"
)
_LOOSE_NAME = re.compile(rf"(?:^|[_.\-])(?:{_LOGINS})|{_PROVIDERS}")


class Value(NamedTuple):
    """Where a value stands, and whether in quotes."""

    start: int
    end: int
    quoted: bool


class Candidate(NamedTuple):
    """A name with what may be its value. `begin` is where the name begins, `told` whether a sentence says so."""

    begin: int
    name: str
    value: Value
    told: bool
    sign: str


def read_value(text: str, at: int) -> Value | None:
    """The value that begins at a place: what is in quotes there, or everything up to white space or punctuation."""
    opened = _QUOTE.match(text, at)
    if not opened:
        bare = _BARE.match(text, at)
        wide = _WIDE.match(text, at)
        stop = bare.end() if bare else at
        if (
            wide
            and text[stop : stop + 1] in _BRACKETS
            and not _CALL.match(text, at)
            and strength(wide[0]) >= Strength.FAIR
        ):
            bare = wide
        return Value(at, bare.end(), quoted=False) if bare else None
    quote = opened[2]
    start = opened.end()
    if quote in {'""', "''", "``"}:
        return None
    close = _CLOSING.get(quote) or (quote if quote == "&quot;" or quote in {'"""', "'''", "```"} else quote[-1])
    end = text.find(opened[1] + close, start, start + LONGEST)
    line = text.find("\n", start, end if end >= 0 else start + LONGEST)
    if end < 0 or (line >= 0 and len(close) < 3):
        # Never closed, as where a text was cut.
        bare = _BARE.match(text, start)
        return Value(start, bare.end(), quoted=True) if bare else None
    return Value(start, end, quoted=True)


def _candidates(sight: Sight, stems: tuple[str, ...]) -> Iterator[Candidate]:
    """Every name that has one of the stems, with its value."""
    low = sight.low
    seen = set()
    for stem in stems:
        at = low.find(stem)
        while at >= 0:
            end = at + len(stem.rstrip(" =:"))
            after = _AFTER.match(low, end) or _OPTION.match(low, end)
            if after and after.end() not in seen:
                seen.add(after.end())
                found = _candidate(sight.text, at, after)
                if found:
                    yield found
                    if found.value.end - found.value.start > _BLOB:
                        end = found.value.end  # names within a blob are chance
            at = low.find(stem, end)


def _candidate(text: str, stem: int, after: re.Match[str]) -> Candidate | None:
    """The name around a stem, with what may be its value; None where the form is none of an assignment."""
    told = after.start(1) < 0
    start, end = after.span(2 if told else 1)
    sign = text[start:end]
    value = read_value(text, end)
    if value is None:
        return None
    head = text[max(0, stem - 48) : stem]
    begin = stem - (len(head) - len(head.rstrip(_NAME)))
    name = _CAMEL.sub("_", text[begin:start]).lower().strip("\"'`\\])( -.$")
    if _ABOUT.search(name):
        return None
    if not value.quoted and sign.isspace() and text[begin : begin + 1] != "-":
        return None  # two words, and no option of a command
    if not value.quoted and "\n" in sign[len(sign.rstrip()) :] and not sign.rstrip().endswith(">"):
        return None  # what follows on another line is another member
    quote = text[begin - 1 : begin]
    if quote in {'"', "'"} and quote == text[value.start - 1] and quote not in after[0][:-1]:
        return None  # the quote ends what the name stands in: `label: "Password:"`
    return Candidate(begin, name, value, told, sign.strip())


def _passwords(sight: Sight) -> Iterator[Hit]:
    text = sight.text
    for found in _candidates(sight, _PASSWORDS):
        value = found.value
        if value.end - value.start >= 4 and _PASSWORD_NAME.search(found.name) and _password(text, found):
            yield Hit(value.start, value.end, "secret", "secrets.password")


def _password(text: str, found: Candidate) -> bool:
    """Whether a value is a password, now that its name says that it should be."""
    begin, name, value, told, sign = found
    given = text[value.start : value.end]
    strong = strength(given)
    if strong is Strength.NONE:
        return False
    if not sign and not told and (text[value.start - 1] == "`" or (value.quoted and not _PASSWORD_WORD.search(name))):
        return False  # a word beside something in quotes
    if sign == "," and strong is Strength.WEAK:
        # Of a list of words, or the two arguments of a call.
        return text[begin - 2 : begin - 1] == "(" and text[value.end + 1 : value.end + 2] == ")" and not generic(given)
    if not value.quoted and (told or not sign):
        return (strong is Strength.FAIR and given[-1] not in ".:?") or strong is Strength.STRONG
    if " " in given.strip():
        few = value.quoted and given.count(" ") <= (24 if "phrase" in name else 2) and not _LABEL.search(given.lower())
        return few and (strong >= Strength.FAIR or given == given.lower())
    if not value.quoted:
        return _bare_password(text, begin, value, strong)
    return not generic(given)


def _bare_password(text: str, begin: int, value: Value, strong: Strength) -> bool:
    """Whether what follows a password's name without quotes is the password, and not the name of a variable."""
    given = text[value.start : value.end]
    after = text[value.end : value.end + 1]
    if (after and after in "([{") or given.endswith((".", ":")):
        return False
    if _IDENTIFIER.fullmatch(given) or strong is Strength.WEAK:
        bad = _PART_OF_VARIABLE.search(_CAMEL.sub("_", given).lower()) or given[0] in "@:$&*!%" or "." in given
        return not bad and len(given) >= 5 and _whole(text, begin, value)
    return True


def _whole(text: str, begin: int, value: Value) -> bool:
    """Whether name and value are all of their line, as in settings and unlike in code and in sentences."""
    line = text.rfind("\n", max(0, begin - 24), begin) + 1 or max(0, begin - 24)
    before = text[line:begin].strip().lower().strip("#/-*;: \t\"'")
    after = text[value.end : value.end + 40].split("\n", 1)[0].strip(" \t\r\"'")
    return (not before or before.endswith(("set", "export", "env", "&&"))) and (not after or after[0] == "#")


def _keys(sight: Sight) -> Iterator[Hit]:
    text = sight.text
    for _, name, value, _, sign in _candidates(sight, _KEYS):
        if value.end - value.start < 8 or not _KEY_NAME.search(name) or (not sign and text[value.start - 1] == "`"):
            continue
        if not value.quoted and text[value.end : value.end + 1] in {"(", "["}:
            continue
        given = text[value.start : value.end]
        if not sign and not value.quoted and strength(given) < Strength.STRONG:
            continue
        if _is_key(given, value.quoted):
            yield Hit(value.start, value.end, "secret", "secrets.key")


def _is_key(given: str, quoted: bool) -> bool:
    """Whether a value is a key or a token, now that its name says that it should be."""
    strong = strength(given)
    if strong < Strength.FAIR or " " in given or (strong is Strength.FAIR and _IDENTIFIER.fullmatch(given)):
        return False
    return strong is Strength.STRONG or not wordy(given) or (quoted and any(c in "!#$%^&*@~+" for c in given))


def _member(sight: Sight) -> Iterator[Hit]:
    """A member of a JSON object that is nothing but a credential: only its name, and not its text, can say so."""
    text = sight.text
    name = _CAMEL.sub("_", sight.key).lower()
    if not 4 <= len(text) <= LONGEST or _ABOUT.search(name):
        return
    good = " " not in text and strength(text) >= Strength.WEAK and not generic(text)
    if (_PASSWORD_NAME.search(name) and good) or (
        _KEY_NAME.search(name) and len(text) >= 8 and _is_key(text, quoted=True)
    ):
        yield Hit(0, len(text), "secret", "secrets.member")


_SESSIONS = ("session_id", "sessionid")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LONG = re.compile(r"""(?<=[:=>,\s"'`])[\w\-+/~.]{20,600}+={0,2}""")


def _name_before(text: str, start: int) -> str:
    """The name that stands before a value, over quotes, brackets and one sign of equality; "" for none."""
    head = text[max(0, start - 80) : start].rstrip("\"'`\\")
    head = head.rstrip(" \t\r\n").rstrip("=:>!,(：").rstrip(" \t\r\n").rstrip("\"'`\\])")
    return _CAMEL.sub("_", head[len(head.rstrip(_NAME)) :]).lower().strip("-.$")


def _loosely_named(sight: Sight) -> Iterator[Hit]:
    """Long random values that are given a name of a provider or of a login, which promises less than `api_key` does."""
    return _random(sight, "")


def _loosely_named_member(sight: Sight) -> Iterator[Hit]:
    """The same where nothing in the text names a value, and the member does."""
    return _random(sight, sight.key.lower())


def _random(sight: Sight, member: str) -> Iterator[Hit]:
    text = sight.text
    for match in _LONG.finditer(text):
        start, end = match.span()
        name = _name_before(text, start)
        if bool(name) is bool(member):
            continue
        name = name or member
        if not _LOOSE_NAME.search(name) or (_ABOUT.search(name) and not name.endswith(("reporter_id", *_SESSIONS))):
            continue
        if name.endswith(_SESSIONS) and _UUID.fullmatch(text, start, end):
            continue  # agents count their own sessions so; what lets somebody in is called a session, too, but is longer
        if strength(text[start:end]) is Strength.STRONG and not _HASHES.search(sight.around(start, end, 60, 0)):
            yield Hit(start, end, "secret", "secrets.loosely_named")


_STEMS = "|".join(re.escape(stem) for stem in (*_PASSWORDS, *_KEYS))
TRIGGER = (
    rf"""(?i)(?:{_STEMS})[\w.\-À-ɏ]*(?: \d)?[\\"'`\])]*(?:\s*(?:string|str|char)?\s*[:=?.+\[>({{<!：|-]|\s*,\s*\\*["'`@]|\s+\\*["'`]|是|为"""
    r"""|,?\s+["']?value|\s(?:is|was|es|est|ist|lautet|to|é|jest|for|of|del?|für|para|do|pour)\s)"""
    rf"|(?i:-[a-z0-9\-]*(?:{_STEMS})[a-z0-9\-]* +[^\s\-<>|&$%])"
)
MEMBER = Detector("secrets.member", rf"(?i){_STEMS}", _member, of_member=True)
ROWS: tuple[Row, ...] = (
    Row(Detector("secrets.password", TRIGGER, _passwords), _PASSWORDS, folded=True),
    Row(Detector("secrets.key", TRIGGER, _keys), _KEYS, folded=True),
)
_LOOSE = needed(rf"{_LOGINS}|{_PROVIDERS}".replace("_id$", ""))  # humps are no lines
LOOSELY = Row(
    Detector("secrets.loosely_named", r"[0-9A-Za-z_+/\-]{18}", _loosely_named), tuple(sorted(_LOOSE)), folded=True
)
LOOSE_MEMBER = Detector("secrets.loosely_named", rf"(?i){_LOGINS}|{_PROVIDERS}", _loosely_named_member, of_member=True)
