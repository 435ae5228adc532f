"""The account of the made-up futures exchange: money, modes, what questions say of it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from futures_desk import BTC, FuturesDesk, fault

from quantmind.testing.binance.engine import ApiFault

D = Decimal


def test_income_tells_where_money_came_from() -> None:
    """Its sum is the change of the wallet; each kind can be asked for alone."""
    desk = FuturesDesk(taker=D("0.0004"))
    desk.order("BUY", "0.1")
    desk.quote("61000", "61001")
    desk.engine.fund(BTC, D("0.0001"))
    desk.order("SELL", "0.1")
    desk.engine.deposit(D(50))
    rows = desk.ask("GET", "income", symbol=None)
    assert [each["incomeType"] for each in rows] == [
        "COMMISSION",
        "FUNDING_FEE",
        "REALIZED_PNL",
        "COMMISSION",
        "TRANSFER",
    ]
    assert sum(D(each["income"]) for each in rows) == desk.wallet - 100_000
    assert [each["income"] for each in desk.ask("GET", "income", incomeType="REALIZED_PNL")] == ["99.9"]
    assert len(desk.ask("GET", "income")) == 4


def test_what_changes_the_wallet_without_a_trade() -> None:
    """It is told with its reason and its amount; nothing is told of a fee that nobody pays."""
    desk = FuturesDesk()
    desk.engine.fund(BTC, D("0.0001"))
    desk.engine.deposit(D(-30))
    told = [(each["a"]["m"], each["a"]["B"][0]["bc"], each["a"]["P"]) for each in desk.events]
    assert told == [("WITHDRAW", "-30", [])]
    with pytest.raises(ValueError, match="not free"):
        desk.engine.deposit(D(-100_000))


def test_leverage_decides_how_much_margin_is_needed() -> None:
    """It can't be lowered below what there is money for, and each change is told."""
    desk = FuturesDesk(balances={"USDT": D(1000)})
    desk.order("BUY", "0.1")
    (risk,) = desk.ask("GET", "v3/positionRisk")
    assert risk["initialMargin"] == "300.005"
    desk.events.clear()
    assert fault(desk.ask, "POST", "leverage", leverage=5) == -2028
    assert fault(desk.ask, "POST", "leverage", leverage=126) == -4028
    assert fault(desk.ask, "POST", "leverage") == -1102
    assert desk.events == []
    assert desk.ask("POST", "leverage", leverage=10)["leverage"] == 10
    assert desk.events[0]["ac"] == {"s": BTC, "l": 10}
    assert desk.ask("GET", "v3/positionRisk")[0]["initialMargin"] == "600.01"
    assert desk.ask("GET", "v3/account")["availableBalance"] == "399.99"


def test_money_adds_up_in_each_answer() -> None:
    """Wallet, profit, margin and what is free are the same in account, balance and risk."""
    desk = FuturesDesk()
    desk.order("SELL", "0.2")
    desk.limit("BUY", "0.5", "59000")
    desk.quote("60500", "60501")
    account = desk.ask("GET", "v3/account")
    (balance,) = desk.ask("GET", "v3/balance")
    (risk,) = desk.ask("GET", "v3/positionRisk")
    assert D(account["totalMarginBalance"]) == D(account["totalWalletBalance"]) + D(account["totalUnrealizedProfit"])
    assert D(account["availableBalance"]) == D(account["totalMarginBalance"]) - D(account["totalInitialMargin"])
    assert (balance["availableBalance"], balance["balance"]) == (account["availableBalance"], "100000")
    assert risk["unRealizedProfit"] == account["totalUnrealizedProfit"] == "-100"
    assert risk["initialMargin"] == account["totalInitialMargin"]
    margins = ("positionInitialMargin", "openOrderInitialMargin")
    assert D(risk["initialMargin"]) == sum(D(risk[each]) for each in margins)


def test_version_2_tells_every_symbol() -> None:
    """Version 3 only those with a position or an order."""
    desk = FuturesDesk()
    desk.limit("BUY", "0.1", "59000")
    assert len(desk.ask("GET", "v2/positionRisk", symbol=None)) == 2
    assert [each["symbol"] for each in desk.ask("GET", "v3/positionRisk", symbol=None)] == [BTC]
    assert len(desk.ask("GET", "v2/account", symbol=None)["positions"]) == 2
    assert len(desk.ask("GET", "v3/account", symbol=None)["positions"]) == 1
    (risk,) = desk.ask("GET", "v2/positionRisk")
    assert (risk["leverage"], risk["marginType"], risk["positionAmt"]) == ("20", "cross", "0")


def test_the_mode_is_fixed_while_anything_waits() -> None:
    """Conditional orders count."""
    desk = FuturesDesk()
    desk.algo("BUY", "STOP_MARKET", "61000", quantity="0.1")
    assert fault(desk.ask, "POST", "positionSide/dual", dualSidePosition="true") == -4067
    desk.limit("BUY", "0.1", "59000")
    assert fault(desk.ask, "POST", "marginType", marginType="ISOLATED") == -4047
    assert fault(desk.ask, "POST", "marginType", marginType="BOTH") == -1102
    desk.ask("DELETE", "algoOpenOrders")
    desk.ask("DELETE", "allOpenOrders")
    desk.ask("POST", "positionSide/dual", dualSidePosition="true")
    desk.ask("POST", "marginType", marginType="ISOLATED")
    assert desk.ask("GET", "positionSide/dual") == {"dualSidePosition": True}
    assert desk.ask("GET", "symbolConfig")[0]["marginType"] == "ISOLATED"
    assert len(desk.ask("GET", "v2/positionRisk")) == 2


def test_a_listen_key_is_kept_for_an_hour_at_a_time() -> None:
    """Asking again gives the same one; without one there is nothing to keep."""
    desk = FuturesDesk()
    assert fault(desk.ask, "PUT", "listenKey") == -1125
    key = desk.ask("POST", "listenKey")["listenKey"]
    desk.now_s += 3000
    assert desk.ask("PUT", "listenKey") == {"listenKey": key} == desk.ask("POST", "listenKey")
    desk.now_s += 3000
    desk.engine.run_timers()
    assert desk.events == []
    desk.now_s += 600
    desk.engine.run_timers()
    assert [(each["e"], each["listenKey"]) for each in desk.events] == [("listenKeyExpired", key)]
    assert desk.ask("POST", "listenKey")["listenKey"] != key
    assert desk.ask("DELETE", "listenKey") == {}
    assert fault(desk.ask, "PUT", "listenKey") == -1125


def test_a_countdown_is_taken_back_by_a_nought() -> None:
    """Else it cancels the orders of its symbol."""
    desk = FuturesDesk()
    desk.limit("BUY", "0.1", "59000")
    desk.ask("POST", "countdownCancelAll", countdownTime=1000)
    assert desk.ask("POST", "countdownCancelAll", countdownTime=0) == {"symbol": BTC, "countdownTime": "0"}
    desk.now_s += 2
    desk.engine.run_timers()
    assert len(desk.ask("GET", "openOrders")) == 1


def test_questions_about_the_market_and_its_rules() -> None:
    """Quotes with their sizes, the mark price, brackets, rates; unknown paths are not there."""
    desk = FuturesDesk(taker=D("0.0004"), maker=D("0.0002"))
    desk.quote("60000", "60001", "0", "2.5")
    best = desk.ask("GET", "ticker/bookTicker")
    assert (best["bidQty"], best["askQty"], best["askPrice"]) == ("0", "2.5", "60001")
    assert (desk.market[-1]["data"]["B"], desk.market[-1]["data"]["A"]) == ("0", "2.5")
    assert len(desk.ask("GET", "ticker/bookTicker", symbol=None)) == 2
    assert desk.ask("GET", "premiumIndex")["markPrice"] == "60000"
    assert desk.ask("GET", "leverageBracket")[0]["brackets"][0]["initialLeverage"] == 125
    assert desk.ask("GET", "commissionRate")["takerCommissionRate"] == "0.0004"
    assert desk.ask("GET", "multiAssetsMargin") == {"multiAssetsMargin": False}
    assert desk.ask("GET", "time") == {"serverTime": int(desk.now_s * 1000)}
    with pytest.raises(ApiFault) as refused:
        desk.ask("POST", "batchOrders")
    assert refused.value.status == 404
