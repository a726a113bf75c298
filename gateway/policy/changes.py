"""What was changed besides who may reach what: prices, ceilings, preferences, modes, obligations that act, and so on.

Told value by value, as somebody who reviews the change would want to be told; order and formatting are no change.
"""

from collections.abc import Iterator, Mapping

import msgspec

from gateway.core.budget import Spend
from gateway.core.decision import Obligation
from gateway.core.price import Price, Rates, Schedule, usd
from gateway.policy.model import Atom, Bundle, Exemption, Invariant, Rule
from gateway.policy.obligations import OBLIGATIONS

_TOKENS_PER_PRICE = 10**6
_SAID_ELSEWHERE = ("id", "passport", "machine")
"""Fields of a backend whose changes are told by themselves; of a machine the price that follows from it is."""
_NO_MEANING = ("id", "mark", "why", "policy")
"""Fields that may change without a change of what is said."""


class Change(msgspec.Struct, frozen=True, order=True):
    """One value that changed; None: it was not there, or it is not there now."""

    kind: str
    id: str
    field: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        subject = f"{self.kind} {self.id}"
        if self.before is None or self.after is None:
            said, value = ("added", self.after) if self.before is None else ("removed", self.before)
            what = f"{self.field} " if self.field else ""
            return f"{subject}: {what}{said}" + (f" ({value})" if value else "")
        return f"{subject}: {self.field} {self.before} -> {self.after}"


def changes(old: Bundle, new: Bundle) -> tuple[Change, ...]:
    """The changes of everything that does not decide who may reach what, and of what stands behind that."""
    pairs: list[tuple[str, Mapping[str, Mapping[str, object]], Mapping[str, Mapping[str, object]]]] = [
        ("backend", _backends(old), _backends(new)),
        ("rule", _rules(old), _rules(new)),
        ("exception", _by_id(old.exemptions), _by_id(new.exemptions)),
        ("invariant", _by_id(old.invariants), _by_id(new.invariants)),
        ("project", _projects(old), _projects(new)),
        ("words of", _words(old), _words(new)),
    ]
    return tuple(each for kind, before, after in pairs for each in _compared(kind, before, after))


def meaning(value: Rule | Exemption | Invariant) -> tuple[tuple[str, str], ...]:
    """What a rule, an exception or an invariant says, field by field, whatever its place, order and wording."""
    pairs = ((field, _text(getattr(value, field))) for field in value.__struct_fields__ if field not in _NO_MEANING)
    return tuple((field, said) for field, said in pairs if said)


def _compared(
    kind: str, before: Mapping[str, Mapping[str, object]], after: Mapping[str, Mapping[str, object]]
) -> Iterator[Change]:
    for id in sorted(before.keys() | after.keys()):
        if id not in before or id not in after:
            yield Change(kind, id, "", "" if id in before else None, "" if id in after else None)
            continue
        fields = dict.fromkeys([*before[id], *after[id]])
        for field in fields:
            values = [_text(side[id][field]) if field in side[id] else None for side in (before, after)]
            if values[0] != values[1]:
                yield Change(kind, id, field, *values)


def _backends(bundle: Bundle) -> dict[str, dict[str, object]]:
    found = {}
    for backend in bundle.backends:
        fields = {name: getattr(backend, name) for name in backend.__struct_fields__ if name not in _SAID_ELSEWHERE}
        found[backend.id] = {name: value for name, value in fields.items() if value is not None} | backend.passport
    return found


def _rules(bundle: Bundle) -> dict[str, Mapping[str, object]]:
    """Of every rule how it is applied; what it speaks of only where that does not decide who may reach what."""
    found: dict[str, Mapping[str, object]] = {}
    for rule in bundle.rules:
        acts = any(OBLIGATIONS[each.name].acts for each in rule.do)
        decides = rule.effect in ("permit", "forbid") or (rule.effect == "require" and not acts)
        found[rule.id] = {field: said for field, said in meaning(rule) if not (decides and field in ("when", "to"))}
    return found


def _by_id(values: tuple[Exemption, ...] | tuple[Invariant, ...]) -> dict[str, Mapping[str, object]]:
    return {each.id: dict(meaning(each)) for each in values}


def _projects(bundle: Bundle) -> dict[str, dict[str, object]]:
    return {
        project.name: {
            name: value for name in ("jurisdiction", "floor") if (value := getattr(project, name)) is not None
        }
        for project in bundle.projects.values()
    }


def _words(bundle: Bundle) -> dict[str, dict[str, object]]:
    return {section: dict.fromkeys(words, "") for section, words in bundle.vocabulary.sections.items()}


def _text(value: object) -> str:
    """A value in a few words."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else ""
        case Schedule():  # a Price is one, too
            tiers = (f"; above {tier.above} tokens {_rates(tier.rates)}" for tier in value.tiers)
            services = value.services.items() if isinstance(value, Price) else ()
            said = (f"; {name}: {_text(schedule)}" for name, schedule in services)
            unit = " USD per million tokens" if isinstance(value, Price) else ""
            return f"{_rates(value.rates)}{''.join(tiers)}{''.join(said)}{unit}"
        case Obligation():
            return str(value)
        case Spend():
            most = f"{value.share:.0%}" if value.share is not None else f"{usd(value.pico_usd or 0)} USD"
            then = f", then {value.downgrade}" if value.downgrade else ""
            least = f", from {usd(value.minimum_pico_usd)} USD on" if value.minimum_pico_usd else ""
            return f"{most} per {value.per} and {value.window}{least}{then}, {value.on_store_down} without a count"
        case Atom():
            words = ", ".join(sorted(value.values)) or (f"backend.{value.other}" if value.other else "")
            return f"{value.attribute} {value.test.replace('_', ' ')} {words}".rstrip()
        case msgspec.Struct():
            return ", ".join(f"{name} {_text(getattr(value, name))}" for name in value.__struct_fields__)
        case tuple() | frozenset():
            return ", ".join(sorted(map(_text, value)))
        case _:
            return str(value)


def _rates(rates: Rates) -> str:
    """The figures that are not what they would be if nobody had written them."""
    dear = max(rates.figures())
    usual = {
        "cache_read": rates.input,
        "cache_write": rates.input,
        "cache_write_long": rates.cache_write,
        "reasoning": rates.output,
        "audio_input": dear,
        "audio_output": dear,
    }
    figures = {name: getattr(rates, name) for name in ("input", "output", *usual)}
    return ", ".join(
        f"{name} {usd(figure * _TOKENS_PER_PRICE)}" for name, figure in figures.items() if usual.get(name) != figure
    )
