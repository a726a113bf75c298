"""A LiteLLM proxy config, carried over to this gateway as far as it goes, with a note for everything that does not."""

from collections.abc import Mapping, Sequence

from gateway.review.litellm.budgets import budgets_of
from gateway.review.litellm.keys import commands_of
from gateway.review.litellm.models import rows_of
from gateway.review.litellm.reading import Section
from gateway.review.litellm.settings import note_rest, said_of
from gateway.review.litellm.values import Findings, Imported, Own

_SECTIONS = ("litellm_settings", "router_settings", "general_settings")
_READ_BEFORE = ("model_list", "include")


def imported(config: Section, keys: Sequence[Section], own: Own, today: str) -> Imported:
    """What a whole config (`reading.together`) and keys (`reading.keys_in`) come to, on a day (YYYY-MM-DD).

    Every key of the config is in `carried` or has a note, or both. Only a key whose value is null says nothing.
    """
    found = Findings()
    rows = rows_of(config, own, found)
    ceilings, commands, of_budgets = budgets_of(config, own.base_urls, found)
    commands += commands_of(keys, rows.behind, today, found)
    for section in _SECTIONS:
        used = rows.used.get(section, frozenset()) | of_budgets.get(section, set())
        found.carried(section, used)
        written = _said(config.get(section) or {})
        note_rest(found, section, [key for key in written if key not in used and not found.has(f"{section}.{key}")])
    found.carried("", [key for key in _READ_BEFORE if config.get(key)])
    found.carried("", rows.used.get("", ()))
    for key, value in _said(config).items():
        if key in _SECTIONS or key in _READ_BEFORE or key in rows.used.get("", ()):
            continue
        names = value if isinstance(value, Mapping) and key == "environment_variables" else ()
        found.note(key, *said_of("", key), *names)
    references = (str(row.fields.get("api_key", "")) for row in rows.rows)
    variables = sorted({each.removeprefix("env:") for each in references if each.startswith("env:")})
    return Imported(
        rows.rows,
        tuple(ceilings),
        tuple(commands),
        found.notes(),
        found.keys(),
        tuple(variables),
        rows.open,
    )


def _said(section: Section) -> Section:
    return {key: value for key, value in section.items() if value is not None}
