"""What each field of a policy file means: one table, for the editor's hover and for the generated reference."""

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from gateway.policy import files, price_files, sensitivity_files
from gateway.policy.vocabulary import BACKEND

_WHEN = "conditions on the request; all must hold, none: every request"
_TO = "conditions on the backend; all must hold, none: every backend"

MEANINGS: Mapping[type[BaseModel], Mapping[str, str]] = {
    files.VocabularyFile: {
        "levels": "how much harm a leak does, lowest first; the four names are fixed, what they mean is yours",
        "tags": "what a scanner may find in a request",
        "purposes": "what a call is for; a key is granted some, the first is its default",
        "jurisdictions": "whose law a project is under",
        "persons": "kinds of person, as export law sees them",
        "deployments": "who runs the machine",
        "zones": "groups of backends, as reports show them",
        "regions": "where requests are processed",
        "origins": "where weights were made, and under whose law an operator stands",
        "licences": "licences of weights",
        "statuses": "whether a backend may be used now",
        "retentions": "how long an operator keeps prompts",
        "training": "whether an operator trains on prompts",
        "audiences": "who may use a backend",
    },
    files.PricesFile: {
        "version": "a name for this state of the list; ledger rows keep it",
        "unpriced": "`refuse`: what has no price is not used; `allow`: it costs the dearest of the list, uncertain",
        "models": "a price for each model, by the name that the provider gives it",
    },
    price_files.Figures: {
        "input": "USD per million tokens of the prompt",
        "output": "USD per million tokens of the answer",
        "cache_read": "USD per million tokens that the provider's cache knew; default: `input`",
        "cache_write": "USD per million tokens that it took into its cache; default: `input`",
        "cache_write_long": "USD per million tokens that it keeps there for an hour; default: `cache_write`",
        "reasoning": "USD per million tokens of reasoning; default: `output`",
        "audio_input": "USD per million tokens of sound in the prompt; default: the dearest of the others",
        "audio_output": "USD per million tokens of sound in the answer; default: the dearest of the others",
    },
    price_files.TierPrice: {"above": "these rates hold for the whole request if its prompt has more tokens than this"},
    price_files.ServicePrice: {"tiers": "other rates for longer prompts, shortest first"},
    price_files.TokenPrice: {
        "services": "the provider's service tiers, such as `flex`: a factor such as `0.5`, or figures of their own"
    },
    price_files.BookPrice: {
        "from": "the day from which on it holds, in UTC; a list of such rows: the last one that has begun",
        "source": "where the price stands; `genai-prices VERSION`: `gateway prices update` may renew it",
        "date": "the day it stood there",
    },
    price_files.MachinePrice: {
        "gpu_hour": "USD that the machine costs in an hour",
        "tokens_per_second": "tokens that it serves in a second, all requests together",
        "utilisation": "share of the hour that it is busy (0.4 is 40 %); what it costs idle is then charged, too",
    },
    files.TimeoutsEntry: {
        "connect": "until the connection stands, for example `5s`",
        "first_byte": "until a stream's first event",
        "idle": "between two parts of an answer",
        "total": "the whole call",
    },
    files.CatalogFile: {"backends": "each backend under the name that clients may send as `model`"},
    files.BackendEntry: {
        "base_url": "where it is; default: the provider's own",
        "api_key": "where its key is, `env:NAME` or `file:PATH`; while it is not there the backend is not offered",
        "model": "the name that is sent to it; default: the backend's own",
        "reports_as": "other names that its answers may give as `model`; dates and versions after a name need no entry."
        " A name that is neither is counted, and where a permit says so the backend is suspended",
        "aliases": "further names; backends that share one form a group",
        "timeout": "how long its calls may take",
        "capabilities": "what it can do; a request that needs more is not sent to it",
        "context": "tokens that prompt and answer may have together",
        "max_output": "tokens that an answer may have",
        "max_concurrent": "calls that it may have under way; without it, a server of our own has as many as it keeps up"
        " with, any other any number",
        "price": "`book` (its row in prices.yaml), USD per million tokens, or what the machine costs; none: not used",
        "substitute": "the backend that answers to its name while it is suspended or retired",
        "source": "where these facts come from",
        "review_by": "the day by which somebody looks at them again",
    },
    files.ProjectsFile: {"projects": "what is known of each project"},
    files.ProjectEntry: {
        "jurisdiction": "whose law it is under",
        "floor": "the least label of its requests",
        "opaque_as": "the level that its images, sounds and files count as; default: see Sensitivity",
        "why": "why, in words",
    },
    sensitivity_files.SensitivityFile: {
        "kinds": "what built-in kinds of finding mean here, or `off`",
        "detectors": "patterns of our own, each with examples",
        "dictionaries": "lists of terms, such as names of customers",
    },
    sensitivity_files.KindEntry: {
        "level": "the level that a finding raises a request to",
        "tag": "the tag that rules know it by, `none` for no tag",
    },
    sensitivity_files.DetectorEntry: {
        "id": "its name in findings; no kind or other detector has it",
        "pattern": "what it finds, in RE2; group 1 of it, if there is one",
        "level": "the level that a finding raises a request to",
        "tag": "the tag that rules know it by",
        "near": "words one of which stands near a finding; `invoice*` is every word that begins so",
        "examples": "texts in which it finds something, at least one",
        "counterexamples": "texts in which it finds nothing",
        "why": "why, in words",
    },
    sensitivity_files.DictionaryEntry: {
        "id": "its name in findings; no kind or other detector has it",
        "file": "`dictionaries/NAME.txt`, or the whole path of a file outside of the tree: a term a line",
        "level": "the level that a finding raises a request to",
        "tag": "the tag that rules know it by",
        "whole_words": "`false`: terms are also found as a part of words",
        "ignore_case": "`false`: only as it is written",
        "why": "why, in words",
    },
    files.PolicyFile: {
        "policy": "a name for the rules of this file",
        "owner": "who answers for them",
        "mode": "`enforce` decides; `warn` tells callers what it would deny; `shadow`: logs and metrics do; `off`",
        "canary": "in `enforce`: for so many percent of keys, by `key.bucket`; for the others it is as in `shadow`",
        "promote": "when `shadow` is ready for `warn`, and `warn` for `enforce`: see `gateway policy rollout`",
        "rules": "the rules",
    },
    files.PromoteEntry: {
        "after": "how long this tree, unchanged, has decided requests: `24h`, `7d`; at most 60 days",
        "max_new_denials": "how many it would deny that were served: at most `0.1%` of them, or at most so many",
    },
    files.RuleEntry: {
        "id": "its name in decisions, tests and reports; once in the whole tree",
        "why": "the reason, for whoever is denied by it",
        "permit": "a backend may serve a request when everything in one permit is true, and nothing forbids it",
        "forbid": "denies when nothing in it is false: what is unknown counts as true",
        "require": "what is to be done first; where it cannot be, it denies, and a permit beside it does not count",
        "limit": "ceilings on spending",
        "prefer": "the order among those permitted; it never adds any",
        "breakable": "`true`: a break-glass exception may lift this forbid",
        "in_flight": "`revoke`: what it comes to forbid is also cut while it is being answered; `finish`: it may end",
        "on_model_mismatch": "of a permit: a backend that it admits and that answers as another model is"
        " suspended (`suspend`), or that is counted and recorded (`count`)",
    },
    files.Scope: {"when": _WHEN, "to": _TO},
    files.Requirement: {"do": "the obligations, by name"},
    files.Ceiling: {
        "usd": "at most so many USD, for each `per`",
        "per": "what has a ceiling of its own",
        "share": "at most this part of all spending (0.6 is 60 %), for each `by`",
        "of": "what it is a part of",
        "by": "what has at most that share",
        "window": "`hour`, `day`, `week`, `month`: by the calendar, in UTC; `12h`, `7d`: the time just past",
        "min_sample_usd": "a share counts once so many USD are spent",
        "then": "`deny`, or `[downgrade: ALIAS, deny]`: first only that group is left",
        "on_store_down": "while nobody can count: `deny`, or `local_quota`, each process its part",
    },
    files.Preference: {"order": "what to order by: `cost`, the cheapest first", "when": _WHEN},
    files.InvariantsFile: {"invariants": "what must hold"},
    files.InvariantEntry: {
        "id": "its name in reports",
        "why": "the reason, in words",
        "absolute": "it also holds while every breakable rule is lifted",
        "over": "`catalog`: for the backends there are; `any_backend`: for every one that could be entered",
        "never": "no such request reaches such a backend",
        "always_some": "each such request may be served by some backend that is as `backend` says",
        "backend": "for `always_some`: conditions on the backend",
        "monotone": "a higher label never adds a backend",
        "chain": "bounds on the calls of one request",
        "no_new_access": "nobody may do what an earlier version of the tree did not let them",
    },
    files.NeverEntry: {"request": _WHEN, "backend": _TO},
    files.AlwaysEntry: {"request": _WHEN},
    files.ChainEntry: {
        "max_distinct_operators": "operator origins that the calls of one request reach at most",
        "never_after": "no backend of one kind after one of another",
    },
    files.AfterEntry: {"left": "backends that were called", "enter": "backends that are not called after them"},
    files.NewAccessEntry: {
        "base": "the version to compare with: a git branch, tag or commit",
        "unless_approved_by": "who may agree to more",
    },
    files.TestsFile: {"tests": "the tests"},
    files.TestEntry: {
        "name": "what it shows, in words; once in the whole tree",
        "request": "its facts, `model` and `needs`; the rest is as if an application had changed only its base URL",
        "faults": "backends that fail, each with a status, a kind of failure, or `timeout`",
        "spent": "USD spent before, by rule (`RULE#2`: its second ceiling): one amount, or one for each account",
        "at": "the moment, for break-glass exceptions: `2026-11-22T18:00:00Z`",
        "expect": "what comes of it",
    },
    files.ExpectEntry: {
        "permit": "exactly these may be asked, of those behind the model's name",
        "deny": "these are denied by the policy, by the rules named",
        "permit_only": "everyone who may be asked is as these conditions say",
        "first": "who is asked first",
        "decision": "whether anybody serves it",
        "http": "the status that the client sees",
        "reason": "the error code that the client sees",
        "hops": "calls that are made",
        "sent_outside": "calls to machines that we do not run",
        "watch": "exactly these rules on trial would fire, at some backend behind the model's name; in force, they do",
    },
    files.ExceptionsFile: {"exceptions": "the exceptions"},
    files.ExceptionEntry: {
        "id": "its name in decisions and reports",
        "rules": "the rules that it lifts; each is `breakable: true`",
        "principal": "for whom: conditions on the request, among them a key, app, team, project or person",
        "backends": "towards which backends",
        "starts": "from when, in UTC: `2026-11-22T18:00:00Z`",
        "expires": "until when; at most four hours later",
        "ticket": "where it was asked for",
        "requested_by": "who asked",
        "approved_by": "two people or more, none of whom asked",
        "why": "the reason, in words",
    },
}


def meaning(model: type[BaseModel], field: str) -> str:
    """What a field means; KeyError when nobody wrote it down. A passport fact means what its attribute means."""
    for each in model.__mro__:
        if each in MEANINGS and field in MEANINGS[each]:
            return MEANINGS[each][field]
    if model is files.BackendEntry:
        return BACKEND[field].meaning
    raise KeyError(f"{model.__name__}.{field}")


def models() -> Iterator[type[BaseModel]]:
    """Every model of a policy file."""
    for value in (*vars(files).values(), *vars(price_files).values(), *vars(sensitivity_files).values()):
        if isinstance(value, type) and issubclass(value, BaseModel) and value.model_fields:
            yield value
