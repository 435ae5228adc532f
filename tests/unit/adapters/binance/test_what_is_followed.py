"""Symbols whose rules change, that come and go, or that are traded without being followed here."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import attrs
import pytest
import trio
from binance_accounts import futures, has, order, spec, spot, traded
from binance_desk import BTC, KINDS, D, opened, stopped

from quantmind.adapters.binance import futures_wire
from quantmind.adapters.binance.carried import Carried, CarriedFile
from quantmind.adapters.binance.records import Balance, BalancesSaid, FuturesAccount, Holding, Order, SpotAccount
from quantmind.domain.accounts import Cause

ETH = "ETHUSDT"


def read_spot(book: Any, cash: str, btc: str = "0") -> None:
    """The account is read, and nothing was traded."""
    book.begin_stream()
    balances = [Balance("USDT", D(cash)), Balance("BTC", D(btc))]
    book.install(SpotAccount(7, True, balances, 1), [], {BTC: []}, [BTC])


def read_futures(book: Any) -> None:
    """The same: 1000 USDT."""
    book.begin_stream()
    book.install(FuturesAccount([Balance("USDT", D(1000))], [], D(0), D(1000)), [], {BTC: []}, [BTC])


@pytest.mark.parametrize("make", [spot, futures])
def test_a_volume_step_that_changes_holds_for_what_is_open(make: Any) -> None:
    """What can be closed of a position goes by the step that the exchange has now."""
    book = make()
    if make is spot:
        read_spot(book, "900", "1.0004")
    else:
        read_futures(book)
        book.take(traded(order("a", "1.0004"), 1))
    assert book.volume_of((BTC, "BOTH")) == D("1.000")
    book.trades({BTC: attrs.evolve(spec(), volume_step=D("0.0001"))})
    assert book.volume_of((BTC, "BOTH")) == D("1.0004")


@pytest.mark.parametrize("make", [spot, futures])
def test_an_account_is_read_anew_for_a_symbol_that_comes(make: Any) -> None:
    """Its open orders and trades were not read while the exchange did not trade it."""
    book = make()
    read_spot(book, "900") if make is spot else read_futures(book)
    book.trades({BTC: spec()})
    assert book.unsettled() is None
    book.trades({BTC: spec(), ETH: spec(ETH, "ETH")})
    assert not book.synced


async def test_a_symbol_that_goes_while_stops_are_seen_to_ends_nothing(tmp_path: Path) -> None:
    """Whoever keeps the stops of all symbols goes on with those that are left."""
    async with opened("futures", tmp_path, symbols=(BTC, ETH)) as desk:
        book, keeper = desk.broker.book, desk.broker.keeper
        see_to, seen = type(keeper)._see_to, []

        async def slowly(self: Any, slot: Any) -> None:
            await see_to(self, slot)
            seen.append(slot)
            if slot[0] == BTC and (ETH, "BOTH") in book.walks:
                book.trades({BTC: book.specs[BTC]})

        with patch.object(type(keeper), "_see_to", slowly):
            book.poke()
            await trio.sleep(0.3)
        assert seen
        assert (await desk.broker.sample()).positions == []


@KINDS
async def test_a_symbol_that_is_not_traded_is_not_asked_for(kind: str, tmp_path: Path) -> None:
    """It is quiet for ever, and asking for the prices of nothing costs as much as for those of others."""
    async with opened(kind, tmp_path, symbols=(BTC, "NONEUSDT")) as desk:
        asked: list[Any] = []
        prices = type(desk.broker.venue).prices

        async def counted(self: Any, symbols: Any) -> Any:
            asked.append(list(symbols))
            return await prices(self, symbols)

        with patch.object(type(desk.broker.venue), "prices", counted):
            await desk.broker.feed.ask(["NONEUSDT"])
        assert asked == []


def test_leverage_of_a_symbol_that_is_not_followed_is_not_the_account_s() -> None:
    """What is told of the account is of the symbols that are traded here."""
    book = futures()
    read_futures(book)
    book.leverages[BTC] = 20
    book.levered("DOGEUSDT", 75)
    assert book.sample(0.0).account.leverage == 20


def test_trades_of_a_symbol_that_is_not_followed_leave_the_account_readable() -> None:
    """Whoever trades another symbol all the time keeps this account from adding up, if its money counts for nothing."""
    book = futures()
    read_futures(book)
    for number in range(1, 4):
        book.take(traded(order("z", "1", symbol=ETH), number, at=20 + number, commission=D(1)))
        cash = [Balance("USDT", D(1000 - number))]
        book.take(BalancesSaid(cash, 20 + number, [Holding(ETH, "BOTH", D(number), D(100))], "ORDER"))
        assert book.unsettled() is None
    assert book.sample(0.0).account.balance == D(997)


def test_an_account_without_a_number_is_no_other_one(tmp_path: Path) -> None:
    """What is wanted is forgotten for another account, and not where the exchange leaves out whose it is."""
    file = CarriedFile.open(tmp_path / "positions")
    file.belongs_to(7)
    file.keep(Carried(1, BTC, "BOTH", sl=D(90)))
    file.belongs_to(0)
    assert 1 in CarriedFile.open(tmp_path / "positions").items


async def test_stops_that_were_set_off_make_no_account_be_read_twice(tmp_path: Path) -> None:
    """The exchange may call what came of them as it likes; with many of them the account would never be believed."""
    said = futures_wire.orders

    def renamed(body: bytes) -> list[Order]:
        return [attrs.evolve(each, client_id="x-its-own") if each.filled else each for each in said(body)]

    async with opened("futures", tmp_path) as desk:
        await desk.buy("0.1", sl=D(58000))
        assert await stopped(desk, D(58000))
        desk.sim.quote(BTC, "57000", "57001")

        async def flat() -> bool:
            return await desk.position() is None

        await desk.until(flat)
        desk.down()
        await trio.sleep(0.1)
        with patch.object(futures_wire, "orders", renamed):
            await desk.up()
        assert [deal.cause for deal in await desk.broker.deals(0)] == [Cause.CLIENT, Cause.SL]
        assert desk.broker.snapshot()["reads"] == 1


def test_what_is_traded_elsewhere_on_spot_leaves_the_account_readable() -> None:
    """The same: what another symbol brings or takes is told by its trades, twice where two connections overlap."""
    book = spot()
    read_spot(book, "900")
    for number in range(1, 4):
        for _ in range(2):
            book.take(traded(order("z", "1", symbol=ETH), number, at=20 + number, commission=D(1)))
        book.take(has(book, str(900 - 101 * number), at=20 + number))
        assert book.unsettled() is None
    book.take(traded(order("y", "1", symbol="ETHBTC"), 9, at=30, commission=D(1)))
    book.take(has(book, str(900 - 101 * 3 - 1), at=30))
    assert book.unsettled() is None
    assert book.sample(0.0).account.balance == D(596)
