"""What an account tells when something happened that the gateway did not do, or did not see."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import attrs
import pytest
import trio
from binance_accounts import futures, order, spot, traded
from binance_desk import BTC, KINDS, D, opened, stopped
from conformance.desk import ORIGIN
from hypothesis import given
from hypothesis import strategies as st

from quantmind.adapters.binance import upkeep
from quantmind.adapters.binance.book import MOST_EARLY
from quantmind.adapters.binance.broker import BinanceBroker
from quantmind.adapters.binance.carried import Carried, CarriedFile
from quantmind.adapters.binance.futures_book import FuturesBook
from quantmind.adapters.binance.market_feed import MarketFeed
from quantmind.adapters.binance.names import Role, client_id, tag_number
from quantmind.adapters.binance.records import Balance, BalancesSaid, Fill, FuturesAccount, Holding, SpotAccount
from quantmind.adapters.binance.spot_book import SpotBook
from quantmind.adapters.binance.walk import left_by_no_trade
from quantmind.domain.accounts import Cause, Entry
from quantmind.domain.orders import Modify, Open, OrderType, Refused, Side
from quantmind.domain.retcodes import Retcode
from quantmind.errors import BrokerUnavailable

SLOT = (BTC, "BOTH")


def filled(tag: str, amount: str, trade: int, role: Role = Role.ORDER) -> Fill:
    """A trade at 100, as a reading of the account tells it."""
    said = traded(order(tag, amount), trade, at=10 * trade).fill
    assert said is not None
    return attrs.evolve(said, client_id=client_id(role, tag))


def read(book: FuturesBook, held: str, fills: Sequence[Fill] = (), price: str = "100", side: str = "BOTH") -> None:
    """The account is read: it has 1000 USDT and holds so much."""
    holdings = [Holding(BTC, side, D(held), D(price))] if D(held) else []
    book.begin_stream()
    book.install(FuturesAccount([Balance("USDT", D(1000))], holdings, D(0), D(1000)), [], {BTC: fills}, [BTC])


def bought(book: FuturesBook, sl: str = "90") -> None:
    """One coin, with a stop that is wanted."""
    read(book, "0")
    book.wishes.order(Carried(tag_number("a"), *SLOT, tag="a", by="a", sl=D(sl), waits=True))
    book.take(traded(order("a", "1"), 1, at=10))
    book.take(BalancesSaid([Balance("USDT", D(1000))], 10, [Holding(BTC, "BOTH", D(1), D(100))], "ORDER"))


@KINDS
async def test_what_is_told_while_a_reading_begins_anew_is_not_lost(kind: str, tmp_path: Path) -> None:
    """A reading of the account that was begun before its stream began anew counts for nothing."""
    last, path = ("account", "/api/v3/order") if kind == "spot" else ("/fapi/v3/positionRisk", "/fapi/v1/order")
    by_hand = {"symbol": BTC, "side": "BUY", "type": "MARKET", "quantity": "0.02"}
    async with opened(kind, tmp_path) as desk:
        await desk.buy("0.01")
        venue = type(desk.broker.venue)
        ask: Any = venue._signed  # type: ignore[attr-defined]
        done = []

        async def asked(self: Any, what: str, *more: Any, **params: Any) -> bytes:
            body: bytes = await ask(self, what, *more, **params)
            if what == last and not done:
                done.append(desk.sim.engine.handle("POST", path, by_hand))
                await trio.sleep(0.3)
                desk.broker.book.begin_stream()
            return body

        with patch.object(venue, "_signed", asked):
            await desk.broker.reread()
            position = await desk.position()
        assert done
        assert position is not None
        assert position.volume == D("0.03")
        assert [deal.volume for deal in await desk.broker.deals(0)] == [D("0.01"), D("0.02")]


@pytest.mark.parametrize("again", ["1", "-1"])
def test_what_was_opened_in_a_gap_has_no_stops_of_what_was_closed_in_it(again: str) -> None:
    """A position that was closed while nobody looked takes its stops along; the next one is another."""
    book = futures()
    bought(book)
    fills = [filled("a", "1", 1), filled("c", "-1", 2, Role.CLOSE), filled("d", again, 3)]
    read(book, again, fills)
    wish = book.wish(SLOT)
    assert wish is not None
    assert (wish.ticket, wish.sl) == (tag_number("d"), D(0))


def test_the_rest_of_an_order_that_fills_in_a_gap_has_its_stops() -> None:
    """Though what it had opened before was closed in the same gap."""
    book = futures()
    bought(book)
    read(book, "1", [filled("a", "1", 1), filled("c", "-1", 2, Role.CLOSE), filled("a", "1", 3)])
    wish = book.wish(SLOT)
    assert wish is not None
    assert wish.sl == D(90)


def test_a_position_that_was_turned_long_ago_has_no_stops_of_the_other_side() -> None:
    """The exchange tells the trade that turned it no more."""
    book = futures()
    bought(book)
    read(book, "-1")
    wish = book.wish(SLOT)
    assert wish is not None
    assert wish.sl == D(0)


def test_what_could_not_be_written_down_is_written_as_soon_as_it_can_be(tmp_path: Path) -> None:
    """Though nothing has changed since: a restart would forget it."""
    folder = tmp_path / "away"
    file = CarriedFile.open(folder / "positions")
    file.keep(Carried(1, *SLOT), whatever=True)
    assert file.fault is not None
    folder.mkdir()
    file.keep(Carried(1, *SLOT), whatever=True)
    assert file.fault is None
    assert CarriedFile.open(folder / "positions").items == file.items


@KINDS
async def test_a_stop_at_the_exchange_stays_though_the_file_is_lost(kind: str, tmp_path: Path) -> None:
    """What protects a position is taken back for nothing less than somebody's wish."""
    async with opened(kind, tmp_path) as desk:
        placed = await desk.buy("0.01", sl=D(58000), tp=D(63000))
        assert await stopped(desk, D(58000))
        desk.down()
        await trio.sleep(0.1)
        (tmp_path / "positions").unlink()
        await desk.up()
        await trio.sleep(1)
        position = await desk.position()
        assert position is not None
        assert (position.sl, position.tp) == (D(58000), D(63000))
        await desk.place(Modify(ORIGIN, "c", placed.ticket, new_sl=D(0)))
        await desk.broker.reread()
        await trio.sleep(0.5)
        position = await desk.position()
        assert position is not None
        assert (position.sl, position.tp) == (None, D(63000))


def test_another_account_has_no_stops_of_the_one_before(tmp_path: Path) -> None:
    """Whoever begins on a test network and goes on with money must not find its stops on what he holds."""
    before = futures(tmp_path / "positions")
    before.login = 5
    bought(before)
    for login, stop in ((5, "90"), (6, "0")):
        after = futures(tmp_path / "positions")
        after.login = login
        read(after, "1", price="80")
        wish = after.wish(SLOT)
        assert wish is not None
        assert wish.sl == D(stop)


def test_a_position_whose_trades_are_told_no_more_cost_what_the_exchange_says() -> None:
    """Futures tell the trades of seven days: an older loss is part of the equity all the same."""
    book = futures()
    read(book, "2", price="140")
    sample = book.sample(0.0)
    (position,) = sample.positions
    assert (position.price_open, position.profit) == (D(140), D(-80))
    assert sample.account.equity == D(920)
    read(book, "3", [filled("b", "1", 1)], price="126.66666667")
    assert book.sample(0.0).account.equity == D(920)


def read_spot(book: SpotBook, held: str, fills: Sequence[Fill] = ()) -> None:
    """The account is read: so many coins are there."""
    book.begin_stream()
    account = SpotAccount(5, True, [Balance("USDT", D(1000)), Balance("BTC", D(held))], 1)
    book.install(account, [], {BTC: fills}, [BTC])


def test_coins_that_are_withdrawn_make_nothing_and_take_no_stop_along() -> None:
    """What has left a position by no trade was never a short one, and what is left of it is protected as before."""
    book, bought = spot(), [filled("a", "1", 1), filled("b", "1", 2)]
    read_spot(book, "0")
    book.wishes.order(Carried(tag_number("a"), *SLOT, tag="a", by="a", sl=D(90), waits=True))
    read_spot(book, "2", bought)
    read_spot(book, "0.7", bought)
    assert [(deal.entry, deal.profit) for deal in book.deals(0)] == [(Entry.IN, D(0))] * 2
    wish = book.wish(SLOT)
    assert wish is not None
    assert (wish.ticket, wish.sl, wish.amount, wish.cost) == (tag_number("a"), D(90), D("0.7"), D(70))
    assert book.unsettled() is None


def test_coins_that_are_all_withdrawn_take_their_position_along() -> None:
    """What is bought afterwards is another one, whenever it is read."""
    book = spot()
    read_spot(book, "0")
    book.wishes.order(Carried(tag_number("a"), *SLOT, tag="a", by="a", sl=D(90), waits=True))
    read_spot(book, "1", [filled("a", "1", 1)])
    for _ in range(2):
        read_spot(book, "1", [filled("a", "1", 1), filled("c", "-1", 2), filled("b", "2", 3)])
        wish = book.wish(SLOT)
        assert wish is not None
        assert (wish.ticket, wish.sl, wish.amount) == (tag_number("b"), D(0), D(1))


@given(
    changes=st.lists(st.decimals(-5, 5, places=1), max_size=8),
    old=st.integers(0, 8),
    known=st.decimals(0, 20, places=1),
    held=st.decimals(0, 20, places=1),
)
def test_coins_are_never_owed(changes: list[Decimal], old: int, known: Decimal, held: Decimal) -> None:
    """Whatever is held and was traded: no position is below 0 at any time, and in the end it is what is held."""
    then = left_by_no_trade(held, changes, min(old, len(changes)), known)
    level = then.begin
    assert level >= 0
    for change, lost in zip(changes, then.gone, strict=True):
        level += change
        assert 0 <= lost <= level
        level -= lost
    assert level == held


@given(changes=st.lists(st.decimals(-5, 5, places=6), max_size=8), old=st.integers(0, 8), known=st.decimals(0, 20))
def test_what_trades_explain_has_not_left(changes: list[Decimal], old: int, known: Decimal) -> None:
    """Whatever was written down: it may have been between two trades that were told in another order.

    Coins that come and go by no trade would move where each deal is rounded to the volume step: a drift of one.
    """
    levels = list(itertools.accumulate(changes, initial=D(0)))
    before = -min(levels)
    then = left_by_no_trade(before + levels[-1], changes, min(old, len(changes)), known)
    assert (then.begin, set(then.gone) | {then.first}) == (before, {D(0)})


def test_a_stop_s_deal_is_its_trader_s_also_when_the_position_is_closed_by_it() -> None:
    """With the magic number and the comment of the order that opened it."""
    book = futures()
    fills = [filled("a", "2", 1), filled("c", "1", 2), filled("a", "-3", 3, Role.STOP_LOSS)]
    read(book, "0", fills)
    told = [(deal.cause, deal.magic, deal.comment) for deal in book.deals(0)]
    assert told == [(Cause.CLIENT, 7, "of a"), (Cause.CLIENT, 7, "of c"), (Cause.SL, 7, "of a")]


def test_a_position_is_seen_though_the_position_mode_was_changed_by_hand() -> None:
    """While nothing was open anybody can change it in the exchange's application, and trade there."""
    book = futures()
    read(book, "0")
    read(book, "2", price="140", side="LONG")
    account = book.sample(0.0).account
    assert (account.equity, account.margin_mode) == (D(920), "hedging")
    book.take(BalancesSaid([Balance("USDT", D(920))], 50, [Holding(BTC, "LONG", D(0), D(0))], "ORDER"))
    assert book.unsettled() is not None


async def test_margin_goes_by_a_leverage_that_was_changed_by_hand(tmp_path: Path) -> None:
    """Its trader has changed it in the exchange's application while the gateway runs."""
    async with opened("futures", tmp_path, leverage=10) as desk:
        await desk.buy("1")
        assert (await desk.broker.sample()).account.margin == D(6000)
        desk.sim.engine.handle("POST", "/fapi/v1/leverage", {"symbol": BTC, "leverage": "2"})
        assert (await desk.broker.sample()).account.margin == D(30000)


def test_a_trade_with_oneself_is_two() -> None:
    """Where the account lets its own orders meet, both have one number at the exchange."""
    for hedges in (False, True):
        book = futures(hedges=hedges)
        sides = ("LONG", "SHORT") if hedges else ("BOTH", "BOTH")
        buy, sell = (
            attrs.evolve(filled(tag, way, 1), position_side=side)
            for tag, way, side in zip("ab", ("1", "-1"), sides, strict=True)
        )
        held = [Holding(BTC, "LONG", D(1), D(100)), Holding(BTC, "SHORT", D(-1), D(100))] if hedges else []
        book.begin_stream()
        book.install(FuturesAccount([Balance("USDT", D(1000))], held, D(0), D(1000)), [], {BTC: [buy, sell]}, [BTC])
        assert book.unsettled() is None
        assert len({deal.ticket for deal in book.deals(0)}) == 2


@KINDS
async def test_what_happens_while_prices_are_asked_for_is_in_the_sample(kind: str, tmp_path: Path) -> None:
    """An account that has to be read anew meanwhile is not told as it was."""
    path = "/api/v3/order" if kind == "spot" else "/fapi/v1/order"
    by_hand = {"symbol": BTC, "side": "BUY", "type": "MARKET", "quantity": "0.02"}
    async with opened(kind, tmp_path) as desk:
        await desk.buy("0.01")
        ask = desk.broker.read_prices

        async def asked() -> None:
            await ask()
            desk.broker.book.begin_stream()
            desk.sim.engine.handle("POST", path, by_hand)

        with (
            patch.object(MarketFeed, "lost", "gone"),
            patch.object(BinanceBroker, "read_prices", lambda _: asked()),
        ):
            (position,) = (await desk.broker.sample()).positions
        assert position.volume == D("0.03")


async def test_a_stop_that_was_set_and_taken_back_by_hand_breaks_nothing(tmp_path: Path) -> None:
    """Of a position that was opened by hand there is no request whose name a stop could have."""
    async with opened("futures", tmp_path) as desk:
        handle = desk.sim.engine.handle
        handle("POST", "/fapi/v1/order", {"symbol": BTC, "side": "BUY", "type": "MARKET", "quantity": "0.02"})
        asked = {"symbol": BTC, "side": "SELL", "algoType": "CONDITIONAL", "type": "STOP_MARKET"}
        asked |= {"triggerPrice": "58000", "closePosition": "true"}
        made = handle("POST", "/fapi/v1/algoOrder", asked)
        assert await desk.until(lambda: stopped(desk, D(58000)))
        await trio.sleep(0.5)
        handle("DELETE", "/fapi/v1/algoOrder", {"algoId": str(made["algoId"])})
        await trio.sleep(1)
        assert await stopped(desk, D(58000))


def test_an_account_of_which_events_were_dropped_is_not_believed() -> None:
    """More came while it was read than are kept: it is read once more before anything is told of it."""
    book = futures()
    book.begin_stream()
    funding = BalancesSaid([Balance("USDT", D(999))], 5, (), "FUNDING_FEE")
    for _ in range(MOST_EARLY + 1):
        book.take(funding)
    book.install(FuturesAccount([Balance("USDT", D(1000))], [], D(0), D(1000)), [], {}, [BTC])
    assert book.unsettled() is not None


def test_positions_that_are_not_followed_are_named() -> None:
    """They gain and lose, and are part of no equity: whoever looks at the status learns of them."""
    book = futures()
    book.begin_stream()
    holdings = [Holding("DOGEUSDT", "BOTH", D(5), D(1)), Holding(BTC, "BOTH", D(1), D(100))]
    book.install(
        FuturesAccount([Balance("USDT", D(1000)), Balance("BNB", D(1))], holdings, D(0), D(1000)), [], {}, [BTC]
    )
    assert book.not_counted == ("BNB", "DOGEUSDT")


@KINDS
async def test_an_account_s_stream_that_tells_nothing_is_noticed(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is open and answers pings, and what somebody does to the account is not told: it is connected anew."""
    monkeypatch.setattr(upkeep, "CHECK_S", 0.3)
    monkeypatch.setattr(upkeep, "TELLS_WITHIN_S", 0.2)
    path = "/api/v3/order" if kind == "spot" else "/fapi/v1/order"
    by_hand = {"symbol": BTC, "side": "BUY", "type": "MARKET", "quantity": "0.02"}
    async with opened(kind, tmp_path) as desk:
        desk.sim.faults.events_lost = True
        desk.sim.engine.handle("POST", path, by_hand)
        await trio.sleep(0.2)
        assert await desk.position() is None

        async def seen() -> bool:
            try:
                return await desk.position() is not None
            except BrokerUnavailable:  # it is being connected anew
                return False

        assert await desk.until(seen)


@KINDS
async def test_a_stop_that_the_market_goes_through_while_it_is_placed_is_made_up_for_at_once(
    kind: str, tmp_path: Path
) -> None:
    """It is refused, and nothing else will be told of the position that makes anybody look at it again."""
    async with opened(kind, tmp_path) as desk:
        venue = type(desk.broker.venue)
        real: Any = venue.set_stops

        async def set_stops(self: Any, stops: Any) -> Any:
            desk.sim.quote(BTC, "57900", "57901")
            await trio.sleep(0.1)  # it is told
            return await real(self, stops)

        with patch.object(venue, "set_stops", set_stops):
            await desk.buy("0.03", sl=D(58000))
        await trio.sleep(1)
        assert await desk.position() is None
        assert (await desk.broker.deals(0))[-1].cause is Cause.SL


@KINDS
async def test_stops_of_a_position_that_is_closed_before_they_change_are_not_told_as_changed(
    kind: str, tmp_path: Path
) -> None:
    """The old stop is set off while the new one is asked for."""
    async with opened(kind, tmp_path) as desk:
        placed = await desk.buy("0.02", sl=D(58000))
        keeper = type(desk.broker.keeper)
        real = keeper.keep_locked

        async def keep_locked(self: Any, slot: Any) -> Any:
            desk.sim.quote(BTC, "57900", "57901")
            await desk.until(flat)
            return await real(self, slot)

        async def flat() -> bool:
            return await desk.position() is None

        with patch.object(keeper, "keep_locked", keep_locked):
            said = await desk.place(Modify(ORIGIN, "c", placed.ticket, new_sl=D(57000)))
        assert isinstance(said, Refused)
        assert said.retcode == Retcode.POSITION_CLOSED


@KINDS
@pytest.mark.parametrize("kind_of", [OrderType.LIMIT, OrderType.STOP])
async def test_an_old_order_that_fills_while_nobody_is_there_brings_its_stops(
    kind: str, kind_of: OrderType, tmp_path: Path
) -> None:
    """It was placed longer ago than the exchange lists orders; it is asked for by its name."""
    price = D(59000) if kind_of is OrderType.LIMIT else D(61000)
    async with opened(kind, tmp_path) as desk:
        asked = Open(ORIGIN, "c", BTC, D("0.01"), Side.BUY, kind_of, price=price, sl=D(57000))
        placed = await desk.place(asked)
        desk.down()
        await trio.sleep(0.1)
        desk.sim.quote(BTC, price - 1, price)
        await trio.sleep(0.1)
        venue = type(desk.broker.venue)
        real: Any = venue._signed  # type: ignore[attr-defined]

        async def signed(self: Any, path: str, *more: Any, **params: Any) -> bytes:
            body: bytes = await real(self, path, *more, **params)
            return b"[]" if path.rpartition("/")[2] in ("allOrders", "allAlgoOrders") else body

        with patch.object(venue, "_signed", signed):
            await desk.up()
            await trio.sleep(0.5)
            position = await desk.position()
        assert position is not None
        assert (position.ticket, position.sl) == (placed.ticket, D(57000))


@KINDS
async def test_all_trades_of_an_order_are_asked_for(kind: str, tmp_path: Path) -> None:
    """One that has filled in more of them than the exchange tells unasked is no unknown outcome."""
    async with opened(kind, tmp_path) as desk:
        await desk.buy("0.6", tag="many", price=D(59000))
        for _ in range(600):
            desk.sim.trade(BTC, "59000", "0.001")
        await trio.sleep(1)
        order = await desk.broker.venue.look(BTC, client_id(Role.ORDER, "many"), conditional=False)
        assert order is not None
        fills = await desk.broker.venue.fills_of(order)
        assert sum(fill.quantity for fill in fills) == order.filled
