"""`gateway budgets`"""

import time
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal, NoReturn

import msgspec
import typer

from gateway.adapters.books import LedgerUnreadable
from gateway.adapters.budget_store import EACH, RULE, BudgetStore
from gateway.adapters.budgets_local import LocalBudgets
from gateway.adapters.keys import Keys
from gateway.cli.common import (
    Format,
    Policies,
    StateDir,
    books_of,
    cannot_run,
    noting,
    print_json,
    print_rows,
    settings_of,
    shared_of,
    table,
)
from gateway.core.budget import EVERYTHING, Limit, Standing, utc, window_at
from gateway.core.price import pico_usd, usd
from gateway.core.rate import UNITS
from gateway.settings import Settings

app = typer.Typer(
    help="Budgets and rates, beside those of the policy tree. A running server follows within a second.",
    no_args_is_help=True,
)
_MOST_USD = 10**12
"""Beyond any budget. Shares of what has many more digits cannot be computed."""
WINDOWS = ("hour", "day", "week", "month")
Output = Annotated[Format, typer.Option("--format", help="How to print.")]
Key = Annotated[str | None, typer.Option("--key", metavar="ID", help="For one key, by its id; `*`: for each.")]
App = Annotated[str | None, typer.Option("--app", help="For one app; `*`: for each.")]
Team = Annotated[str | None, typer.Option("--team", help="For one team; `*`: for each.")]
Project = Annotated[str | None, typer.Option("--project", help="For one project; `*`: for each.")]
Provider = Annotated[str | None, typer.Option("--provider", help="For one provider; `*`: for each.")]
Everyone = Annotated[bool, typer.Option("--organisation", help="For all spending together.")]
Per = Literal["organisation", "team", "app", "key", "project", "provider"]
PACED = ("team", "app", "key")


class Row(msgspec.Struct, frozen=True):
    """A budget as it is listed. `set_by` is the rule of the policy, or `budget`; money is USD, times are UTC.

    `whose` is `each` where every value of `per` has one, `one` where only this account has it, `all` where it is all
    spending.
    """

    per: str
    account: str
    window: str
    limit_usd: str | None
    settled_usd: str
    used: str
    resets_at: str
    mode: str
    set_by: str
    whose: str


@app.command("set")
def set_budget(
    key: Key = None,
    app: App = None,
    team: Team = None,
    project: Project = None,
    provider: Provider = None,
    organisation: Everyone = False,
    amount: Annotated[str | None, typer.Option("--usd", help="USD for each window, for example 49.50.")] = None,
    per: Annotated[str, typer.Option("--per", help=f"The window: {', '.join(WINDOWS)} (UTC).")] = "month",
    soft: Annotated[bool, typer.Option("--soft", help="Count and tell, deny nothing.")] = False,
    rpm: Annotated[int | None, typer.Option("--rpm", min=1, help="Requests a minute.")] = None,
    tpm: Annotated[int | None, typer.Option("--tpm", min=1, help="Tokens a minute.")] = None,
    state_dir: StateDir = None,
) -> None:
    """Set a budget, a rate, or both. One that is there already is replaced."""
    settings = settings_of(state_dir=state_dir)
    dimension, whose = _whose(key, app, team, project, provider, organisation, settings)
    if amount is None and rpm is None and tpm is None:
        cannot_run("nothing to set; give --usd, --rpm or --tpm")
    ceiling = None if amount is None else amount_of(amount)
    window_of(per)
    if (rpm or tpm) and dimension not in PACED:
        cannot_run(f"a rate is for a {', '.join(PACED[:-1])} or {PACED[-1]}, not for the {dimension}")
    store = open_store(settings)
    with noting():
        if ceiling is not None:
            store.set_budget(dimension, whose, per, ceiling, soft=soft)
            typer.echo(f"{_named(dimension, whose)}: {usd(ceiling)} USD a {per}{' (soft)' if soft else ''}")
        for unit, a_minute in zip(UNITS, (rpm, tpm), strict=True):
            if a_minute is not None:
                store.set_rate(dimension, whose, unit, a_minute)
                typer.echo(f"{_named(dimension, whose)}: {a_minute} {unit} a minute")
    store.close()


@app.command()
def remove(
    key: Key = None,
    app: App = None,
    team: Team = None,
    project: Project = None,
    provider: Provider = None,
    organisation: Everyone = False,
    per: Annotated[
        str | None, typer.Option("--per", help="Only the budget of this window. [default: all, and the rates]")
    ] = None,
    state_dir: StateDir = None,
) -> None:
    """Remove what was set. What the policy tree declares stays."""
    settings = settings_of(state_dir=state_dir)
    dimension, whose = _whose(key, app, team, project, provider, organisation, None)
    if per is not None:
        window_of(per)
    store = open_store(settings)
    with noting():
        removed = store.remove(dimension, whose, per)
    store.close()
    if not removed:
        typer.echo(f"nothing is set for {_named(dimension, whose)}; `gateway budgets list` shows what is", err=True)
        raise typer.Exit(1)
    typer.echo(f"removed {removed} for {_named(dimension, whose)}")


@app.command("list")
def list_budgets(state_dir: StateDir = None, policies: Policies = None, format: Output = Format.table) -> None:
    """List budgets, those of the policy tree too, with what the ledger says was spent; and the rates."""
    settings = settings_of(state_dir=state_dir, policies=policies)
    store = open_store(settings)
    known = store.read()
    store.close()
    now = time.time()
    try:
        rows = [_row(standing) for standing in standings(settings, (*_of_policy(settings), *known.limits), now)]
    except LedgerUnreadable as error:
        cannot_run(str(error))
    if format is Format.json:
        print_json({"budgets": msgspec.to_builtins(rows), "rates": msgspec.to_builtins(known.rates)})
        return
    if format is Format.csv:
        print_rows([msgspec.structs.asdict(row) for row in rows], list(Row.__struct_fields__), format)
        return
    head = ["per", "account", "window", "limit USD", "spent USD", "used", "resets (UTC)", "mode", "set by"]
    typer.echo(table(head, [_cells(row) for row in rows]))
    if known.rates:
        typer.echo()
        typer.echo(
            table(
                ["per", "account", "a minute", "of"],
                [[rate.per, rate.whose or EACH, str(rate.a_minute), rate.unit] for rate in known.rates],
            )
        )


def standings(settings: Settings, limits: tuple[Limit, ...], now: float) -> list[Standing]:
    """How each account of these limits stands by the ledger; one that nothing was spent in has a line of its own."""
    books = LocalBudgets(books_of(settings))
    books.enforce(limits, books.restore(limits, now))
    found = books.every_standing(now)
    seen = {standing.limit.id for standing in found}
    for limit in limits:
        if limit.id not in seen and limit.terms.share is None:
            value = EVERYTHING if limit.terms.per == "organisation" else limit.whose or EACH
            resets = window_at(limit.terms.window, now).end
            found.append(Standing(limit, value, 0, 0, limit.terms.pico_usd, resets))
    order = {limit.id: position for position, limit in enumerate(limits)}
    return sorted(found, key=lambda each: (order[each.limit.id], -each.spent_pico_usd, each.value))


def amount_of(text: str) -> int:
    """An amount of USD as it was written, in pico-USD. Exits with 2 for what is none."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        cannot_run(f"cannot read the amount {text}; write USD as a number, for example 49.50")
    if amount > _MOST_USD:
        cannot_run(f"the amount {text} is no budget; at most {_MOST_USD} USD")
    return pico_usd(amount)


def window_of(per: str) -> str:
    """A window as it was written. Exits with 2 for what is none."""
    if per not in WINDOWS:
        cannot_run(f"unknown window {per}; known: {', '.join(WINDOWS)}")
    return per


def open_store(settings: Settings) -> BudgetStore:
    """What operators have set: in the state directory, made if need be, or in the database that replicas share."""
    return BudgetStore(settings.state_dir, shared_of(settings))


def _whose(
    key: str | None,
    app: str | None,
    team: str | None,
    project: str | None,
    provider: str | None,
    organisation: bool,
    settings: Settings | None,
) -> tuple[Per, str]:
    """Whose budget is meant. With settings, a key must be there: a budget of a key that was mistyped binds nobody."""
    given: dict[Per, str | None] = {
        "key": key,
        "app": app,
        "team": team,
        "project": project,
        "provider": provider,
        "organisation": EVERYTHING if organisation else None,
    }
    named = [(per, whose) for per, whose in given.items() if whose is not None]
    if len(named) != 1:
        _say_whose()
    [(per, whose)] = named
    if not whose:
        _say_whose()
    if per == "key" and whose != EACH and settings is not None:
        keys = Keys(settings.state_dir, shared_of(settings))
        known = {row.id for row in keys.rows()}
        keys.close()
        if whose not in known:
            cannot_run(f"no key `{whose}`; `gateway keys list` shows the ids")
    return per, whose


def _say_whose() -> NoReturn:
    cannot_run("say whose: exactly one of --key, --app, --team, --project, --provider, --organisation")


def _named(per: str, whose: str) -> str:
    if per == "organisation":
        return "all spending"
    return f"each {per}" if whose == EACH else f"{per} {whose}"


def _row(standing: Standing) -> Row:
    limit, ceiling = standing.limit, standing.ceiling_pico_usd
    share = "-" if not ceiling else f"{100 * standing.spent_pico_usd / ceiling:.1f}%"
    mode = "hard" if limit.enforced else "soft" if limit.rule == RULE else "on trial"
    return Row(
        limit.terms.per,
        standing.value,
        limit.terms.window,
        None if ceiling is None else usd(ceiling),
        usd(standing.spent_pico_usd),
        share,
        utc(standing.resets),
        mode,
        limit.rule,
        "all" if limit.terms.per == "organisation" else "one" if limit.whose else "each",
    )


def _cells(row: Row) -> list[str]:
    """A budget as the table has it, where `each team` says what is for every one."""
    per, *others, whose = msgspec.structs.astuple(row)
    return [f"each {per}" if whose == "each" else per, *(word or "-" for word in others)]


def _of_policy(settings: Settings) -> tuple[Limit, ...]:
    """The limits of the policy tree, none where there is no tree that loads."""
    from gateway.adapters import policy_files  # half a second; most commands here need no policy
    from gateway.policy.decide import Eligibility

    try:
        parsed = policy_files.parse_files(settings.policies, settings.extra_catalog)
    except policy_files.Unreadable:
        return ()
    return Eligibility(parsed.bundle).limits if parsed.bundle is not None else ()
