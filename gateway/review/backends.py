"""Whether a backend is as the catalog says, judged by what it answered. Each finding says what to do."""

import email.utils
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from gateway.core.catalog import CAPABILITIES, Backend
from gateway.core.steering import plain
from gateway.policy.document import suggestion
from gateway.review import served
from gateway.review.questions import BY_DEPLOYMENT, GUARDED, LOCAL, Answer, Answers, Silence
from gateway.review.served import Served

Level = Literal["ok", "warning", "problem"]
_RANK: Mapping[Level, int] = {"ok": 0, "warning": 1, "problem": 2}

_CLOCK_SECONDS = 60
_NO_LIST = (404, 405, 501)
_REDIRECTS = range(300, 400)
_REFUSED = (401, 403)
_MAX_SHOWN = 100
_READERS = {
    "props": served.read_props,
    "show": served.read_show,
    "loaded": served.read_loaded,
    "native": served.read_native,
}


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at, how it is, and in words what was seen and what to do."""

    about: str
    level: Level
    words: str


class Checked(msgspec.Struct, frozen=True):
    """A backend, and what was found out about it."""

    id: str
    provider: str
    model: str
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Level:
        """The worst of its findings."""
        return max((finding.level for finding in self.findings), key=lambda level: _RANK[level], default="ok")


def not_asked(backend: Backend, reason: str, *, named: bool) -> Checked:
    """A backend that is not offered. That is a problem for who named it, else only worth a word."""
    return _checked(backend, [Finding("offered", "problem" if named else "warning", f"not asked: {reason}")])


def judge(backend: Backend, answers: Answers) -> Checked:
    """What the answers to `questions` say of a backend."""
    first = answers["models"][0]
    if isinstance(first, Silence):
        return _checked(backend, [Finding("reachable", "problem", first.words)])
    found = [Finding("reachable", "ok", f"connected in {first.connect_ms} ms")]
    found += _liveness(answers)
    if first.status in _REDIRECTS:
        found.append(Finding("model", "problem", _redirected(first)))
        return _checked(backend, found)
    found += _key(backend, answers)
    found += _model(backend, answers)
    found += _clock(first)
    return _checked(backend, found)


def _checked(backend: Backend, found: Iterable[Finding]) -> Checked:
    return Checked(backend.id, backend.provider, backend.model, tuple(found))


def _liveness(answers: Answers) -> Iterator[Finding]:
    health = _answer(answers, "health")
    if health is None:
        return
    if health.status == 200:
        yield Finding("health", "ok", "the server says that it is well")
    elif health.status == 503:
        yield Finding(
            "health", "problem", "the server is not ready (503): it still loads, or its engine has stopped; see its log"
        )
    elif health.status >= 500:
        yield Finding("health", "problem", f"the server's health check fails ({health.status}); see its log")


def _redirected(answer: Answer) -> str:
    _, _, rest = answer.headers.get("location", "").partition("://")
    to = f" to `{_short(rest.partition('/')[0])}`" if rest else ""
    return f"redirects{to} ({answer.status}), which no call follows: write the final address as `base_url`"


def _key(backend: Backend, answers: Answers) -> Iterator[Finding]:
    about = GUARDED.get(backend.provider, "models")
    answer, listed = _answer(answers, about), _answer(answers, "models")
    if listed is not None and _refuses_key(listed):
        yield Finding("key", "problem", _refusal(backend, listed.status))
    elif answer is None:
        if backend.key_ref is not None:
            yield Finding("key", "warning", f"not checked: no answer at /{about}")
    elif _refuses_key(answer):
        yield Finding("key", "problem", _refusal(backend, answer.status))
    elif answer.status == 402:
        yield Finding("key", "problem", "the account has nothing left to spend (402): top it up")
    elif backend.key_ref is None:
        yield Finding("key", "ok", "no key is asked for")
    elif answer.status == 200:
        yield Finding("key", "ok", "accepted")
    elif answer.status == 429:
        yield Finding("key", "warning", "not checked: too many requests (429); try again later")
    elif answer.status in _NO_LIST and about == "models":
        yield Finding("key", "warning", "not checked: the provider lists no models")
    else:
        yield Finding("key", "warning", f"not checked: /{about} answers {answer.status}")


def _refuses_key(answer: Answer) -> bool:
    """Gemini and xAI refuse a key with 400, as they do any other mistake."""
    said = answer.body[:10_000].lower().replace(b"_", b" ")
    return answer.status in _REFUSED or (answer.status == 400 and b"api key" in said)


def _refusal(backend: Backend, status: int) -> str:
    if backend.key_ref is None:
        return f"a key is asked for ({status}): give `api_key: env:NAME` in the catalog"
    source, _, name = backend.key_ref.partition(":")
    which = f"in {name} " if source == "env" else "in its file "
    return f"the key {which}is refused ({status}): replace it, or use that of the account that may call this model"


def _model(backend: Backend, answers: Answers) -> Iterator[Finding]:
    first = answers["models"][0]
    assert isinstance(first, Answer)
    if _refuses_key(first):
        return  # told with the key
    if first.status in _NO_LIST:
        if backend.provider in LOCAL:
            yield Finding("model", "problem", f"no list of models ({first.status}): `base_url` usually ends in `/v1`")
        else:
            yield Finding("model", "warning", "not checked: the provider lists no models")
        return
    if first.status != 200:
        level: Level = "warning" if first.status == 429 else "problem"
        yield Finding(
            "model", level, f"the list of models answers {first.status}; try again, then see its log or status"
        )
        return
    listed: list[Served] = []
    complete = True
    for page in answers["models"]:
        if isinstance(page, Silence) or page.status != 200:
            complete = False
            continue
        if not page.whole:
            yield Finding("model", "warning", "not checked: the list of models is too large to be read")
            return
        try:
            listed += served.read_list(page.body)
        except ValueError:
            yield Finding(
                "model", "problem", "answers, but with no list of models: is `base_url` right? It usually ends in `/v1`"
            )
            return
    model, finding = _listed(backend, listed, answers, complete=complete)
    yield finding
    yield from _as_told(backend, described(model or Served(backend.model), answers))


def _listed(
    backend: Backend, listed: list[Served], answers: Answers, *, complete: bool
) -> tuple[Served | None, Finding]:
    name = _short(backend.model)
    if (model := served.find(backend.model, backend.provider, listed)) is not None:
        return model, Finding("model", "ok", f"`{name}` is served")
    if backend.provider in BY_DEPLOYMENT:
        return None, Finding("model", "warning", "not checked: the list has models, not your deployments")
    alone = _answer(answers, "model")
    if alone is not None and alone.status == 200 and (model := served.read_one(alone.body)) is not None:
        known = {each.id for each in listed} | served.names(backend.model, backend.provider)
        if model.id in known:
            return model, Finding("model", "ok", f"`{name}` is served, as `{_short(model.id)}`")
    if not complete:
        return None, Finding("model", "warning", "not checked: the list of models broke off; try again")
    if not listed:
        return None, Finding("model", "problem", "no model is served: load one")
    hint = suggestion(backend.model, [_short(served.bare(each.id)) for each in listed])
    return None, Finding("model", "problem", f"`{name}` is not served, of {len(listed)} models{hint}")


def described(model: Served, answers: Answers) -> Served:
    """A listed model with what its server tells of it elsewhere, the surest last."""
    told = [model]
    for about, read in _READERS.items():
        answer = _answer(answers, about)
        if answer is not None and answer.status == 200:
            told.append(read(model.id, answer.body))
    return served.merged(told)


def _as_told(backend: Backend, model: Served) -> Iterator[Finding]:
    if model.relayed_to and backend.word("deployment") == "self_hosted":
        to = _short(model.relayed_to)
        yield Finding(
            "deployment", "problem", f"the server passes requests on to {to}: `deployment: self_hosted` is not true"
        )
    yield from _context(backend.context, model)
    told = model.has | model.lacks
    missing = [each for each in CAPABILITIES if each in backend.capabilities & model.lacks]
    for each in missing:
        yield Finding(
            "capabilities", "problem", f"the server says that it has no `{each}`: take it out of `capabilities`"
        )
    if told & backend.capabilities and not missing:
        yield Finding("capabilities", "ok", "nothing that is declared is missing")


def _context(declared: int | None, model: Served) -> Iterator[Finding]:
    told = model.context or model.trained
    if told is None:
        return
    if declared is None:
        if model.context is not None:
            yield Finding("context", "ok", f"the server takes {told} tokens; the catalog declares no `context`")
    elif declared > told:
        yield Finding(
            "context",
            "problem",
            f"the catalog declares {declared} tokens, the server takes {told}: lower `context`, or raise the server's",
        )
    elif model.context is not None:
        yield Finding("context", "ok", f"the server takes {told} tokens, the catalog declares {declared}")
    else:
        yield Finding(
            "context",
            "ok",
            f"the model was trained for {told} tokens, the catalog declares {declared}; what the server is set to shows"
            " while the model is loaded",
        )


def _clock(answer: Answer) -> Iterator[Finding]:
    parsed = email.utils.parsedate_tz(answer.headers.get("date", ""))
    if parsed is None:
        return
    try:
        then = email.utils.mktime_tz(parsed)
    except (ValueError, OverflowError):
        return
    age = answer.headers.get("age", "0")  # of an answer that a cache kept
    then += int(age) if age.isascii() and age.isdecimal() and len(age) < 9 else 0
    apart = round(then - answer.at)
    if abs(apart) > _CLOCK_SECONDS:
        how = f"{abs(apart)} s {'ahead of' if apart > 0 else 'behind'} ours"
        yield Finding("clock", "warning", f"the server's clock is {how}: set the one that is wrong by NTP")
    else:
        yield Finding("clock", "ok", "agrees with ours")


def _answer(answers: Answers, about: str) -> Answer | None:
    first = next(iter(answers.get(about, ())), None)
    return first if isinstance(first, Answer) else None


def _short(text: str) -> str:
    """A server's word, fit to be shown."""
    return plain(text[:_MAX_SHOWN])
