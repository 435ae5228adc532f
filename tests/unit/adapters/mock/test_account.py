"""What the paper account does: fills, stops, profit, margin, money changed between currencies."""

from decimal import Decimal

import attrs
import pytest

from quantmind.adapters.mock import Market, PaperAccount, Terms
from quantmind.domain.accounts import Cause, Entry
from quantmind.domain.orders import Close, Modify, Open, Origin, Placed, Side
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import usual_spec

ORIGIN = Origin("ea", 7, "r1")


def make(*names, **terms):
    return PaperAccount(Terms(**terms), [usual_spec(name) for name in names or ("EURUSD",)])


def tick(account, bid, ask, symbol="EURUSD", time_msc=1000):
    return account.tick(Quote(symbol, bid, ask, time_msc))


def buy(account, volume="0.1", symbol="EURUSD", side=Side.BUY, tag="t", **more):
    outcome = account.open(Open(ORIGIN, "demo", symbol, Decimal(volume), side, **more), tag)
    assert isinstance(outcome, Placed), outcome
    return outcome


def sell(account, volume="0.1", **more):
    return buy(account, volume, side=Side.SELL, **more)


def close(account, ticket, volume=None, tag="c"):
    outcome = account.close(Close(ORIGIN, "demo", "", ticket, None if volume is None else Decimal(volume)), tag)
    assert isinstance(outcome, Placed), outcome
    return outcome


def test_a_buy_fills_at_the_ask_and_closes_at_the_bid():
    """A round trip at once costs the spread: 10 points of 0.1 lots are 1 USD."""
    account = make()
    tick(account, 1.08500, 1.08510)
    placed = buy(account)
    assert placed.price == Decimal("1.08510")
    assert account.positions()[0].price_current == Decimal("1.08500")
    closed = close(account, placed.ticket)
    assert (closed.price, closed.profit) == (Decimal("1.08500"), Decimal("-1.00"))
    assert account.balance == Decimal("9999.00")


def test_a_sell_fills_at_the_bid_and_closes_at_the_ask():
    """The mirror of a buy."""
    account = make()
    tick(account, 1.08500, 1.08510)
    placed = sell(account)
    assert placed.price == Decimal("1.08500")
    tick(account, 1.08400, 1.08410)
    closed = close(account, placed.ticket)
    assert (closed.price, closed.profit) == (Decimal("1.08410"), Decimal("9.00"))


def test_an_executed_order_says_what_a_terminal_says():
    """Return code, comment, numbers; a position is known by the number of the order that opened it."""
    account = make()
    tick(account, 1.08500, 1.08510)
    placed = buy(account, sl=Decimal("1.08"), tp=Decimal("1.09"))
    assert placed == Placed(
        retcode=10009,
        order=placed.ticket,
        deal=account.deals[0].ticket,
        ticket=placed.ticket,
        price=Decimal("1.08510"),
        volume=Decimal("0.1"),
        sl=Decimal("1.08000"),
        tp=Decimal("1.09000"),
        comment="Request executed",
    )


def test_a_change_of_stops_makes_neither_order_nor_deal():
    """As recorded from a live terminal: deal 0, order 0, no price."""
    account = make()
    tick(account, 1.08500, 1.08510)
    ticket = buy(account, sl=Decimal("1.08")).ticket
    changed = account.modify(Modify(ORIGIN, "demo", ticket, new_tp=Decimal("1.09")), "m")
    assert changed == Placed(
        retcode=10009, ticket=ticket, sl=Decimal("1.08000"), tp=Decimal("1.09000"), comment="Request executed"
    )
    changed = account.modify(Modify(ORIGIN, "demo", ticket, new_sl=Decimal(0)), "m2")
    assert isinstance(changed, Placed)
    assert (changed.sl, changed.tp) == (None, Decimal("1.09000"))
    assert len(account.deals) == 1


def test_only_a_level_that_changes_is_checked():
    """A take profit may move while the price is within the stops level of the stop loss."""
    account = PaperAccount(Terms(), [attrs.evolve(usual_spec("EURUSD"), stops_level=20)])
    tick(account, 1.08500, 1.08510)
    ticket = buy(account, sl=Decimal("1.08480")).ticket
    tick(account, 1.08490, 1.08500)
    assert isinstance(account.modify(Modify(ORIGIN, "demo", ticket, Decimal("1.0848"), Decimal("1.09")), "m"), Placed)


@pytest.mark.parametrize(
    ("side", "stop", "quiet", "triggering", "cause", "price"),
    [
        # The ask below a buy's stop loss means nothing: the bid must reach it.
        (Side.BUY, {"sl": "1.08400"}, (1.08401, 1.08405), (1.08400, 1.08410), Cause.SL, "1.08400"),
        (Side.BUY, {"tp": "1.08600"}, (1.08599, 1.08609), (1.08600, 1.08610), Cause.TP, "1.08600"),
        # The bid above a sell's stop loss means nothing: the ask must reach it.
        (Side.SELL, {"sl": "1.08600"}, (1.08589, 1.08599), (1.08590, 1.08600), Cause.SL, "1.08600"),
        (Side.SELL, {"tp": "1.08400"}, (1.08391, 1.08401), (1.08390, 1.08400), Cause.TP, "1.08400"),
    ],
)
def test_stops_trigger_on_their_side_of_the_spread(side, stop, quiet, triggering, cause, price):
    """A point before the level nothing happens, at the level the position closes."""
    account = make()
    tick(account, 1.08500, 1.08510)
    placed = buy(account, side=side, **{key: Decimal(value) for key, value in stop.items()})
    assert not tick(account, *quiet)
    (deal,) = tick(account, *triggering, time_msc=2000)
    assert (deal.cause, deal.price, deal.entry) == (cause, Decimal(price), Entry.OUT)
    assert (deal.position, deal.side, deal.time_msc) == (placed.ticket, side.opposite, 2000)
    assert account.positions() == ()
    assert not tick(account, *triggering)


def test_a_gap_over_a_stop_loss_fills_worse_than_its_level():
    """Stops are market orders: the fill is the price of the tick, 50 points behind the level."""
    account = make()
    tick(account, 1.08500, 1.08510)
    buy(account, sl=Decimal("1.08400"))
    (deal,) = tick(account, 1.08350, 1.08360)
    assert (deal.price, deal.profit) == (Decimal("1.08350"), Decimal("-16.00"))


def test_a_gap_over_a_take_profit_fills_better_than_its_level():
    """For the same reason."""
    account = make()
    tick(account, 1.08500, 1.08510)
    sell(account, tp=Decimal("1.08400"))
    (deal,) = tick(account, 1.08310, 1.08320)
    assert (deal.cause, deal.price) == (Cause.TP, Decimal("1.08320"))


def test_one_tick_can_close_several_positions_oldest_first():
    """In the order in which they were opened, and only those that it reaches."""
    account = make()
    tick(account, 1.08500, 1.08510)
    first = buy(account, sl=Decimal("1.08400"))
    buy(account, sl=Decimal("1.08300"))
    third = buy(account, sl=Decimal("1.08450"))
    assert [deal.position for deal in tick(account, 1.08390, 1.08400)] == [first.ticket, third.ticket]


def test_a_stop_does_not_trigger_on_another_symbol():
    """The price of a stop is that of its own symbol."""
    account = make("EURUSD", "GBPUSD")
    tick(account, 1.08500, 1.08510)
    buy(account, sl=Decimal("1.08000"))
    assert not tick(account, 1.00000, 1.00010, symbol="GBPUSD")


@pytest.mark.parametrize("noise", [1e-13, -1e-13])
def test_the_noise_of_doubles_does_not_move_a_stop(noise):
    """1.0840000000000001 is 1.08400 on a symbol with five digits, for a fill and for a trigger."""
    account = make()
    tick(account, 1.08500, 1.08510)
    buy(account, sl=Decimal("1.08400"))
    (deal,) = tick(account, 1.08400 + noise, 1.08410)
    assert deal.price == Decimal("1.08400")


def test_part_of_a_position_closes_and_the_rest_stays():
    """The rest keeps ticket, opening price, stops and its share of the margin."""
    account = make()
    tick(account, 1.08500, 1.08510)
    ticket = buy(account, "0.3", sl=Decimal("1.08")).ticket
    tick(account, 1.08610, 1.08620)
    closed = close(account, ticket, "0.1")
    assert (closed.volume, closed.profit) == (Decimal("0.1"), Decimal("10.00"))
    (rest,) = account.positions()
    assert (rest.ticket, rest.volume, rest.price_open, rest.sl) == (
        ticket,
        Decimal("0.2"),
        Decimal("1.08510"),
        Decimal("1.08000"),
    )
    assert account.margin == Decimal("217.02")
    close(account, ticket, "0.2")
    assert (account.positions(), account.margin) == ((), Decimal(0))


def test_halves_of_a_cent_are_booked_away_from_zero():
    """A gain and its mirrored loss cancel out to the cent."""
    spec = attrs.evolve(usual_spec("EURUSD"), contract_size=Decimal(500))
    account = PaperAccount(Terms(), [spec])
    tick(account, 1.08500, 1.08500)
    long, short = buy(account, "1"), sell(account, "1")
    tick(account, 1.08501, 1.08501)  # 0.005 USD each way
    assert close(account, long.ticket).profit == Decimal("0.01")
    assert close(account, short.ticket).profit == Decimal("-0.01")
    assert account.balance == Decimal(10_000)


def test_margin_is_fixed_at_the_rate_of_the_opening():
    """0.1 lots of EURUSD bought at 1.08510 at 1:100 hold 108.51 USD, wherever the price goes."""
    account = make()
    tick(account, 1.08500, 1.08510)
    buy(account)
    assert account.margin == Decimal("108.51")
    tick(account, 1.20000, 1.20010)
    assert account.margin == Decimal("108.51")
    assert account.state().margin_free == account.state().equity - Decimal("108.51")


def test_the_covered_legs_of_a_hedge_pay_once():
    """0.3 bought and 0.1 sold: 0.2 at the buy's rate and 0.1 at the average of both."""
    account = make()
    tick(account, 1.08500, 1.08510)
    buy(account, "0.3")
    sell(account, "0.1")
    # 0.2 x 1085.10 + 0.1 x (0.3 x 1085.10 + 0.1 x 1085.00) / 0.4
    assert account.margin == Decimal("325.53")  # 217.02 + 108.5075, rounded once
    account = make()
    tick(account, 1.08500, 1.08510)
    sell(account, "0.3")
    assert account.margin == Decimal("325.50")


def test_a_full_hedge_passes_without_free_margin():
    """The other leg takes risk away and needs nothing more."""
    account = make(initial_balance=Decimal(1100), stop_out_percent=Decimal(0))
    tick(account, 1.08500, 1.08510)
    buy(account, "1.0")
    tick(account, 1.07500, 1.07510)
    assert account.state().margin_free < 0
    sell(account, "1.0")
    assert account.margin < Decimal("1085.10")


def test_margin_of_a_symbol_in_one_currency_is_a_share_of_its_price():
    """An index at 5000 with contract 1 holds 50 USD a lot at 1:100, not a cent."""
    account = make("US500")
    tick(account, 4999.00, 5000.00, symbol="US500")
    buy(account, "1", symbol="US500")
    assert account.margin == Decimal("50.00")


def test_leverage_divides_the_margin():
    """1:30 as European retail accounts have it."""
    account = make(leverage=30)
    tick(account, 1.08500, 1.08510)
    buy(account)
    assert account.margin == Decimal("361.70")


def test_the_tick_value_of_a_jpy_cross_is_the_recorded_one():
    """0.717340 a tick with USDJPY at 139.40: the divisor is USDJPY and not the cross's own 144.995.

    A live terminal showed 0.7173395311468824 for a gain and 0.7173961390 for a loss, which is USDJPY at its
    ask of 139.404 and at its bid of 139.393.
    """
    market = Market([usual_spec("EURJPY"), usual_spec("USDJPY")])
    market.update(Quote("EURJPY", 144.995, 145.009, 1))
    market.update(Quote("USDJPY", 139.393, 139.404, 1))
    a_tick = Decimal("0.001") * 100_000
    gain = market.convert(a_tick, "JPY", "USD", paying=False)
    loss = market.convert(a_tick, "JPY", "USD", paying=True)
    assert gain is not None
    assert loss is not None
    assert round(gain, 10) == Decimal("0.7173395311")
    assert round(loss, 10) == Decimal("0.7173961390")
    assert round(gain, 5) == Decimal("0.71734")
    assert abs(gain - a_tick / Decimal("144.995")) > Decimal("0.02")


def test_the_profit_of_a_jpy_cross_uses_usdjpy():
    """100 ticks of one lot gained: 71.73 USD; 100 lost: -71.74 at the dear side."""
    account = make("EURJPY", "USDJPY", "EURUSD")
    tick(account, 1.04000, 1.04010)
    tick(account, 139.393, 139.404, symbol="USDJPY")
    tick(account, 144.995, 145.009, symbol="EURJPY")
    long, short = buy(account, "1", symbol="EURJPY"), sell(account, "1", symbol="EURJPY")
    tick(account, 145.109, 145.109, symbol="EURJPY")
    assert close(account, long.ticket).profit == Decimal("71.73")
    assert close(account, short.ticket).profit == Decimal("-81.78")  # 114 ticks


def test_the_recorded_loss_of_gbpcad_on_a_pound_account():
    """A live terminal showed -11.82 for one lot sold at 1.69213 and now at 1.69233, on a GBP account."""
    account = make("GBPCAD", currency="GBP")
    tick(account, 1.69213, 1.69220, symbol="GBPCAD")
    sell(account, "1", symbol="GBPCAD")
    tick(account, 1.69226, 1.69233, symbol="GBPCAD")
    (position,) = account.positions()
    assert (position.price_open, position.price_current) == (Decimal("1.69213"), Decimal("1.69233"))
    assert position.profit == Decimal("-11.82")


def test_a_rate_goes_by_way_of_usd_where_the_pair_is_missing():
    """JPY to EUR with USDJPY and EURUSD only."""
    market = Market([usual_spec("USDJPY"), usual_spec("EURUSD")])
    market.update(Quote("USDJPY", 150.0, 150.0, 1))
    market.update(Quote("EURUSD", 1.25, 1.25, 1))
    assert market.convert(Decimal(375), "JPY", "EUR", paying=False) == Decimal(2)
    assert market.convert(Decimal(1), "CHF", "EUR", paying=False) is None
    assert market.convert(Decimal(5), "CHF", "CHF", paying=True) == Decimal(5)


def test_any_symbol_of_a_pair_gives_its_rate():
    """With EURUSD silent, EURUSD.r can still be traded on a USD account: it is the same money."""
    account = make("EURUSD", "EURUSD.r")
    tick(account, 1.08500, 1.08510, symbol="EURUSD.r")
    buy(account, symbol="EURUSD.r")
    assert account.margin == Decimal("108.51")


def test_a_tag_tells_what_became_of_its_order():
    """The first order with a tag stands; a refused one leaves no trace."""
    account = make()
    tick(account, 1.08500, 1.08510)
    placed = buy(account, tag="a")
    assert account.find("a") == placed
    buy(account, tag="a")
    assert account.find("a") == placed
    assert account.find("b") is None


def test_deals_add_up_to_the_balance():
    """Each deal says whose it is and why; the sum of profits is the change of the balance."""
    account = make()
    tick(account, 1.08500, 1.08510, time_msc=5)
    ticket = buy(account, "0.2", comment="breakout").ticket
    tick(account, 1.08617, 1.08627, time_msc=6)
    close(account, ticket, "0.1")
    account.modify(Modify(ORIGIN, "demo", ticket, new_sl=Decimal("1.086")), "m")
    tick(account, 1.08599, 1.08609, time_msc=7)
    first, second, third = account.deals
    assert [d.entry for d in account.deals] == [Entry.IN, Entry.OUT, Entry.OUT]
    assert [d.cause for d in account.deals] == [Cause.CLIENT, Cause.CLIENT, Cause.SL]
    assert [d.time_msc for d in account.deals] == [5, 6, 7]
    assert {(d.position, d.magic, d.comment) for d in account.deals} == {(ticket, 7, "breakout")}
    assert first.ticket < second.ticket < third.ticket
    assert first.order < second.order < third.order
    assert account.balance == Decimal(10_000) + sum(d.profit for d in account.deals) == Decimal("10019.60")


@pytest.mark.parametrize(
    ("symbol", "bid", "ask"),
    [
        ("EURUSD", 1.1, 1.0),
        ("EURUSD", 0.0, 1.0),
        ("EURUSD", -1.0, 1.0),
        ("EURUSD", 0.000001, 1.0),
        ("EURUSD", float("nan"), 1.0),
        ("EURUSD", 1.0, float("nan")),
        ("EURUSD", 1.0, float("inf")),
        ("GBPUSD", 1.0, 1.0),
    ],
)
def test_a_quote_to_trade_on_must_be_one(symbol, bid, ask):
    """A crossed quote, what is no price, and a foreign symbol change nothing."""
    account = make()
    with pytest.raises(ValueError, match=symbol):
        account.tick(Quote(symbol, bid, ask, 1))
    assert account.market.price("EURUSD") is None


@pytest.mark.parametrize("terms", [{"leverage": 0}, {"margin_mode": "exchange"}, {"stop_out_percent": Decimal(101)}])
def test_terms_that_the_account_can_not_keep_are_refused(terms):
    """Rather than kept wrong."""
    with pytest.raises(ValueError):
        Terms(**terms)
