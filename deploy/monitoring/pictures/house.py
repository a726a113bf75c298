"""A house that is made up: its teams, what they ask of which models, how busy they are, and what goes wrong."""

import math
import random
from collections.abc import Callable
from typing import NamedTuple

HOUR, DAY = 3600, 86_400
NOW = 1_795_188_840
"""The moment that the pictures show, in Unix seconds: Friday, 20 November 2026, 15:34 UTC."""
MONTH = NOW - NOW % DAY - 19 * DAY
"""When that month began."""
MONTH_END = MONTH + 30 * DAY

Curve = Callable[[float], float]
"""A value for each moment."""


class Model(NamedTuple):
    """A backend of the catalog.

    `operator` and `weights` are where they come from; `first` is the usual time to its first token in seconds, `speed`
    tokens a second.
    """

    provider: str
    zone: str
    operator: str
    weights: str
    first: float
    speed: float
    review_days: int
    load: float = 9
    """Calls that it has at once when people are busiest, if there is room."""
    room: int = 0
    """Calls that it may have at once; 0: as many as there are."""


class Flow(NamedTuple):
    """What an app asks of a model: requests an hour when it is busiest, USD and output tokens for each."""

    team: str
    app: str
    model: str
    sensitivity: str
    rule: str
    hourly: float
    usd: float
    output: int
    growth: float = 1
    """By how much the last days have more than the weeks before."""


MODELS = {
    "gpt-5.6-sol": Model("openai", "us-vendors", "us", "us", 0.9, 92, 71),
    "gpt-5.6-luna": Model("openai", "us-vendors", "us", "us", 0.38, 160, 71),
    "claude-opus-5-5": Model("anthropic", "us-vendors", "us", "us", 1.1, 70, 96),
    "claude-sonnet-5-5": Model("anthropic", "us-vendors", "us", "us", 0.7, 110, 96),
    "mistral-large-latest": Model("mistral", "eu-vendors", "eu", "eu", 0.55, 95, 9),
    "mistral-small-latest": Model("mistral", "eu-vendors", "eu", "eu", 0.3, 170, 9),
    "deepseek-v4-flash": Model("deepseek", "cn-vendors", "cn", "cn", 0.8, 75, 40),
    "qwen-a": Model("vllm", "inhouse", "eu", "cn", 0.45, 48, 66, load=36, room=32),
    "lab": Model("vllm", "inhouse", "eu", "cn", 0.25, 85, 66, load=20, room=48),
    "grok-4.7": Model("xai", "us-vendors", "us", "us", 0.8, 80, -3),
}
OUT_OF_USE = "grok-4.7"
PRICES = {"qwen-a": (0.9, 2.59, 0.46), "lab": (0.21, 0.65, 0.74)}
"""Of own machines: USD for a million tokens, marginal and loaded, and the share of use from which they pay."""

_PUBLIC, _VETTED, _OWN = "public-to-anyone", "operators-that-never-train", "own-machines"
FLOWS = (
    Flow("engineering", "assistant", "claude-sonnet-5-5", "internal", _VETTED, 420, 0.021, 620),
    Flow("engineering", "assistant", "claude-opus-5-5", "internal", _VETTED, 55, 0.085, 900),
    Flow("engineering", "review-bot", "qwen-a", "confidential", _OWN, 180, 0.0062, 480),
    Flow("engineering", "review-bot", "gpt-5.6-luna", "internal", _VETTED, 240, 0.0021, 400),
    Flow("support", "answers", "gpt-5.6-luna", "internal", _VETTED, 900, 0.0012, 260),
    Flow("support", "answers", "mistral-small-latest", "public", _PUBLIC, 500, 0.0005, 240),
    Flow("support", "answers", "qwen-a", "confidential", _OWN, 650, 0.0031, 280, growth=1.25),
    Flow("research", "notebooks", "gpt-5.6-sol", "public", _PUBLIC, 70, 0.11, 1500, growth=1.9),
    Flow("research", "batch", "deepseek-v4-flash", "public", _PUBLIC, 400, 0.004, 900, growth=0.7),
    Flow("research", "batch", "lab", "internal", _OWN, 800, 0.0008, 700),
    Flow("research", "batch", "lab", "public", _OWN, 260, 0.0008, 700),
    Flow("legal", "contracts", "qwen-a", "restricted", _OWN, 40, 0.014, 1100),
    Flow("hr", "screening", "qwen-a", "confidential", _OWN, 25, 0.005, 420),
    Flow("marketing", "copy", "mistral-large-latest", "public", _PUBLIC, 160, 0.009, 700),
    Flow("marketing", "copy", "mistral-large-latest", "internal", _VETTED, 30, 0.009, 700),
    Flow("marketing", "copy", "gpt-5.6-sol", "public", _PUBLIC, 22, 0.04, 800, growth=0.6),
    Flow("data", "enrichment", "lab", "internal", _OWN, 1400, 0.0004, 120),
    Flow("data", "enrichment", "gpt-5.6-luna", "internal", _VETTED, 350, 0.0009, 150, growth=1.3),
)
EVERYBODY = "(all)"
LIMITS = (
    (
        "teams",
        "team",
        {"engineering": 3000, "support": 520, "research": 1800, "legal": 200, "hr": 60, "marketing": 400},
    ),
    ("providers", "provider", {"openai": 3500, "anthropic": 3500, "mistral": 500, "deepseek": 400}),
    ("house", "organisation", {EVERYBODY: 9000}),
)
"""Budgets of a month in USD: their name, what for, and each account."""
LEVELS = ("public", "internal", "confidential", "restricted", "unknown")
ZONES = ("inhouse", "eu-vendors", "us-vendors", "cn-vendors")
EDITED = "no-cn-operated-apis-for-eu-projects"
"""The rule that denies more since somebody edited it today."""
DENIED = {"confidential-stays-home": 78, "people-and-contracts-stay-home": 42, EDITED: 18, "secrets-go-nowhere-raw": 12}
"""Denials in a day that is busy throughout."""
FOUND = {"none": 0.86, "email": 0.06, "person": 0.05, "phone": 0.02, "iban": 0.006, "api_key": 0.002, "card": 0.0015}
BROKEN = "no-unlimited-retention"
"""The rule that an exception lets past."""


def may(level: str, zone: str) -> bool:
    """Whether this house lets a level go to a zone."""
    return zone == "inhouse" or level == "public" or (level == "internal" and zone != "cn-vendors")


def busy(at: float) -> float:
    """How busy people are, 0..1: mornings and afternoons of working days, a lunch between, little at night."""
    hour = at % DAY / HOUR
    weekend = (at // DAY + 3) % 7 >= 5
    work = math.exp(-(((hour - 10) / 2.2) ** 2)) + 0.95 * math.exp(-(((hour - 14.8) / 2.4) ** 2))
    return 0.04 + 0.96 * min(work, 1) * (0.08 if weekend else 1)


def throttled(at: float) -> float:
    """Which share of the calls to gpt-5.6-sol is too many for its vendor."""
    hours = (at - NOW) / HOUR + 3.4
    return 0.3 * math.sin(math.pi * hours / 0.6) if 0 < hours < 0.6 else 0.0


def timed_out(at: float) -> float:
    """Which share of the calls to mistral-large-latest gets no answer in time."""
    return 0.5 if NOW - 1.2 * HOUR < at < NOW - 1.05 * HOUR else 0.001


def wandering(seed: str, by: float) -> Curve:
    """Changes around 1, slow ones and some in minutes; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - nobody is to be kept from guessing it
    lengths = [chance.uniform(0.5, 9) * HOUR for _ in range(4)] + [chance.uniform(40, 400) for _ in range(5)]
    waves = [(length, chance.uniform(0, 7)) for length in lengths]
    return lambda at: max(0.2, 1 + by * sum(math.sin(at / length + shift) for length, shift in waves) / 3)
