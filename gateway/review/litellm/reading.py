"""A LiteLLM config, and its list of keys, as plain values: numbers keep their digits, sizes are bounded."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import yaml

from gateway.review.litellm.values import Unreadable

MAX_BYTES = 4_000_000
"""Of one file."""
_MAX_DEPTH = 48
_TOO_DEEP = f"it is nested deeper than {_MAX_DEPTH} levels"
_MAX_VALUES = 200_000
"""Of one file, with everything that its anchors repeat."""
_SECTIONS = ("model_list", "litellm_settings", "router_settings", "general_settings")

Section = Mapping[str, Any]


class _Loader(yaml.CSafeLoader):
    """Plain values only. A number with a point stays exact, a date stays the text that it is."""


def _number(loader: Any, node: Any) -> object:
    return _decimal_in(loader.construct_scalar(node))


def _written(loader: Any, node: Any) -> object:
    return loader.construct_scalar(node)


def _decimal_in(text: str) -> object:
    try:
        number = Decimal(text.replace("_", ""))
    except InvalidOperation:
        return text
    return number if number.is_finite() else text


_Loader.add_constructor("tag:yaml.org,2002:float", _number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _written)


def config_in(raw: bytes) -> Section:
    """The sections of a YAML file. Raises Unreadable."""
    text = _text(raw)
    loader = _Loader(text)
    try:
        _check_depth(text)
        node = loader.get_single_node()
        _check_size(node)
        data = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f" at line {mark.line + 1}" if mark else ""
        raise Unreadable(f"it is not YAML{at}: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise Unreadable(f"it is not YAML: {type(error).__name__}") from None
    finally:
        loader.dispose()
    data = _plain(data)
    if not isinstance(data, dict):
        raise Unreadable("it has no sections; a LiteLLM config has `model_list`, `litellm_settings`, ...")
    return data


def included_in(config: Section) -> tuple[str, ...]:
    """The files that a config names in `include`. Raises Unreadable."""
    named = config.get("include") or []
    named = [named] if isinstance(named, str) else named
    if not isinstance(named, list) or not all(isinstance(each, str) for each in named):
        raise Unreadable("`include` is no list of files")
    return tuple(named)


def together(config: Section, included: Sequence[Section]) -> Section:
    """A config with what it includes, as LiteLLM puts them together: lists go on, anything else is replaced. Raises
    Unreadable when that is no config of LiteLLM."""
    whole = dict(config)
    for part in included:
        for key, value in part.items():
            before = whole.get(key)
            whole[key] = [*before, *value] if isinstance(before, list) and isinstance(value, list) else value
    if not any(whole.get(section) for section in _SECTIONS):
        raise Unreadable(f"it is no config of LiteLLM: it has none of {', '.join(_SECTIONS)}")
    models = whole.get("model_list") or []
    if not isinstance(models, list):
        raise Unreadable("`model_list` is no list")
    for section in _SECTIONS[1:]:
        if not isinstance(whole.get(section) or {}, dict):
            raise Unreadable(f"`{section}` has no fields")
    return whole


def keys_in(raw: bytes) -> tuple[list[Section], int]:
    """The keys in an answer of `GET /key/list?return_full_object=true`, or in a list of them; and how many pages of
    them there are. Raises Unreadable."""
    try:
        data = json.loads(_text(raw), parse_float=_decimal_in, parse_constant=str)
    except (ValueError, RecursionError):
        raise Unreadable("it is no JSON") from None
    pages = 1
    if isinstance(data, dict):
        total = data.get("total_pages")
        pages = total if isinstance(total, int) else 1
        data = data.get("keys", data.get("data"))
    if not isinstance(data, list):
        raise Unreadable("it has no list of keys; ask LiteLLM for GET /key/list?return_full_object=true")
    if not all(isinstance(each, dict) for each in data):
        raise Unreadable("it has only hashes of keys; ask LiteLLM for GET /key/list?return_full_object=true")
    return [each["info"] if isinstance(each.get("info"), dict) else each for each in data], pages


def decimal_of(value: object) -> Decimal | None:
    """A number of any writing (1e-06, "0.5"), exactly; None: it is none, or not finite."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def whole_of(value: object) -> int | None:
    """A whole number above zero; None: it is none."""
    number = decimal_of(value)
    return int(number) if number is not None and number == number.to_integral_value() and 0 < number < 10**12 else None


def _text(raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        raise Unreadable(f"it is larger than {MAX_BYTES} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8 text") from None


def _check_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise Unreadable(_TOO_DEEP)


def _check_size(node: Any) -> None:
    """Counts what anchors repeat each time, and looks for keys that stand twice, before anything is built."""
    known: dict[int, tuple[int, int]] = {}
    on_the_way: set[int] = set()

    def size(at: Any) -> tuple[int, int]:
        if id(at) in known:
            return known[id(at)]
        if id(at) in on_the_way:
            raise Unreadable("an anchor stands inside of itself")
        on_the_way.add(id(at))
        _check_twice(at)
        total, levels = 1, 0
        for child in at.value if isinstance(at, yaml.CollectionNode) else ():
            for each in child if isinstance(child, tuple) else (child,):
                values, below = size(each)
                total, levels = total + values, max(levels, below + 1)
        on_the_way.discard(id(at))
        known[id(at)] = total, levels
        if total > _MAX_VALUES:
            raise Unreadable(f"it has more than {_MAX_VALUES} values")
        if levels > _MAX_DEPTH:
            raise Unreadable(_TOO_DEEP)
        return total, levels

    if node is not None:
        size(node)


def _check_twice(node: Any) -> None:
    """Of two keys of a name the last one counts, so the first would be lost silently."""
    seen: set[str] = set()
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(key, yaml.ScalarNode) and key.value in seen:
            raise Unreadable(f"line {key.start_mark.line + 1} has a key for the second time; leave one of them out")
        seen.add(str(key.value))


def _plain(value: object) -> Any:
    """The value with text as keys, and nothing but text, numbers, truth values, lists and fields."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | set | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, str | int | Decimal) else str(value)
