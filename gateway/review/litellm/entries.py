"""One entry of `model_list` as the fields of a row: what it says, and what this gateway knows of the same model."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from gateway.core.catalog import PASSPORT, Backend
from gateway.review.litellm.key_refs import KeyRefs
from gateway.review.litellm.prices import price_of
from gateway.review.litellm.providers import Place, model_known, place_of
from gateway.review.litellm.reading import Section, decimal_of, whole_of
from gateway.review.litellm.settings import note_rest
from gateway.review.litellm.values import Findings, Own

MODES: Mapping[str, tuple[str, ...]] = {
    "chat": ("chat",),
    "completion": ("completions",),
    "embedding": ("embeddings",),
    "responses": ("responses",),
    "moderation": ("moderations",),
    "moderations": ("moderations",),
}
"""What a model of a mode serves here."""

_SUPPORTS: Mapping[str, str] = {
    "supports_function_calling": "tools",
    "supports_vision": "vision",
    "supports_audio_input": "audio",
    "supports_response_schema": "json_schema",
    "supports_reasoning": "reasoning",
}
_ANYWHERE = ("weights_origin", "licence")
"""Facts of a model that hold whoever serves it."""
_MAY_BE_MISSING = ("eligible_persons",)
_LONGEST_SECONDS = 86_400


class Draft(msgspec.Struct, frozen=True):
    """A row that has no id yet. `name` is what clients call it, `given_id` what LiteLLM's own id of it is."""

    name: str
    given_id: str
    place: Place
    fields: Mapping[str, object]
    said: tuple[str, ...]


class Defaults(msgspec.Struct, frozen=True):
    """What holds for entries that say nothing themselves: seconds, None: nothing is said; and credentials by name."""

    timeout: Decimal | None = None
    stream_timeout: Decimal | None = None
    credentials: Mapping[str, Section] = {}


def seconds_of(value: object) -> Decimal | None:
    """A span that a row may have as a timeout; None: it is none."""
    number = decimal_of(value)
    return number if number is not None and 0 < number <= _LONGEST_SECONDS else None


def params_of(entry: Section, defaults: Defaults) -> Section:
    """The parameters of an entry, with the credential that it names."""
    params = {key: value for key, value in entry["litellm_params"].items() if value is not None}
    named = params.get("litellm_credential_name")
    if isinstance(named, str) and named in defaults.credentials:
        params = {**defaults.credentials[named], **params}
    return params


def draft_of(entry: Section, defaults: Defaults, keys: KeyRefs, own: Own, found: Findings) -> Draft | None:
    """The row of an entry whose `model_name`, `litellm_params` and `model_info` are of the right kind. None: there is
    none, and a note says why."""
    name = entry["model_name"]
    params = params_of(entry, defaults)
    info = {key: value for key, value in (entry.get("model_info") or {}).items() if value is not None}
    if "*" in name or "*" in str(params.get("model")):
        found.note(
            "model_list.model_name",
            "a name with `*` stands for models that nobody named: a backend here is one model, with its own facts",
            "Write an entry for each model that is used, and import again, or write its row.",
            name,
        )
        return None
    place = place_of(params, own)
    if isinstance(place, str):
        do = (
            "If its server speaks the dialect of OpenAI, write a row with `provider: openai-compatible` and its"
            " `base_url`; else leave it out."
        )
        found.note("litellm_params.model", place, do, name)
        return None
    mode = str(info.get("mode") or ("completion" if params["model"].startswith("text-completion-") else "chat"))
    if mode not in MODES:
        why = "this gateway has no surface for models of its mode"
        found.note("model_info.mode", why, "Leave it at LiteLLM, or call it directly.", name)
        return None
    return _Reading(name, params, info, defaults, place, own, found).draft(mode, keys.of(params, place, name))


class _Reading:
    def __init__(
        self,
        name: str,
        params: Section,
        info: Section,
        defaults: Defaults,
        place: Place,
        own: Own,
        found: Findings,
    ) -> None:
        self.name, self.params, self.info = name, params, info
        self.defaults, self.place, self.own, self.found = defaults, place, own, found
        self.base_model = str(info.get("base_model") or "")
        self.used = set(place.used) | ({"api_key"} & params.keys())
        if str(params.get("litellm_credential_name")) in defaults.credentials:
            self.used.add("litellm_credential_name")
        self.used_info = {"mode", "base_model", "id"} & info.keys()
        self.said: list[str] = []

    def draft(self, mode: str, key: str | None) -> Draft:
        place, twin = self.place, self._twin()
        if place.unknown:
            do = "Write the row's `base_url`; as it is, nothing is sent."
            self.found.note("litellm_params.api_base", f"the base URL is not known: {place.unknown}", do, self.name)
        price, said, used = price_of(self.params, self.info, place, self.base_model, self.own, self.found, self.name)
        self.said += [said] if said else []
        self.used |= used & self.params.keys()
        self.used_info |= used & self.info.keys()
        fields: dict[str, object] = {
            "provider": place.provider,
            "base_url": place.base_url,
            "api_key": key,
            "model": place.model,
            "timeout": self._timeout(),
            "capabilities": self._capabilities(mode, twin),
            **self._sizes(twin),
            "price": price,
            **self._facts(twin),
        }
        note_rest(self.found, "litellm_params", [key for key in self.params if key not in self.used], self.name)
        note_rest(self.found, "model_info", [key for key in self.info if key not in self.used_info], self.name)
        self.found.carried("litellm_params", self.used)
        self.found.carried("model_info", self.used_info)
        given = {field: value for field, value in fields.items() if value is not None}
        return Draft(self.name, str(self.info.get("id") or ""), place, given, tuple(self.said))

    def _twin(self) -> Backend | None:
        """The same model at the same place, in the catalog that is there already."""
        base_url = self.place.base_url or self.own.base_urls.get(self.place.provider)
        here = (self.place.provider, self.place.model, base_url)
        return next((each for each in self.own.backends if (each.provider, each.model, each.base_url) == here), None)

    def _timeout(self) -> dict[str, object] | None:
        spans = {}
        for key, field, otherwise in (
            ("timeout", "total", self.defaults.timeout),
            ("stream_timeout", "first_byte", self.defaults.stream_timeout),
        ):
            seconds = seconds_of(self.params.get(key))
            if seconds is not None:
                self.used.add(key)
            if (span := seconds or otherwise) is not None:
                spans[field] = f"{span:f}s"
        return dict(sorted(spans.items())) or None

    def _capabilities(self, mode: str, twin: Backend | None) -> list[str]:
        serves = list(MODES[mode])
        told = _SUPPORTS.keys() & self.info.keys()
        self.used_info |= told
        if told:
            return serves + [word for key, word in _SUPPORTS.items() if self.info.get(key) is True]
        if twin is not None:
            return serves + sorted(twin.capabilities - {*serves, "chat"})
        if mode in {"chat", "responses"}:
            self.found.note(
                "model_info.supports_*",
                "the config does not say what the model can (LiteLLM has a table): only plain text is assumed",
                "Add what it can to the row's `capabilities`: tools, vision, audio, json_schema, logprobs, reasoning."
                " Requests that need one of them are answered with 400 until then.",
                self.name,
            )
        return serves

    def _sizes(self, twin: Backend | None) -> dict[str, object]:
        sizes: dict[str, object] = {}
        for field, keys, known in (
            ("context", ("max_input_tokens",), twin and twin.context),
            ("max_output", ("max_output_tokens", "max_tokens"), twin and twin.max_output),
        ):
            given = {key: number for key in keys if (number := whole_of(self.info.get(key))) is not None}
            self.used_info |= given.keys()
            sizes[field] = next(iter(given.values()), known)
        return sizes

    def _facts(self, twin: Backend | None) -> dict[str, object]:
        """The passport: what the catalog says of the same model at the same place; of a model elsewhere only what
        holds anywhere. Nothing is guessed."""
        facts: dict[str, object] = {}
        known = model_known(self.place, self.base_model)
        elsewhere = next((each for each in self.own.backends if each.model == known), None)
        if twin is not None:
            facts = {fact: twin.passport[fact] for fact in PASSPORT if fact in twin.passport}
            self.said.append(f"what is known of it is copied from the row `{twin.id}`")
        elif elsewhere is not None:
            facts = {fact: elsewhere.passport[fact] for fact in _ANYWHERE if fact in elsewhere.passport}
        if twin is None and self.place.hosted and "vendor_api" in self.own.words.get("deployments", ()):
            facts["deployment"] = "vendor_api"
        region = self.params.get("region_name")
        if isinstance(region, str) and region in self.own.words.get("regions", ()):
            facts["region"] = region
            self.used.add("region_name")
        if self.info.get("blocked") is True and "suspended" in self.own.words.get("statuses", ()):
            facts["status"] = "suspended"
            self.used_info.add("blocked")
        ordered = {fact: facts[fact] for fact in PASSPORT if fact in facts}
        return {fact: sorted(value) if isinstance(value, frozenset) else value for fact, value in ordered.items()}


def missing_in(fields: Mapping[str, object]) -> tuple[str, ...]:
    """The facts that rules may ask for and a row lacks."""
    return tuple(fact for fact in PASSPORT if fact not in fields and fact not in _MAY_BE_MISSING)
