"""No sequence of approvals takes an account through a floor: the firm's of the day, its next ones, or the overall one.

Approvals are carried out at once at the approved price, later, or never; stops and pending orders fill in any order and
by the worst that is allowed; profits are taken at any price. Resets pass while the gateway looks or is down, it is
started again from what it wrote, and its clock is set back.

Excepted is what nobody can foresee, and docs/risk.md says so: an open profit that lifts a floor by itself. Where the
base of a day follows the equity, nothing is asked of the day's floor once a reset found an open profit; a trailing that
follows the equity within the day is held to the floor that was in force at the last approval.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from risk_world import DAY, ORIGIN, SIDES, SPECS, SYMBOLS, World, worlds

from quantmind.domain.orders import Cancel, Close, Modify, Open, OrderType

numbers = st.integers(0, 11)
OFTEN = ("open", "open", "open", "pending", "modify", "modify", "favour", "favour", "take", "execute")
RARELY = ("move", "hit", "fill", "reset", "down", "restart", "back", "expire", "cancel")
steps = st.lists(st.tuples(st.sampled_from(OFTEN * 3 + RARELY), numbers, numbers, numbers), min_size=10, max_size=20)
ENDS = ("profits", "reset", "execute", "fill", "losses")
endings = st.permutations(ENDS)
POINTS = (20, 60, 100, 250, 400, 900)
VOLUMES = [Decimal(text) for text in ("0.01", "0.1", "0.4", "1", "2", "5")]


def one_of(items: dict[int, Any], n: int) -> Any:
    return items[sorted(items)[n % len(items)]] if items else None


def opens(world: World, a: int, b: int, c: int, kind: OrderType) -> None:
    symbol, side = SYMBOLS[a % 2], SIDES[b % 2]
    point = SPECS[symbol].point
    entry = world.price(symbol, side)
    if kind is not OrderType.MARKET:
        away = 30 * point * (c + 1) * side.sign
        entry = entry - away if kind is OrderType.LIMIT else entry + away
    # A stop is beyond the spread, and pending orders may have none that is nearer than it.
    sl = entry - (POINTS[c % 6] + 21) * point * side.sign
    order = Open(ORIGIN, "demo", symbol, VOLUMES[b // 2], side, kind, entry, sl, reduce=True)
    verdict = world.asked(order, symbol)
    if verdict is not None:
        if c % 3 == 0:
            world.promise(verdict, symbol)
        elif a != 3:
            world.execute(verdict.proposal, symbol)


def modifies(world: World, a: int, b: int, c: int) -> None:
    """Nearer, further, or beyond the opening price: what a stop locks in is a profit."""
    item = one_of({**world.positions, **world.orders}, a)
    if item is None:
        return
    against = item.price if item.ticket in world.orders else world.price(item.symbol, item.side, to_close=True)
    new = item.sl + (against - item.sl) * (b - 4) / 8
    verdict = world.asked(Modify(ORIGIN, "demo", item.ticket, new_sl=new), item.symbol)
    if verdict is not None and c % 2:
        world.promise(verdict, item.symbol)
    elif verdict is not None:
        world.execute(verdict.proposal, item.symbol)


def takes(world: World, a: int, b: int, _: int) -> None:
    """A close at the market: all or a part, by the judge; a leg of a hedge too."""
    item = one_of(world.positions, a)
    if item is not None:
        part = None if b % 2 else item.volume / 2
        close = Close(ORIGIN, "demo", item.symbol, item.ticket, part)
        if world.asked(close, item.symbol) is not None:
            world.execute(close, item.symbol)


def moves(world: World, a: int, b: int, c: int) -> None:
    symbol = SYMBOLS[a % 2]
    world.prices[symbol] += (b - 5) * 25 * (c + 1) * SPECS[symbol].point
    world.settle()


def favours(world: World, a: int, b: int, c: int) -> None:
    """The price goes where a position likes it."""
    item = one_of(world.positions, a)
    if item is not None:
        world.prices[item.symbol] += (b + 1) * 20 * item.side.sign * SPECS[item.symbol].point
        world.settle()


def fills(world: World, a: int, b: int, c: int) -> None:
    order = one_of(world.orders, a)
    if order is not None:
        world.orders.pop(order.ticket)
        worse = 0 if order.order_type is OrderType.LIMIT or not world.slips else 1
        slip = world.policy.allowances.slippage_points * SPECS[order.symbol].point * worse
        world.filled(order, order.price + slip * order.side.sign)


def executes(world: World, a: int, b: int, c: int) -> None:
    if world.promised:
        reservation, proposal = world.promised.pop(a % len(world.promised))
        world.execute(proposal, reservation.symbol)


def expires(world: World, a: int, b: int, c: int) -> None:
    if world.promised:
        world.promised.pop(a % len(world.promised))


def hits(world: World, a: int, b: int, c: int) -> None:
    item = one_of(world.positions, a)
    if item is not None:
        world.hit(item)


def resets(world: World, a: int, b: int, c: int) -> None:
    """The gateway is there: it looks just before and just after."""
    at = world.policy.reset.next(world.at)
    world.passes(at - 1 - world.at)
    world.look()
    world.passes(1)
    world.firm()
    world.passes(1)
    world.look()
    world.check()


def down(world: World, a: int, b: int, c: int) -> None:
    """Nobody looks over some resets, and things happen meanwhile; the deals are known afterwards, or they are not."""
    until = world.at + (1 + a) * DAY / 4
    for at in world.policy.reset.between(world.at, until):
        world.passes(at - 600 - world.at)
        hits(world, b, b, c)
        world.passes(600)
        world.firm()
        world.passes(600)
        fills(world, c, b, c)
        world.check()
    world.passes(max(1.0, until - world.at))
    world.restart()
    world.look(known=c % 3 > 0)


def restarts(world: World, a: int, b: int, c: int) -> None:
    """A restart never widens a limit."""
    world.look()
    before = {each.rule: (each.least, each.least_next) for each in world.floors()}
    world.restart()
    world.passes(1)
    world.look()
    after = {each.rule: (each.least, each.least_next) for each in world.floors()}
    assert set(after) <= set(before)
    assert all(after[rule] >= before[rule] for rule in after)


def back(world: World, a: int, b: int, c: int) -> None:
    """The clock is set back, over a reset or not, and is right again afterwards: no baseline is taken twice."""
    book = world.book
    world.look(world.at - (1 + a) * DAY / 6)
    assert (world.book.day, world.book.baseline) == (book.day, book.baseline)
    world.look()
    assert (world.book.day, world.book.baseline) == (book.day, book.baseline)


def cancels(world: World, a: int, b: int, c: int) -> None:
    order = one_of(world.orders, a)
    if order is not None:
        assert world.asked(Cancel(ORIGIN, "demo", order.ticket), order.symbol) is not None
        world.orders.pop(order.ticket)


DO = {
    "open": lambda world, a, b, c: opens(world, a, b, c, OrderType.MARKET),
    "pending": lambda world, a, b, c: opens(world, a, b, c, (OrderType.LIMIT, OrderType.STOP)[c % 2]),
    "modify": modifies,
    "execute": executes,
    "move": moves,
    "favour": favours,
    "hit": hits,
    "take": takes,
    "fill": fills,
    "reset": resets,
    "down": down,
    "restart": restarts,
    "back": back,
    "expire": expires,
    "cancel": cancels,
}


def all_profits(world: World) -> None:
    """What has a profit, by now or by its stop, takes it."""
    for item in list(world.positions.values()):
        profit = world.marked(item).profit
        if item.sl is not None and (item.sl - item.price_open) * item.side.sign > 0:
            world.hit(item)
        elif profit > 0:
            world.closed(item, world.price(item.symbol, item.side, to_close=True))


def all_losses(world: World) -> None:
    for item in list(world.positions.values()):
        if item.sl is not None and (item.sl - item.price_open) * item.side.sign <= 0:
            world.hit(item)
            world.check()


def all_promises(world: World) -> None:
    while world.promised:
        executes(world, 0, 0, 0)
        world.check()


def all_orders(world: World) -> None:
    while world.orders:
        fills(world, 0, 0, 0)
        world.check()


END = {
    "profits": all_profits,
    "reset": lambda world: resets(world, 0, 0, 0),
    "execute": all_promises,
    "fill": all_orders,
    "losses": all_losses,
}


@settings(max_examples=examples(800, 300), deadline=None)
@given(worlds, steps, endings)
def test_no_sequence_of_approvals_takes_equity_through_a_floor(
    world: World, sequence: list[tuple[str, int, int, int]], ending: list[str]
) -> None:
    """Whatever is approved and whatever becomes of it, every floor holds."""
    for what, a, b, c in sequence:
        world.passes(1)
        DO[what](world, a, b, c)
        world.look()
        world.check()
    for what in (*ending, "execute", "fill", "losses"):
        END[what](world)
        world.check()
