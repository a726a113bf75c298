"""Credentials by the name they are given: `password = "…"`, `--api-key …`, `<secret>…</secret>`, `la clave es …`.

A row is a family of names. What stands between a name and its value is the same for all of them; how strong the value must
be is not: a password may be a word, a key has to look like one, and what is merely called after a provider needs more.
"""

import re
from collections.abc import Iterator

import msgspec
import re2

from gateway.sensitivity.detector import Detector, Hit
from gateway.sensitivity.detectors.values import LONGEST, Strength, generic, strength, wordy
from gateway.sensitivity.sight import Sight

PASSWORDS = (
    r"passw(?:or)?d|passwort|pass_?phrase|passcode|pass|pwd|pswd|psw|kennwort|contrase(?:n|ñ)a|clave|mot[_ ]?de[_ ]?passe|mdp|hasło|haslo"
    r"|senha|wachtwoord|parola|пароль|密码|密碼|口令|パスワード|비밀번호"
)
SECRETS = r"secret|sekret|segredo|token|jeton|jwt|key|klucz|密钥|金鑰|令牌|pat|bearer"
LOOSE = r"auth|authorization|credentials?|creds?|login|signature|sig|session(?:_?id)?|cookie|connection_?string|conn_?str|dsn|salt|seed"
PROVIDERS = (
    r"adafruit|adobe|airtable|algolia|alibaba|aliyun|amplitude|asana|atlassian|auth0|aws|azure|beamer|bitbucket|bittrex|bitly|braintree|bugsnag"
    r"|circleci|clearbit|clickup|cloudant|cloudflare|cloudinary|codeclimate|codecov|cohere|coinbase|confluent|contentful|coveralls|databricks"
    r"|datadog|deepgram|deepseek|digitalocean|discord|docker|dropbox|drone|dynatrace|elastic|etherscan|facebook|fastly|fbapi|figma"
    r"|finicity|firebase|flickr|freshbooks|freshdesk|github|gitlab|gitter|google|grafana|heroku|honeycomb|hubspot|ibm|infura|intercom|ipinfo"
    r"|jenkins|jira|klaviyo|kraken|kucoin|launchdarkly|linear|linkedin|logdna|looker|mailchimp|mailgun|mailjet|mapbox|mattermost|messagebird"
    r"|mistral|mixpanel|moonshot|netlify|new_?relic|newsapi|nytimes|okta|opsgenie|openai|openweather|pagerduty|paypal|paystack|pinecone|plaid|postmark"
    r"|pubnub|pusher|rapidapi|razorpay|readme|rollbar|salesforce|sauce|segment|sendbird|sendgrid|sentry|shodan|shopify|slack|snowflake|snyk|softlayer|sonar"
    r"|sonarqube|sourcegraph|splunk|spotify|square|squarespace|stripe|sumologic|telegram|tencent|travis|trello|twilio|twitch|twitter|typeform"
    r"|unsplash|vercel|virustotal|vultr|wakatime|wandb|wechat|yandex|yelp|zendesk|zapier|zoho"
    r"|[a-z]+_reporter_id"
)

# Between a name and its value: loops and no bounds, so that the automaton stays small.
_REST = r"""[\w.\-]*(?: \d)?(?:\\*["'`])?[\])]*"""
_SIGN = (
    r"""(?:\s*(?::?=>?|===?|!==?|=~|->|:|：|<<)\s*(?:\{\s*["']?(?:value|default)["']?\s*[:=]\s*)?"""
    r"""|,?\s+["']?value["']?\s*[:=]\s*|\s*\{\s*default\s*=\s*|\s*,\s*\\*["'`@]|\(\s*\\*["'`@]|>|\s+\\*["'`])"""
)
_SAID = (
    r"""(?: (?:for|of|del?|für|para|do|pour) [\w@.'"\-]+(?: [\w@.'"\-]+)?(?: [\w@.'"\-]+)?)?\s*(?:\(\w+\))?"""
    r"""(?:\s(?:is|was|es|est|ist|lautet|to|é|jest)(?: now| set to)?:?\s|是|为)\s*"""
)

_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-$"
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OPEN = re.compile(r"""[bBrRuUfFL@$]{0,2}(\\{0,4})(["'`]{1,3}|&quot;|[“«‘])""")
_CLOSING = {"“": "”", "«": "»", "‘": "’"}
_BARE = re.compile(r"""[^\s"'`<>,;(){}\[\]|&\\]{1,4096}""")
_IDENTIFIER = re.compile(r"[@:$&*!%]?[A-Za-z_][A-Za-z_]{0,60}(?:(?:\.|->|::)[A-Za-z_]\w{0,60}){0,6}%?")
_ABOUT = re.compile(
    r"(?:^|[_.\-])(?:forgot|forgotten|reset|confirm|show|hide|toggle|invalid|wrong|incorrect|bad|num|max|min|is|has|use|check|validate"
    r"|next|prev|page|csrf|xsrf|eos|bos|pad|unk|sep|cls|mask|continuation|cancellation|sync|public|pub|foreign|partition|sort|sorted"
    r"|idempotency|hot|i18n|press|tokenizer|tokenize|author|authors|authority|keyword|keywords|keyboard|keystone|passenger|passes|passed)(?:[_.\-]|$)"
    r"|(?:[_.\-])(?:ids?|types?|ur[li]s?|names?|files?|filename|path|len|length|size|count|expiry|expires?|ttl|timeout|policy|version|format|label"
    r"|hint|placeholder|field|rules?|regex|pattern|error|errors|message|msg|header|param|prefix|suffix|algorithm|alg|ref|endpoint|required|enabled"
    r"|min|max|class|selector|form|title|description|help|page|view|route|link|button|icon|limit|provider|method|mode|attempts|status|column|table"
    r"|index|manager|service|generator|validator|encoder|factory|handler|arn|fingerprint|thumbprint|sha\d*|md5|checksum|digest|kind|scope|scopes"
    r"|reset|strength|usage|uuid|guid|exists|changed|region|bucket|domain|host|port|email|user|username)$"
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


class Names(msgspec.Struct, frozen=True):
    """A family of names. `least` is how strong a value they need, and `long` how long; `said` whether also in sentences."""

    id: str
    stems: str
    least: Strength
    long: int
    said: bool = False


FAMILIES = (
    Names("secrets.password", PASSWORDS, Strength.WEAK, 4, said=True),
    Names("secrets.named", SECRETS, Strength.FAIR, 8, said=True),
    Names("secrets.loosely_named", LOOSE, Strength.STRONG, 16),
    Names("secrets.provider_named", PROVIDERS, Strength.STRONG, 20),
)


class Value(msgspec.Struct, frozen=True):
    """Where a value stands, whether in quotes, and the character after it."""

    start: int
    end: int
    quoted: bool


def read_value(text: str, at: int) -> Value | None:
    """The value that begins at a place: what is in quotes there, or everything up to white space or punctuation."""
    opened = _OPEN.match(text, at)
    if opened:
        quote = opened[2]
        start = opened.end()
        if quote in {'""', "''", "``"}:
            return None
        close = opened[1] + (_CLOSING.get(quote) or (quote if len(quote) == 3 and len(set(quote)) == 1 else quote[-1]))
        close = quote if quote == "&quot;" else close
        end = text.find(close, start, start + LONGEST)
        line = text.find("\n", start, start + LONGEST)
        if end < 0 or (0 <= line < end and len(quote) < 3):
            # Never closed, as where a text was cut.
            bare = _BARE.match(text, start)
            return Value(start, bare.end(), quoted=True) if bare else None
        return Value(start, end, quoted=True)
    bare = _BARE.match(text, at)
    return Value(at, bare.end(), quoted=False) if bare else None


def name_at(text: str, start: int, end: int) -> tuple[int, str]:
    """Where the name begins that a stem is part of, and the name, its words in lower case and joined by `_`."""
    head = text[max(0, start - 48) : start]
    begin = start - (len(head) - len(head.rstrip(_NAME)))
    return begin, _CAMEL.sub("_", text[begin:end]).lower()


def _whole(text: str, name: int, value: Value) -> bool:
    """Whether name and value are all of their line, as in settings and unlike in code and in sentences."""
    line = text.rfind("\n", max(0, name - 24), name) + 1 or max(0, name - 24)
    before = text[line:name].strip().lower().removeprefix("export").removeprefix("env").strip("#/-*;: \t\"'")
    after = text[value.end : value.end + 40].split("\n", 1)[0].strip(" \t\r\"'")
    return (not before or before.endswith(("set", "export", "env", "&&"))) and (not after or after[0] == "#")


def _bare_password(text: str, name: int, value: Value, strong: Strength) -> bool:
    """Whether what follows a password's name without quotes is the password, and not the name of a variable."""
    given = text[value.start : value.end]
    after = text[value.end : value.end + 1]
    if after in {"(", "[", "{"} or given.endswith((".", ":")) or len(given) < 4:
        return False
    if _IDENTIFIER.fullmatch(given) or strong is Strength.WEAK:
        bad = _PART_OF_VARIABLE.search(_CAMEL.sub("_", given).lower()) or given[0] in "@:$&*!%" or "." in given
        return not bad and len(given) >= 5 and _whole(text, name, value)
    return True


def _password(text: str, name: int, value: Value, said: bool) -> bool:
    given = text[value.start : value.end]
    strong = strength(given)
    if strong is Strength.NONE:
        return False
    if said and not value.quoted:
        return (strong >= Strength.FAIR and given[-1] not in ".:?") or strong is Strength.STRONG
    if " " in given.strip():
        return (
            value.quoted
            and given.count(" ") <= 2
            and not _LABEL.search(given.lower())
            and (strong >= Strength.FAIR or given == given.lower())
        )
    if not value.quoted:
        return _bare_password(text, name, value, strong)
    return len(given) >= 4 and not generic(given)


def _keyish(given: str, family: Names, value: Value) -> bool:
    """Whether a value could be a key or a token: random, or at least a word with digits where the name promises much."""
    strong = strength(given)
    if strong is Strength.STRONG:
        return " " not in given
    if strong is Strength.FAIR and family.least <= Strength.FAIR and " " not in given:
        return not wordy(given) or (value.quoted and len(given) >= 8 and any(c in "!#$%^&*@~+" for c in given))
    return False


def _row(family: Names) -> Detector:
    said = f"|({_SAID})" if family.said else ""
    expression = rf"(?i)({family.stems}){_REST}(?:({_SIGN}){said})"
    compiled = re2.compile(expression)
    weak_names = family.least >= Strength.STRONG

    def find(sight: Sight) -> Iterator[Hit]:
        text = sight.text
        past = 0
        for match in compiled.finditer(text):
            start = match.start()
            if start < past:
                continue
            at = match.end()
            told = match.start(2) < 0
            begin, name = name_at(text, start, match.start(3) if told else match.start(2))
            if not told and text[at - 1] in "\"'`@":
                at -= 1
                while text[at - 1] == "\\":
                    at -= 1
            name = name.strip("\"'`\\])( -.$")
            value = read_value(text, at)
            if value is None or value.end - value.start < family.long or _ABOUT.search(name):
                continue
            if not value.quoted and "\n" in text[match.start(2 if not told else 3) : value.start]:
                continue
            given = text[value.start : value.end]
            if not _NAMED[family.id].search(name):
                continue
            if family.least is Strength.WEAK:
                good = _password(text, begin, value, told)
            else:
                good = _keyish(given, family, value) and not (
                    text[value.end : value.end + 1] in {"(", "["} and not value.quoted
                )
                if good and weak_names:
                    good = not _HASHES.search(sight.around(value.start, value.end, 60, 0))
            if good:
                past = value.end
                yield Hit(value.start, value.end, "secret", family.id)

    return Detector(family.id, expression, find)


# Short stems must be words of their own: `db_pass` and not `bypass`, `my_pat` and not `pattern`.
_NAMED = {
    "secrets.password": re.compile(
        r"passw|pass_?phrase|passcode|pswd|pwd|kennwort|contrase|mot[_ ]?de|has[lł]o|senha|wachtwoord|[^\x00-\x7f]"
        r"|(?:^|[_.\-])(?:pass|psw|mdp|clave|parola)(?:[_.\-]|$)|(?:user|db|my|root|admin|login|auth|smtp|mail|sql|ftp|proxy|store)pass$"
    ),
    "secrets.named": re.compile(
        r"secret|sekret|segredo|token(?!iz)|jeton|key(?![a-z])|keys(?![a-z])|klucz|[^\x00-\x7f]|(?:^|[_.\-])(?:pat|jwt|bearer)(?:[_.\-]|$)"
    ),
    "secrets.loosely_named": re.compile(
        r"(?:^|[_.\-])(?:auth|sig|seed|salt|dsn|cookie)(?:[_.\-]|$)|authorization|cred|login|signature|session|conn"
    ),
    "secrets.provider_named": re.compile(r"."),
}

ROWS = tuple(map(_row, FAMILIES))
