"""`model_list` and what renames its models, as rows of a catalog."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.review.litellm.entries import Defaults, Draft, draft_of, missing_in, params_of, seconds_of
from gateway.review.litellm.key_refs import KeyRefs
from gateway.review.litellm.names import Names, add_aliases
from gateway.review.litellm.reading import Section
from gateway.review.litellm.settings import note_rest
from gateway.review.litellm.values import Findings, Own, Row

_ENTRY = ("model_name", "litellm_params", "model_info")
_ALIASES = (("router_settings", "model_group_alias"), ("litellm_settings", "model_alias_map"))


class Rows(msgspec.Struct, frozen=True):
    """The rows; the ids behind each name that clients give; the ids of those with facts that nobody knows; and which
    keys of which section were read."""

    rows: tuple[Row, ...]
    behind: Mapping[str, tuple[str, ...]]
    open: tuple[str, ...]
    used: Mapping[str, frozenset[str]]


def rows_of(config: Section, own: Own, found: Findings) -> Rows:
    """The rows of a config."""
    used: dict[str, set[str]] = {"": {"model_list"}, "litellm_settings": set(), "router_settings": set()}
    defaults = _defaults(config, used)
    entries = [entry for entry in config.get("model_list") or [] if _is_entry(entry, found)]
    keys = KeyRefs((params_of(entry, defaults) for entry in entries), found)
    drafts = [draft for entry in entries if (draft := draft_of(entry, defaults, keys, own, found)) is not None]
    there = [_is_there(draft, own, found) for draft in drafts]
    behind: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    behind |= {draft.name: (draft.name,) for draft, is_there in zip(drafts, there, strict=True) if is_there}
    drafts = [draft for draft, is_there in zip(drafts, there, strict=True) if not is_there]
    names = Names(drafts, own, found)
    for section, key in _ALIASES:
        aliases = (config.get(section) or {}).get(key)
        if isinstance(aliases, Mapping):
            add_aliases(names, drafts, f"{section}.{key}", aliases, found)
            used[section].add(key)  # each that is not carried over has a note of its own
    rows = tuple(_row(draft, names.ids[at], names.aliases[at]) for at, draft in enumerate(drafts))
    for at, draft in enumerate(drafts):
        for name in dict.fromkeys((draft.name, *names.aliases[at])):
            behind[name] += (names.ids[at],)
    unknown = tuple(row.id for row in rows if missing_in(row.fields))
    return Rows(rows, behind, unknown, {section: frozenset(keys) for section, keys in used.items()})


def _is_entry(entry: Any, found: Findings) -> bool:
    entry = entry if isinstance(entry, dict) else {}
    name = entry.get("model_name")
    shown = name if isinstance(name, str) else ""
    if not shown or not isinstance(entry.get("litellm_params"), dict):
        why = "an entry is no model: it needs a `model_name` and `litellm_params`"
        found.note("model_list", why, "Write what is missing, and import again.", *([shown] if shown else []))
        return False
    if not isinstance(entry.get("model_info") or {}, dict):
        found.note("model_list", "its `model_info` has no fields", "Write it anew, and import again.", shown)
        return False
    found.carried("model_list", _ENTRY & entry.keys())
    note_rest(found, "model_list", [key for key in entry if key not in _ENTRY], shown)
    return True


def _defaults(config: Section, used: dict[str, set[str]]) -> Defaults:
    litellm, router = config.get("litellm_settings") or {}, config.get("router_settings") or {}
    timeout, stream_timeout = seconds_of(router.get("timeout")), seconds_of(router.get("stream_timeout"))
    used["router_settings"] |= {"timeout"} if timeout is not None else set()
    used["router_settings"] |= {"stream_timeout"} if stream_timeout is not None else set()
    usual = seconds_of(litellm.get("request_timeout"))
    used["litellm_settings"] |= {"request_timeout"} if usual is not None else set()
    credentials: dict[str, Section] = {}
    written = config.get("credential_list")
    for each in written if isinstance(written, list) else []:
        values = each.get("credential_values") if isinstance(each, dict) else None
        if isinstance(values, dict):
            credentials[str(each.get("credential_name"))] = {k: v for k, v in values.items() if v is not None}
    if credentials:
        used[""].add("credential_list")
    return Defaults(timeout if timeout is not None else usual, stream_timeout, credentials)


def _is_there(draft: Draft, own: Own, found: Findings) -> bool:
    """Whether the policy tree has the same row already, so that a second one would only be in its way."""
    base_url = draft.fields.get("base_url") or own.base_urls.get(draft.place.provider)
    here = (draft.name, draft.place.provider, draft.place.model, base_url, draft.fields.get("api_key"))
    for each in own.backends:
        if (each.id, each.provider, each.model, each.base_url, each.key_ref) == here:
            found.note(
                "model_list.model_name",
                "the policy tree has this row already, with the same model, address and key: none was written",
                "Compare its price, timeouts and sizes with what the config says of it.",
                draft.name,
            )
            return True
    return False


def _row(draft: Draft, id: str, aliases: list[str]) -> Row:
    fields = dict(draft.fields)
    if fields.get("model") == id:
        del fields["model"]
    if aliases:
        fields["aliases"] = aliases
    return Row(id, fields, draft.said)
