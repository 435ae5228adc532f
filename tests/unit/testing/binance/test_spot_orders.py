"""Single orders at the made-up spot exchange."""

from __future__ import annotations

from decimal import Decimal

import pytest
from spot_desk import BTC, SpotDesk, fault

from quantmind.testing.binance.ledger import Done, Executed
from quantmind.testing.binance.spot_account import Charge, Commission


def test_a_market_order_fills_at_the_quote() -> None:
    """A buy pays the ask, and says its trade in the answer, the events and the account."""
    desk = SpotDesk()
    said = desk.order("BUY", "MARKET", "0.1", newClientOrderId="one")
    assert (said["status"], said["executedQty"], said["cummulativeQuoteQty"]) == (
        "FILLED",
        "0.10000000",
        "6000.10000000",
    )
    assert said["fills"] == [
        {
            "price": "60001.00000000",
            "qty": "0.10000000",
            "commission": "0.00000000",
            "commissionAsset": "BTC",
            "tradeId": 1,
        }
    ]
    assert [event["e"] for event in desk.events] == ["executionReport", "executionReport", "outboundAccountPosition"]
    assert desk.reports() == [(1, "NEW", "NEW"), (1, "TRADE", "FILLED")]
    assert desk.balance("BTC") == (Decimal("2.1"), 0)
    assert desk.balance("USDT") == (Decimal("93999.9"), 0)
    assert desk.engine.executed() == (Executed("one", 1, BTC, Decimal("0.1"), waits=False),)
    assert [each["kind"] for each in desk.market] == ["bookTicker", "trade"]


def test_a_market_order_is_filled_as_far_as_the_quote_goes() -> None:
    """What is quoted is filled, and the rest expires."""
    desk = SpotDesk()
    desk.quote("60000", "60001", "0.05", "0.04")
    said = desk.order("SELL", "MARKET", "0.1")
    assert (said["status"], said["executedQty"]) == ("EXPIRED", "0.05000000")
    assert desk.order("SELL", "MARKET", "0.1")["executedQty"] == "0.00000000"
    assert desk.balance("BTC") == (Decimal("1.95"), 0)


def test_a_market_order_for_an_amount_of_quote() -> None:
    """quoteOrderQty buys as many steps as it pays for."""
    desk = SpotDesk()
    said = desk.order("BUY", "MARKET", None, quoteOrderQty="1000")
    assert said["executedQty"] == "0.01666000"
    assert said["origQuoteOrderQty"] == "1000.00000000"
    assert Decimal(said["cummulativeQuoteQty"]) <= 1000


@pytest.mark.parametrize(
    ("tif", "status", "filled"),
    [("GTC", "PARTIALLY_FILLED", "0.04"), ("IOC", "EXPIRED", "0.04"), ("FOK", "EXPIRED", "0")],
)
def test_what_becomes_of_the_rest(tif: str, status: str, filled: str) -> None:
    """The rest of a limit order waits with GTC and expires with IOC; FOK fills all of it or nothing."""
    desk = SpotDesk()
    desk.quote("60000", "60001", None, "0.04")
    said = desk.limit("BUY", "0.1", "60010", tif)
    assert (said["status"], Decimal(said["executedQty"])) == (status, Decimal(filled))
    free, locked = desk.balance("USDT")
    assert locked == (Decimal("3600.6") if tif == "GTC" else 0)
    assert free + locked == 100000 - Decimal(filled) * 60001


def test_a_resting_order_fills_at_its_price() -> None:
    """As soon as the ask reaches a buy, at the buy's own price and as a maker."""
    desk = SpotDesk()
    desk.limit("BUY", "0.1", "59000", newClientOrderId="rests")
    assert desk.balance("USDT") == (94100, 5900)
    assert desk.engine.executed()[-1] == Executed("rests", 1, BTC, Decimal("0.1"), waits=True)
    desk.quote("58000", "58500")
    assert desk.status(1) == "FILLED"
    assert desk.balance("USDT") == (94100, 0)
    trade = desk.ask("GET", "myTrades")[0]
    assert (trade["price"], trade["isMaker"], trade["isBuyer"]) == ("59000.00000000", True, True)
    assert desk.events[-2]["m"] is True


def test_resting_orders_fill_in_order() -> None:
    """The best price first, then the oldest, each with what is left of the quote."""
    desk = SpotDesk()
    for price in ("59000", "59500", "59500"):
        desk.limit("BUY", "0.1", price)
    desk.quote("58000", "58500", None, "0.25")
    assert [desk.status(number) for number in (1, 2, 3)] == ["PARTIALLY_FILLED", "FILLED", "FILLED"]
    fills = [event["i"] for event in desk.events if event["e"] == "executionReport" and event["x"] == "TRADE"]
    assert fills == [2, 3, 1]


def test_a_public_trade_fills_what_rests() -> None:
    """Up to its quantity, at the order's price; the quote does not move."""
    desk = SpotDesk()
    desk.limit("SELL", "0.1", "60500")
    desk.engine.trade(BTC, Decimal(60500), Decimal("0.03"))
    assert desk.status(1) == "PARTIALLY_FILLED"
    assert desk.balance("BTC") == (Decimal("1.9"), Decimal("0.07"))
    assert desk.ask("GET", "trades")[0]["price"] == "60500.00000000"
    with pytest.raises(ValueError):
        desk.engine.trade(BTC, Decimal(0), Decimal(1))


def test_orders_share_a_public_trade() -> None:
    """What the best one took is not there for the next."""
    desk = SpotDesk()
    desk.limit("SELL", "0.02", "60600")
    desk.limit("SELL", "0.02", "60500")
    desk.engine.trade(BTC, Decimal(60700), Decimal("0.03"))
    assert [desk.status(1), desk.status(2)] == ["PARTIALLY_FILLED", "FILLED"]
    assert desk.balance("BTC") == (Decimal("1.96"), Decimal("0.01"))


def test_the_tape_says_who_was_the_maker() -> None:
    """`m` is true where a buy rested: for a market sell and for a limit buy that was reached."""
    desk = SpotDesk()
    desk.order("BUY", "MARKET", "0.1")
    desk.order("SELL", "MARKET", "0.1")
    desk.limit("BUY", "0.1", "59000")
    desk.limit("SELL", "0.1", "61000")
    desk.quote("58900", "59000")
    desk.quote("61000", "61001")
    assert [each["data"]["m"] for each in desk.market if each["kind"] == "trade"] == [False, True, True, False]
    assert [each["isBuyerMaker"] for each in desk.ask("GET", "trades")] == [False, True, True, False]


def test_one_order_is_filled_on_demand() -> None:
    """`fill` trades a resting order wherever the market is, and nothing else."""
    desk = SpotDesk()
    desk.limit("BUY", "0.1", "50000")
    desk.engine.fill(BTC, 1, Decimal("0.04"))
    assert desk.status(1) == "PARTIALLY_FILLED"
    desk.engine.fill(BTC, 1)
    assert desk.status(1) == "FILLED"
    with pytest.raises(ValueError):
        desk.engine.fill(BTC, 1)


@pytest.mark.parametrize(
    ("side", "kind", "stop", "bid", "ask"),
    [
        ("SELL", "STOP_LOSS", "59000", "59000", "59010"),
        ("BUY", "STOP_LOSS", "61000", "60990", "61000"),
        ("SELL", "TAKE_PROFIT", "61000", "61000", "61010"),
        ("BUY", "TAKE_PROFIT", "59000", "58990", "59000"),
    ],
)
def test_a_stop_triggers_when_its_side_of_the_quote_is_there(
    side: str, kind: str, stop: str, bid: str, ask: str
) -> None:
    """A sell looks at the bid and a buy at the ask; it is carried out at the market."""
    desk = SpotDesk()
    said = desk.order(side, kind, "0.1", stopPrice=stop, newOrderRespType="RESULT")
    assert (said["status"], said["workingTime"], said["stopPrice"]) == ("NEW", -1, f"{stop}.00000000")
    near = Decimal("0.01") if Decimal(stop) > 60000 else -Decimal("0.01")
    desk.quote(str(Decimal(bid) - near), str(Decimal(ask) - near))
    assert desk.status(1) == "NEW"
    desk.quote(bid, ask)
    assert desk.status(1) == "FILLED"
    trade = desk.ask("GET", "myTrades")[0]
    assert (Decimal(trade["price"]), trade["isMaker"]) == (Decimal(ask if side == "BUY" else bid), False)
    assert desk.reports() == [(1, "NEW", "NEW"), (1, "NEW", "NEW"), (1, "TRADE", "FILLED")]


def test_a_public_trade_triggers_stops() -> None:
    """Its price is looked at by both sides; the order then fills at the quote."""
    desk = SpotDesk()
    desk.order("SELL", "STOP_LOSS", "0.1", stopPrice="59000")
    desk.engine.trade(BTC, Decimal(58999), Decimal("0.001"))
    assert desk.status(1) == "FILLED"
    assert desk.ask("GET", "myTrades")[0]["price"] == "60000.00000000"


def test_a_stop_limit_rests_at_its_limit_after_it_triggered() -> None:
    """It is not in the book before, and waits for its limit then."""
    desk = SpotDesk()
    desk.order("SELL", "STOP_LOSS_LIMIT", "0.1", stopPrice="59000", price="59500", timeInForce="GTC")
    assert not desk.ask("GET", "order", orderId=1)["isWorking"]
    desk.quote("58900", "58950")
    row = desk.ask("GET", "order", orderId=1)
    assert (row["status"], row["isWorking"]) == ("NEW", True)
    desk.quote("59600", "59610")
    assert desk.status(1) == "FILLED"


def test_a_stop_that_costs_more_than_its_lock() -> None:
    """A buy that triggers at a worse price takes what is free, and expires for what that does not pay for."""
    desk = SpotDesk()
    desk.order("BUY", "STOP_LOSS", "1.6", stopPrice="61000")
    assert desk.balance("USDT") == (2400, 97600)
    desk.quote("79990", "80000")
    assert desk.status(1) == "EXPIRED"
    assert desk.balance("USDT") == (0, 0)
    assert desk.balance("BTC") == (Decimal("3.25"), 0)


def test_a_client_id_is_unique_among_open_orders_alone() -> None:
    """-2010 as long as the other one is open; after its fill or cancellation the id is taken again."""
    desk = SpotDesk()
    desk.limit("BUY", "0.1", "59000", newClientOrderId="same")
    found = fault(lambda: desk.order("BUY", "MARKET", "0.1", newClientOrderId="same"))
    assert (found.code, found.message) == (-2010, "Duplicate order sent.")
    desk.quote("58000", "58500")
    assert desk.order("BUY", "MARKET", "0.1", newClientOrderId="same")["status"] == "FILLED"
    assert desk.ask("GET", "order", origClientOrderId="same")["orderId"] == 2


def test_symbols_have_ids_of_their_own() -> None:
    """Two symbols have the same order id and the same trade id."""
    desk = SpotDesk()
    desk.engine.set_quote("ETHUSDT", Decimal(3000), Decimal(3001))
    one = desk.order("BUY", "MARKET", "0.1")
    other = desk.order("BUY", "MARKET", "0.1", symbol="ETHUSDT")
    assert (one["orderId"], one["fills"][0]["tradeId"]) == (other["orderId"], other["fills"][0]["tradeId"]) == (1, 1)


def test_a_cancellation() -> None:
    """It gives back what was locked; its event names both ids; a second one is -2011, as one of nothing."""
    desk = SpotDesk()
    desk.limit("BUY", "0.1", "59000", newClientOrderId="mine")
    said = desk.ask("DELETE", "order", origClientOrderId="mine", newClientOrderId="stop-it")
    assert (said["status"], said["origClientOrderId"], said["clientOrderId"]) == ("CANCELED", "mine", "stop-it")
    event = next(event for event in desk.events if event.get("x") == "CANCELED")
    assert (event["c"], event["C"]) == ("stop-it", "mine")
    assert desk.balance("USDT") == (100000, 0)
    assert desk.engine.executed()[-1] == Executed("mine", 1, BTC, None, waits=False, done=Done.CANCELED)
    found = fault(lambda: desk.ask("DELETE", "order", orderId=1))
    assert (found.code, found.message) == (-2011, "Unknown order sent.")
    assert fault(lambda: desk.ask("DELETE", "order")).code == -1102


def test_cancellations_with_conditions() -> None:
    """cancelRestrictions lets an order live that has another status."""
    desk = SpotDesk()
    desk.limit("BUY", "0.1", "59000")
    found = fault(lambda: desk.ask("DELETE", "order", orderId=1, cancelRestrictions="ONLY_PARTIALLY_FILLED"))
    assert (found.code, desk.status(1)) == (-2011, "NEW")
    assert fault(lambda: desk.ask("DELETE", "order", orderId=1, cancelRestrictions="x")).code == -1145
    assert desk.ask("DELETE", "order", orderId=1, cancelRestrictions="ONLY_NEW")["status"] == "CANCELED"


def test_all_orders_of_a_symbol_are_canceled() -> None:
    """Single ones and lists; those of other symbols stay."""
    desk = SpotDesk()
    desk.engine.set_quote("ETHUSDT", Decimal(3000), Decimal(3001))
    desk.limit("BUY", "0.1", "59000")
    desk.oco()
    desk.limit("BUY", "0.1", "2900", symbol="ETHUSDT")
    said = desk.ask("DELETE", "openOrders")
    assert [each.get("orderId", each.get("orderListId")) for each in said] == [1, 0]
    assert len(said[1]["orderReports"]) == 2
    assert desk.ask("GET", "openOrders") == []
    assert [each["symbol"] for each in desk.ask("GET", "openOrders", symbol=None)] == ["ETHUSDT"]
    assert fault(lambda: desk.ask("DELETE", "openOrders")).code == -2011


@pytest.mark.parametrize(("charge", "asset"), [(Charge.RECEIVED, "BTC"), (Charge.BNB, "BNB")])
def test_commissions(charge: Charge, asset: str) -> None:
    """They are taken from what a trade brings, or from BNB with a quarter off."""
    desk = SpotDesk(Commission(Decimal("0.001"), Decimal("0.002"), charge, bnb_price=Decimal(600)))
    fill = desk.order("BUY", "MARKET", "0.1")["fills"][0]
    paid = Decimal("0.0002") if charge is Charge.RECEIVED else Decimal("6000.1") * Decimal("0.0015") / 600
    assert (fill["commissionAsset"], Decimal(fill["commission"])) == (
        asset,
        paid.quantize(Decimal("1E-8"), "ROUND_DOWN"),
    )
    assert desk.balance("BTC")[0] == Decimal("2.1") - (paid if charge is Charge.RECEIVED else 0)
    rates = desk.ask("GET", "account/commission")
    assert rates["standardCommission"]["taker"] == "0.00200000"
    assert rates["discount"]["enabledForAccount"] is (charge is Charge.BNB)


def test_commissions_when_bnb_runs_out() -> None:
    """They come from what the trade brings."""
    desk = SpotDesk(Commission(Decimal("0.001"), Decimal("0.002"), Charge.BNB))
    desk.engine.deposit("BNB", Decimal("-9.999"))
    assert desk.order("SELL", "MARKET", "0.1")["fills"][0]["commissionAsset"] == "USDT"


def test_answers_are_as_long_as_was_asked() -> None:
    """FULL for MARKET and LIMIT and ACK for others, if nothing else is asked for."""
    desk = SpotDesk()
    assert "fills" in desk.limit("BUY", "0.1", "59000")
    assert "status" not in desk.order("SELL", "STOP_LOSS", "0.1", stopPrice="59000")
    result = desk.order("BUY", "MARKET", "0.1", newOrderRespType="RESULT")
    assert "status" in result
    assert "fills" not in result


def test_money_comes_and_goes() -> None:
    """A deposit is an event of its own, beside the new balance; more than is free can't be withdrawn."""
    desk = SpotDesk()
    desk.engine.deposit("USDT", Decimal("12.5"))
    assert [event["e"] for event in desk.events] == ["balanceUpdate", "outboundAccountPosition"]
    assert desk.events[0]["d"] == "12.50000000"
    desk.engine.deposit("USDT", Decimal("-100012.5"))
    assert desk.balance("USDT") == (0, 0)
    with pytest.raises(ValueError):
        desk.engine.deposit("USDT", Decimal(-1))
