"""What a request asks of a provider besides its model: tools that run there, and content that is kept there.

All is read from decoded values: a name may be written with escapes.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from gateway.core.errors import Refusal, Refused

HOSTED = ("container", "data_sources", "enable_search", "mcp_servers", "plugins", "search_parameters", "web_search")
"""Top-level fields, beside `tools`, by which providers and brokers (OpenRouter) are asked to run or search things."""

REFERENCES = frozenset({"container_id", "file_id", "file_ids", "vector_store_ids"})
"""Members that name content which is kept at a provider. So does `container` where it is an id or has one."""

UNREAD = frozenset(
    {"annotations", "arguments", "citations", "input", "input_examples", "input_schema", "parameters", "schema"}
)
"""Members that no provider looks for content in: what calls and schemas hold, and what an earlier answer quoted."""

ECHOES = frozenset({"bash_code_execution_output", "code_execution_output"})
"""Types of what a tool wrote earlier. A model does not read the files that it names."""

NOTES = frozenset({"client_metadata", "metadata"})
"""Top-level fields with the client's own notes."""

_NOTHING: tuple[object, ...] = (None, False, "", [], {}, {"mode": "off"})


def asks_there(fields: Mapping[str, Raw]) -> bool:
    """Whether a field asks for something that runs at the provider. Raises Refused (400)."""
    return any(_decoded(fields[name], name) not in _NOTHING for name in HOSTED if name in fields)


def refuse_kept(fields: Mapping[str, Raw]) -> None:
    """Raises Refused (400) for a field that names content which is kept at a provider."""
    for name, raw in fields.items():
        if name not in NOTES:
            _refuse_in(_decoded(raw, name), name)


def kept(path: str) -> Refused:
    """The refusal for what names such content."""
    return Refused(
        Refusal.UNSUPPORTED,
        f"`{path}` is not supported: files and containers are kept in the account of the gateway, so any caller could "
        "name another's; send the content itself",
        param=path,
    )


def _refuse_in(whole: object, name: str) -> None:
    left: list[tuple[str, object, bool]] = [(name, {name: whole}, True)]
    while left:
        path, value, top = left.pop()
        if isinstance(value, list):
            left += [(f"{path}[{at}]", each, False) for at, each in enumerate(value)]
        elif isinstance(value, dict):
            if value.get("type") == "image_generation_call" and not value.get("result"):
                raise kept(path)
            for member, inside in value.items():
                where = path if top else f"{path}.{member}"
                if _names(member, inside) and value.get("type") not in ECHOES:
                    raise kept(where)
                if top or member not in UNREAD:
                    left.append((where, inside, False))


def _names(member: str, value: object) -> bool:
    if member == "container":
        return value not in _NOTHING if not isinstance(value, dict) else value.get("id") not in _NOTHING
    return member in REFERENCES and value not in _NOTHING and isinstance(value, str | list)


def _decoded(raw: Raw, name: str) -> object:
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:
        raise Refused(Refusal.INVALID_TYPE, f"invalid `{name}`: it holds what nobody can read", param=name) from None
    except RecursionError:
        raise Refused(Refusal.INVALID_JSON, "the request body is nested too deeply") from None
