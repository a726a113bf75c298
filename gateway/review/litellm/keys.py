"""Keys of LiteLLM as commands that make new ones: what is stored there is a hash, so no key can be taken over."""

from collections.abc import Iterable, Mapping

from gateway.review.litellm.budgets import budget_of, usd
from gateway.review.litellm.reading import Section, whole_of
from gateway.review.litellm.settings import note_rest
from gateway.review.litellm.values import Command, Findings

_MADE = ("key_alias", "team_id", "team_alias", "max_budget", "budget_duration", "rpm_limit", "tpm_limit", "models",
         "blocked", "expires", "spend")  # fmt: skip
_OF_THE_STORE = ("token", "token_id", "key_name", "key", "created_*", "updated_*", "budget_reset_at", "last_active",
                 "model_spend", "soft_budget_cooldown", "key_type", "team_spend")  # fmt: skip
"""What LiteLLM notes of its own about a key. A `*` ends a name of any ending."""
_ANY_MODEL = frozenset({"all-proxy-models", "all-team-models", "*"})


def commands_of(
    keys: Iterable[Section], behind: Mapping[str, tuple[str, ...]], today: str, found: Findings
) -> list[Command]:
    """A command for each key that is in use on a day (YYYY-MM-DD). `behind` has the ids of rows by model name."""
    return [
        command
        for number, key in enumerate(keys, 1)
        if (command := _command(key, f"key-{number}", behind, today, found)) is not None
    ]


def _command(
    key: Section, nameless: str, behind: Mapping[str, tuple[str, ...]], today: str, found: Findings
) -> Command | None:
    app = str(key.get("key_alias") or nameless)
    team = str(key.get("team_alias") or key.get("team_id") or key.get("user_id") or "default")
    expires = str(key.get("expires") or "")[:10]
    if key.get("blocked"):
        found.note("key.blocked", "the key is blocked, so no new one is made", "Nothing.", app)
        return None
    if expires and expires < today:
        found.note("key.expires", "the key has expired, so no new one is made", "Nothing.", app)
        return None
    if expires:
        do = f"Run `gateway keys revoke ID` on {expires}."
        found.note("key.expires", "a key here is in force until it is revoked", do, app)
    words = ["gateway", "keys", "create", f"--team={team}", f"--app={app}"]
    words += _budget(key, app, found)
    for name, option in (("rpm_limit", "--rpm"), ("tpm_limit", "--tpm")):
        if key.get(name) is None:
            continue
        if (limit := whole_of(key[name])) is None:
            why = "it is no whole number above 0, so nothing could pass, and no new key is made"
            found.note(f"key.{name}", why, "Make one with `gateway keys create` if it is still used.", app)
            return None
        words.append(f"{option}={limit}")
    _models(key, app, behind, found)
    if key.get("spend"):
        why = "what was spent at LiteLLM does not count here: budgets begin at nothing"
        found.note("key.spend", why, "Nothing, or give a smaller budget for the rest of the window.", app)
    used = {"user_id"} if team == key.get("user_id") else set()
    rest = [name for name, value in key.items() if value and name not in used and not _is_made_of(name)]
    note_rest(found, "key", rest, app)
    found.carried("key", {name for name in _MADE if key.get(name)} - {"models", "expires", "spend", "blocked"})
    return Command(tuple(words))


def _budget(key: Section, app: str, found: Findings) -> list[str]:
    if key.get("max_budget") is None:
        return []
    budget = budget_of(key["max_budget"], key.get("budget_duration"))
    if budget is None:
        why = "it is no amount of USD up to a million: the key would have no budget, so it gets one of 0"
        found.note("key.max_budget", why, "Write the amount into its command.", app)
        return ["--budget-usd=0", "--per=month"]
    if budget.tightened:
        found.note("key.max_budget", budget.tightened, "Set another amount or window if that is not meant.", app)
    return [f"--budget-usd={usd(budget.usd)}", f"--per={budget.window}"]


def _models(key: Section, app: str, behind: Mapping[str, tuple[str, ...]], found: Findings) -> None:
    models = key.get("models") or []
    models = models if isinstance(models, list) else [models]
    if not models:
        return
    if _ANY_MODEL & {str(each) for each in models}:
        found.carried("key", ["models"])  # any: so may the new one, as far as policies permit
        return
    ids = list(dict.fromkeys(id for model in models for id in behind.get(str(model), ())))
    to = f", to: {{backend: {{not: [{', '.join(map(_word, ids))}]}}}}" if ids else ""  # none of them is here: to nobody
    rule = f"forbid: {{when: {{app: [{_word(app)}]}}{to}}}"
    why = "which models a key may use is a matter of policy: until a rule says so, it may use all that policies permit"
    found.note("key.models", why, f"Write a rule into policies/ before the key is handed out: `{rule}`.", app)


def _word(text: str) -> str:
    plain = text.replace("-", "").replace("_", "").replace("/", "").replace(".", "")
    return (
        text if plain.isascii() and plain.isalnum() and not text[0].isdigit() else "'" + text.replace("'", "''") + "'"
    )


def _is_made_of(name: str) -> bool:
    return name in _MADE or any(
        name.startswith(each.removesuffix("*")) if each.endswith("*") else name == each for each in _OF_THE_STORE
    )
