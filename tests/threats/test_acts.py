"""An act that cannot be recorded does not take place: tried for each act that there is, with a trail that is full."""

import contextlib
import resource
import subprocess
import time
from typing import get_args

import pytest
from support.policy_commands import small_tree
from support.stores import entry
from support.trials import keep, on_trial
from typer.testing import CliRunner

from gateway.adapters.audit import GATEWAY, NAME, Act, Audit
from gateway.adapters.books import Books
from gateway.adapters.budget_store import BudgetStore
from gateway.adapters.decisions import Decisions
from gateway.adapters.keys import Keys
from gateway.adapters.ledger_sqlite import SqliteStore
from gateway.adapters.policy_files import load
from gateway.adapters.spend import Asked, breakdown
from gateway.adapters.stores import shared_of
from gateway.adapters.suspensions import Suspensions
from gateway.adapters.tables import Unreachable
from gateway.cli import app

EVENTS = {"started", "stopped", "policy_loaded", "policy_refused", "line_torn"}
"""What a gateway notes that happened to it: nobody ordered it, and its log has it, too."""

_PADDING = 4_000_000
"""Bytes of the trail, so that it is the only file that the full disk keeps from growing."""


@contextlib.contextmanager
def full(state):
    """No trail of the state directory takes a byte more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((state / NAME).stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def command(*words, code=0):
    """Runs a command. Raises OSError where it says that nothing was done."""
    done = CliRunner().invoke(app, list(words))
    if "not done: it cannot be noted" in done.stderr:
        raise OSError(done.stderr)
    assert done.exit_code == code, done.output


def of_keys(do):
    def made(state, _):
        keys = Keys(state)
        id, _ = keys.create(team="t", app="a")
        return (lambda: do(keys, id)), keys.rows

    return made


def of_orders(do):
    def made(state, _):
        orders = Suspensions(state)
        orders.suspend("b", by="me")
        return (lambda: do(orders)), lambda: sorted(orders._in_force())

    return made


def of_budgets(do):
    def made(state, _):
        budgets = BudgetStore(state)
        budgets.set_budget("team", "red", "day", 5, soft=False)
        budgets.set_rate("team", "red", "requests", 5)
        return (lambda: do(budgets)), budgets.read

    return made


def git(*words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *words], capture_output=True, check=True)


def rolled_back(state, _):
    tree = state.parent / "tree"
    small_tree(tree)
    git("init", "-q", "-b", "main")
    git("add", "tree")
    git("commit", "-q", "-m", "x")
    digest, catalog = load(tree).bundle.digest, tree / "catalog/a.yaml"
    catalog.write_text(catalog.read_text() + "# later\n")
    git("commit", "-q", "-a", "-m", "y")
    return (lambda: command("policy", "rollback", digest, "tree")), catalog.read_text


def promoted(state, _):
    tree = state.parent / "tree"
    small_tree(tree)
    policy = on_trial(tree)
    keep(tree, state, ["25"])
    return (lambda: command("policy", "rollout", "tree", "--apply")), policy.read_text


def booked(state, _):
    then = time.time() - 5 * 86_400
    store = SqliteStore(state / "ledger.sqlite")
    store.write([entry("req-1", cost=10**12, provider="anthropic", model="m", time=then, usage_source="reported")])
    store.close()
    day = time.strftime("%Y-%m-%d", time.gmtime(then))
    (state.parent / "bill.csv").write_text(f"usage_date_utc,model,token_type,cost_usd\n{day},m,output,2\n")

    def total():
        return sum(line.cost_pico_usd for line in breakdown(Books(state), ["provider"], Asked(0.0)))

    return (lambda: command("spend", "reconcile", "bill.csv", "--book", code=1)), total


def shared(state, request):
    url = request.getfixturevalue("postgres_server").url()
    keys = Keys(state)
    keys.create(team="t", app="a")
    keys.close()

    def do():
        tables = shared_of(state, url, "me", lambda *_, **__: None)
        try:
            tables.version()
        except Unreachable as error:
            raise OSError(str(error)) from None
        finally:
            tables.close()

    return do, (state / "shared").exists


def of_decisions(forgotten):
    def made(state, _):
        folder, at_once = state / "decisions", Audit(state, patience_seconds=0.5)
        folder.mkdir()
        if forgotten:
            (folder / "2020-01-01.000001.jsonl").write_bytes(b"\n")

        def do():
            why = []
            decisions = Decisions(
                state,
                lambda _, told: why.append(told),
                lambda name, head: None if forgotten else at_once.note(GATEWAY, "decisions_begun", name, detail=head),
                lambda name: at_once.note(GATEWAY, "decisions_forgotten", name),
            )
            if not forgotten:
                decisions.take([])
            decisions.close()
            if why:
                raise OSError(why[0])

        return do, lambda: sorted(path.name for path in folder.glob("*.jsonl"))

    return made


ACTS = {
    "key_created": of_keys(lambda keys, _: keys.create(team="t", app="b")),
    "key_rotated": of_keys(lambda keys, of: keys.rotate(of, 60)),
    "key_revoked": of_keys(lambda keys, of: keys.revoke(of)),
    "budget_set": of_budgets(lambda budgets: budgets.set_budget("team", "red", "day", 9, soft=False)),
    "rate_set": of_budgets(lambda budgets: budgets.set_rate("team", "red", "requests", 9)),
    "budget_removed": of_budgets(lambda budgets: budgets.remove("team", "red")),
    "backend_suspended": of_orders(lambda orders: orders.suspend("a", by="me")),
    "backend_resumed": of_orders(lambda orders: orders.resume("b", by="me")),
    "policy_rolled_back": rolled_back,
    "policy_promoted": promoted,
    "spend_booked": booked,
    "state_shared": shared,
    "decisions_begun": of_decisions(forgotten=False),
    "decisions_forgotten": of_decisions(forgotten=True),
}


def test_every_act_is_tried_here():
    assert ACTS.keys() | EVENTS == set(get_args(Act))
    assert ACTS.keys().isdisjoint(EVENTS)


@pytest.mark.assures("threat A1")
@pytest.mark.parametrize("act", ACTS)
def test_what_cannot_be_recorded_does_not_take_place(act, tmp_path, monkeypatch, request, showed):
    monkeypatch.chdir(tmp_path)
    state = tmp_path / ".gateway"
    state.mkdir()
    (state / NAME).write_bytes(b"\n" * _PADDING)
    do, seen = ACTS[act](state, request)
    before, size = seen(), (state / NAME).stat().st_size
    with full(state), contextlib.suppress(OSError):
        do()
    assert (seen(), (state / NAME).stat().st_size) == (before, size)
    do()  # and with room it does: so this is how it is done, and how it is seen
    assert seen() != before
    assert f'"act":"{act}"'.encode() in (state / NAME).read_bytes()[size:]
    showed(act, "not done while the trail takes nothing")
