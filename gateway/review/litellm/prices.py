"""What a model costs: LiteLLM's USD per token as USD per million, exactly."""

import re
from collections.abc import Mapping
from decimal import ROUND_UP, Decimal

from gateway.review.litellm.providers import Place, model_known
from gateway.review.litellm.reading import Section, decimal_of
from gateway.review.litellm.values import Findings, Own

FIGURES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_long",
    "output_cost_per_reasoning_token": "reasoning",
    "input_cost_per_audio_token": "audio_input",
    "output_cost_per_audio_token": "audio_output",
}
"""LiteLLM's figures, and ours."""

_ABOVE = re.compile(r"([a-z_]+)_above_([1-9][0-9]{0,5})k_tokens\Z")
_TIERED = {name: figure for name, figure in FIGURES.items() if figure != "cache_write_long"}
_MOST = Decimal(1_000_000)
_PLACES = Decimal("0.000001")
_NOT_OURS = ("source", "date", "from")
"""What the price book says beside the figures."""


def price_of(
    params: Section, info: Section, place: Place, base_model: str, own: Own, found: Findings, where: str
) -> tuple[object, str, frozenset[str]]:
    """The price of a row: figures, `book`, or None: nobody knows; what to say of where it comes from; and the keys it
    was read from. What is in the parameters counts before what is in the model's information, as at LiteLLM."""
    written = {key: value for key, value in {**info, **params}.items() if value is not None}
    figures, used = _figures(written, found, where)
    if figures:
        return figures, "", used
    name = model_known(place, base_model)
    if name == place.model and name in own.book:
        return "book", "", used
    book = own.book.get(name)
    if isinstance(book, Mapping):
        copied = {key: value for key, value in book.items() if key not in _NOT_OURS}
        return copied, f"the price is that of {name} in prices.yaml, {book.get('date')}", used
    found.note(
        "litellm_params.input_cost_per_token",
        "it has no price, and the price book has none of its model: what has no price is not asked",
        "Write the row's `price`, or a row of prices.yaml and `price: book`; own machines have `gpu_hour`. LiteLLM took"
        " it from its own table.",
        where,
    )
    return None, "", used


def _figures(written: Section, found: Findings, where: str) -> tuple[dict[str, object], frozenset[str]]:
    used: set[str] = set()
    usual: dict[str, object] = {}
    tiers: dict[int, dict[str, object]] = {}
    for key, value in written.items():
        above = _ABOVE.match(key)
        figure = FIGURES.get(key) or (_TIERED.get(above[1]) if above else None)
        if figure is None or (amount := _per_million(key, value, found, where)) is None:
            continue
        used.add(key)
        if above and key not in FIGURES:
            tiers.setdefault(int(above[2]) * 1000, {})[figure] = amount
        else:
            usual[figure] = amount
    if not usual.keys() & {"input", "output"}:
        return {}, frozenset()  # a figure beside the price that LiteLLM's own table has
    for figure in ("input", "output"):
        if figure not in usual:
            usual[figure] = Decimal(0)
            said = f"only one of input and output has a cost; the row says 0 for {figure}, as LiteLLM counts"
            found.note(f"litellm_params.{figure}_cost_per_token", said, "Check the row's `price`.", where)
    order = tuple(FIGURES.values())
    price: dict[str, object] = {figure: usual[figure] for figure in order if figure in usual}
    if tiers:
        price["tiers"] = [
            {"above": above, **{figure: merged[figure] for figure in order if figure in merged}}
            for above, tier in sorted(tiers.items())
            for merged in ({**usual, **tier},)
        ]
    return price, frozenset(used)


def _per_million(key: str, value: object, found: Findings, where: str) -> Decimal | None:
    number = decimal_of(value)
    if number is None or not 0 <= number * _MOST <= _MOST:
        return None
    exact = number * _MOST
    rounded = exact.quantize(_PLACES, ROUND_UP)
    if rounded != exact:
        said = "the price book has six places behind the point of USD per million; the rest was rounded up"
        found.note(f"litellm_params.{key}", said, "Nothing, or check the row's `price`.", where)
    return rounded
