"""Orders are kept, seen by every process, and take effect in the order that they were given."""

import pytest
from support.prices import price

from gateway.adapters.suspensions import MAX_REASON, Order, Suspensions, shown
from gateway.core.catalog import Backend

PRICE = price(1, 1)


def given(orders):
    return [(order.backend, order.suspended, order.by, order.reason) for order in orders]


@pytest.mark.assures("fault 18")
def test_a_server_sees_what_the_command_line_orders(agreeing):
    server, cli = agreeing(Suspensions), agreeing(Suspensions)
    assert server.news() == ()
    cli.suspend("a", by="ana", reason="court order")
    cli.suspend("b", by="ana")
    cli.resume("b", by="ben", reason="over")
    assert given(server.news()) == [
        ("a", True, "ana", "court order"),
        ("b", True, "ana", ""),
        ("b", False, "ben", "over"),
    ]
    assert server.in_force == cli.in_force
    assert given(server.in_force.values()) == [("a", True, "ana", "court order")]
    assert server.news() == ()
    cli.resume("a", by="ben", reason="over")
    assert given(server.news()) == [("a", False, "ben", "over")]
    assert server.in_force == {}


def test_suspensions_survive_a_restart_and_old_orders_are_no_news(agreeing):
    first = agreeing(Suspensions)
    first.suspend("a", by="ana")
    first.suspend("b", by="ana")
    first.resume("a", by="ana")
    first.close()
    again = agreeing(Suspensions)
    assert again.news() == ()
    assert list(again.in_force) == ["b"]


def test_suspending_again_replaces_the_reason_and_one_resume_ends_it(agreeing):
    orders = agreeing(Suspensions)
    orders.suspend("a", by="ana", reason="first")
    orders.suspend("a", by="ben", reason="second")
    assert given(orders.in_force.values()) == [("a", True, "ben", "second")]
    assert orders.resume("a", by="ben")
    assert not orders.resume("a", by="ben")
    assert orders.in_force == {}


def test_only_what_is_suspended_can_be_resumed_and_it_leaves_no_trace(agreeing):
    server, orders = agreeing(Suspensions), agreeing(Suspensions)
    assert not orders.resume("nobody", by="ana")
    assert server.news() == ()


def test_a_reason_cannot_steer_a_terminal_and_is_not_endless(agreeing):
    orders = agreeing(Suspensions)
    orders.suspend("a", by="a\x1bna", reason="\n\x1b[2J" + "x" * 10_000)
    order = orders.in_force["a"]
    assert len(order.reason) == MAX_REASON
    assert "\n" not in order.reason
    assert "\x1b" not in order.reason + order.by


def test_the_store_is_its_owner_s_only(tmp_path):
    Suspensions(tmp_path)
    assert (tmp_path / "suspensions.sqlite").stat().st_mode & 0o777 == 0o600


ORDER = Order("a", True, 5.0, "ana", "court order")


@pytest.mark.parametrize(
    ("status", "price", "missing", "in_force", "expected"),
    [
        ("active", PRICE, {}, {}, ("active", None, None)),
        ("active", PRICE, {"a": "KEY is not set"}, {}, ("active", "KEY is not set", None)),
        ("active", None, {}, {}, ("active", "it has no price", None)),
        (None, PRICE, {}, {}, (None, None, None)),
        ("retired", PRICE, {}, {"a": ORDER}, ("suspended", None, ORDER)),
    ],
)
def test_what_operators_see_of_a_backend(status, price, missing, in_force, expected):
    passport = {"zone": "inhouse"} | ({"status": status} if status else {})
    backend = Backend("a", "openai", "http://a/v1", "m", passport, price=price, substitute="b")
    (row,) = shown([backend], missing, in_force)
    assert (row.id, row.provider, row.model, row.zone, row.substitute) == ("a", "openai", "m", "inhouse", "b")
    assert (row.status, row.not_offered, row.suspension) == expected


def test_a_suspension_of_what_is_no_longer_in_the_catalog_is_shown():
    (row,) = shown([], {}, {"a": ORDER})
    assert (row.id, row.not_offered, row.suspension) == ("a", "it is not in the catalog", ORDER)
