"""Accounts as their streams tell them: snapshot and events, in whatever order they come."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import attrs
import pytest
from binance_accounts import STEP, D, futures, has, order, spec, spot, traded
from hypothesis import given
from hypothesis import strategies as st

from quantmind.adapters.binance.carried import CarriedFile, CarriedFileError
from quantmind.adapters.binance.futures_book import FuturesBook
from quantmind.adapters.binance.names import tag_number
from quantmind.adapters.binance.records import (
    Balance,
    BalancesSaid,
    Fill,
    FuturesAccount,
    Holding,
    OrderSaid,
    SpotAccount,
)
from quantmind.domain.accounts import Entry
from quantmind.domain.orders import OrderType, Side


def test_spot_is_told_in_any_order() -> None:
    """A fill and the balances after it: between the two nothing is believed, whichever comes first."""
    for swapped in (False, True):
        book = spot()
        book.begin_stream()
        book.install(SpotAccount(5, True, [Balance("USDT", D(1000))], 1), [], {}, ["BTCUSDT"])
        assert book.unsettled() is None
        said: list[OrderSaid | BalancesSaid] = [traded(order("a", "2"), 1), has(book, "800", "2")]
        if swapped:
            said.reverse()
        book.take(said[0])
        assert book.unsettled() is not None
        book.take(said[1])
        assert book.unsettled() is None
        sample = book.sample(1.0)
        (position,) = sample.positions
        assert (position.ticket, position.volume, position.tag, position.magic) == (tag_number("a"), D(2), "a", 7)
        assert (sample.account.balance, sample.account.equity) == (D(1000), D(1000))
        assert (sample.account.margin, sample.account.margin_free) == (D(200), D(800))


def test_what_came_before_the_snapshot_is_taken_in_on_top_of_it() -> None:
    """An event that the snapshot has already changes nothing, one that it has not counts."""
    for seen in (False, True):
        book = spot()
        book.begin_stream()
        one = traded(order("a", "2"), 1, at=10)
        book.take(one)
        book.take(has(book, "800", "2", at=10))
        account = SpotAccount(5, True, [Balance("USDT", D(800)), Balance("BTC", D(2))], 10)
        assert one.fill is not None
        fills = [attrs.evolve(one.fill, client_id=one.order.client_id)]
        if seen:
            book.install(account, [], {"BTCUSDT": fills}, ["BTCUSDT"])
        else:
            book.install(SpotAccount(5, True, [Balance("USDT", D(1000))], 1), [], {}, ["BTCUSDT"])
        assert book.unsettled() is None
        assert [each.volume for each in book.sample(0.0).positions] == [D(2)]
        assert len(book.deals(0)) == 1


def test_more_early_events_than_are_kept_make_it_read_again() -> None:
    """The queue is bounded, and says that it overran."""
    book = spot()
    book.begin_stream()
    for number in range(10_001):
        book.take(has(book, str(number), at=number))
    assert book.overrun


def test_what_was_held_before_keeps_its_number_and_price_over_a_restart(tmp_path: Path) -> None:
    """The exchange tells the newest trades alone; number and cost of the position are carried."""
    path = tmp_path / "positions"
    book = spot(path)
    book.begin_stream()
    book.install(SpotAccount(5, True, [Balance("USDT", D(1000))], 1), [], {}, ["BTCUSDT"])
    book.take(traded(order("a", "2"), 1, price="90"))
    book.take(has(book, "820", "2"))
    before = book.sample(0.0)
    again = spot(path)
    again.begin_stream()
    again.install(SpotAccount(5, True, [Balance("USDT", D(820)), Balance("BTC", D(2))], 10), [], {}, ["BTCUSDT"])
    assert again.sample(0.0) == before
    assert before.positions[0].profit == D(20)


steps = st.lists(
    st.tuples(
        st.sampled_from(["BTCUSDT", "BNBUSDT"]),
        st.integers(-5000, 5000).filter(bool),
        st.integers(1, 100_000),
        st.sampled_from(["USDT", "BNB", "own"]),
    ),
    min_size=1,
    max_size=40,
)


@given(steps)
def test_each_position_is_what_its_deals_say_also_when_fees_take_of_it(
    story: list[tuple[str, int, int, str]],
) -> None:
    """And it is the same whether its trades were told one by one or are read together."""
    bases = {"BTCUSDT": "BTC", "BNBUSDT": "BNB"}
    told, read = spot(), spot()
    for book in (told, read):
        book.trades({name: spec(name, base) for name, base in bases.items()})
        book.begin_stream()
    told.install(SpotAccount(5, True, [Balance("USDT", D(10**9))], 1), [], {}, list(bases))
    held = {"USDT": D(10**9), "BTC": D(0), "BNB": D(0)}
    fills: dict[str, list[Fill]] = {name: [] for name in bases}
    for number, (symbol, thousandths, price, fee) in enumerate(story, 1):
        base, bought = bases[symbol], thousandths > 0
        quantity = D(abs(thousandths)) / 1000 if bought else min(D(-thousandths) / 1000, held[base] // STEP * STEP)
        if not quantity:
            continue
        asset = "USDT" if fee == "own" and not bought else base if fee == "own" else fee
        commission = (quantity / 1024).quantize(D("1E-8")) if asset != "USDT" else quantity * price / 1024
        after = held[asset] + (quantity if asset == base and bought else 0)
        if asset == "BNB" and commission > after - (quantity if asset == base and not bought else 0):
            continue
        held[base] += quantity if bought else -quantity
        held["USDT"] -= quantity * price * (1 if bought else -1)
        held[asset] -= commission
        one = order(f"t{number}", str(quantity if bought else -quantity), symbol=symbol, order_id=number)
        said = traded(one, number, number, str(price), commission=commission, commission_asset=asset)
        told.take(said)
        assert said.fill is not None
        fills[symbol].append(attrs.evolve(said.fill, client_id=one.client_id))
    balances = [Balance(asset, amount) for asset, amount in held.items()]
    told.take(BalancesSaid(balances, 100))
    assert told.unsettled() is None
    read.install(SpotAccount(5, True, balances, 100), [], fills, list(bases))
    changes: dict[int, Decimal] = defaultdict(D)
    for deal in told.deals(0):
        changes[deal.position] += deal.change
    volumes = {each.ticket: each.volume for each in told.sample(0.0).positions}
    assert {ticket: change for ticket, change in changes.items() if change} == volumes
    assert read.deals(0) == told.deals(0)
    assert read.sample(0.0) == told.sample(0.0)


def test_a_trade_that_is_told_after_a_later_one_makes_it_read_again() -> None:
    """The position was closed before it was heard of, and its number would be another one than when it is read."""
    book = spot()
    book.begin_stream()
    book.install(SpotAccount(5, True, [Balance("USDT", D(1000))], 1), [], {}, ["BTCUSDT"])
    book.take(traded(order("a", "2"), 1, at=10))
    book.take(traded(order("b", "-2"), 3, at=30))
    assert not book.overrun
    book.take(traded(order("c", "1"), 2, at=20))
    assert book.overrun


def test_coins_that_were_there_are_a_position_at_the_price_of_now() -> None:
    """Nobody knows what they cost; from now on they gain and lose."""
    book = spot()
    book.begin_stream()
    book.install(SpotAccount(5, True, [Balance("BTC", D(1)), Balance("DOGE", D(9))], 1), [], {}, ["BTCUSDT"])
    (position,) = book.sample(0.0).positions
    assert (position.volume, position.profit, position.tag) == (D(1), D(0), "")
    assert book.not_counted == ("DOGE",)


def test_a_deposit_makes_it_read_again() -> None:
    """Balances that no trade explains are not believed as they are."""
    book = spot()
    book.begin_stream()
    book.install(SpotAccount(5, True, [Balance("USDT", D(1000))], 1), [], {}, ["BTCUSDT"])
    book.take(has(book, "1500"))
    why = book.unsettled()
    assert why is not None
    assert "1500" in why


def filled_on_futures(
    book: FuturesBook, tag: str, amount: str, cash: str, held: str, trade: int, **more: object
) -> None:
    book.take(traded(order(tag, amount), trade, at=trade, **more))
    holding = Holding("BTCUSDT", "BOTH", D(held), D(100))
    book.take(BalancesSaid([Balance("USDT", D(cash))], trade, [holding], "ORDER"))


def test_futures_positions_follow_trades_and_wallet() -> None:
    """Realised profit and commission change the wallet, the position turns and keeps its number."""
    book = futures()
    book.begin_stream()
    book.install(FuturesAccount([Balance("USDT", D(1000))], [], D(0), D(1000)), [], {}, ["BTCUSDT"])
    filled_on_futures(book, "a", "2", "999", "2", 1, commission=D(1))
    filled_on_futures(book, "b", "-3", "1018", "-1", 2, commission=D(1), realized=D(20), price="110")
    assert book.unsettled() is None
    sample = book.sample(0.0)
    (position,) = sample.positions
    assert (position.side, position.volume, position.ticket, position.tag) == (
        Side.SELL,
        D(1),
        tag_number("a"),
        "b",
    )
    assert position.profit == D(9)  # sold at 110, to be bought at 101
    assert (sample.account.balance, sample.account.equity) == (D(1018), D(1027))
    assert [(deal.entry, deal.profit, deal.commission) for deal in book.deals(0)] == [
        (Entry.IN, D(0), D(-1)),
        (Entry.INOUT, D(20), D(-1)),
    ]


def test_funding_changes_the_wallet_and_is_believed() -> None:
    """It comes with its reason and without a trade."""
    book = futures()
    book.begin_stream()
    book.install(FuturesAccount([Balance("USDT", D(1000))], [], D(0), D(1000)), [], {}, ["BTCUSDT"])
    book.take(BalancesSaid([Balance("USDT", D("999.5"))], 5, (), "FUNDING_FEE"))
    assert book.unsettled() is None
    assert book.sample(0.0).account.balance == D("999.5")


def test_a_lost_fill_is_noticed() -> None:
    """Positions and trades do not fit together."""
    book = futures()
    book.begin_stream()
    book.install(FuturesAccount([Balance("USDT", D(1000))], [], D(0), D(1000)), [], {}, ["BTCUSDT"])
    book.take(BalancesSaid([Balance("USDT", D(1000))], 2, [Holding("BTCUSDT", "BOTH", D(1), D(100))], "ORDER"))
    assert book.unsettled() == "BTCUSDT is held 1, and by its trades 0"


def test_hedge_mode_has_a_position_of_each_side() -> None:
    """With numbers of their own; the account says that it is hedging."""
    book = futures(hedges=True)
    book.begin_stream()
    holdings = [Holding("BTCUSDT", "LONG", D(1), D(100)), Holding("BTCUSDT", "SHORT", D(-2), D(100))]
    book.install(FuturesAccount([Balance("USDT", D(1000))], holdings, D(0), D(1000)), [], {}, ["BTCUSDT"])
    sample = book.sample(0.0)
    assert sample.account.margin_mode == "hedging"
    assert [(each.side, each.volume) for each in sample.positions] == [(Side.BUY, D(1)), (Side.SELL, D(2))]
    assert len({each.ticket for each in sample.positions}) == 2


def test_a_conditional_order_that_was_set_off_keeps_its_name() -> None:
    """Its trade is that of the request which placed it, whatever the exchange calls the order that came of it."""
    book = futures()
    book.begin_stream()
    book.install(FuturesAccount([Balance("USDT", D(1000))], [], D(0), D(1000)), [], {}, ["BTCUSDT"])
    waits = attrs.evolve(order("a", "1", "0", "NEW", conditional=True, trigger=D(120)), kind="STOP_MARKET")
    book.take(OrderSaid(waits, 1))
    (pending,) = book.sample(0.0).orders
    assert (pending.order_type, pending.price, pending.tag) == (OrderType.STOP, D(120), "a")
    book.take(OrderSaid(attrs.evolve(waits, status="TRIGGERED", becomes=55, updated_msc=2), 2))
    came = order("zz", "1", order_id=55, client_id="autoname")
    book.take(traded(came, 9, at=3))
    book.take(BalancesSaid([Balance("USDT", D(1000))], 3, [Holding("BTCUSDT", "BOTH", D(1), D(100))], "ORDER"))
    (position,) = book.sample(0.0).positions
    assert (position.ticket, position.tag) == (tag_number("a"), "a")
    assert book.sample(0.0).orders == []


def test_a_carried_file_that_is_damaged_is_not_overwritten(tmp_path: Path) -> None:
    """It says so, and what to look at; what can't be read has the stops of open positions."""
    path = tmp_path / "positions"
    path.write_bytes(b"[{]")
    with pytest.raises(CarriedFileError, match="stops are in force"):
        CarriedFile.open(path)
    assert path.read_bytes() == b"[{]"
