"""From trades to positions and deals."""

from __future__ import annotations

from decimal import Decimal

import attrs
from hypothesis import given
from hypothesis import strategies as st

from quantmind.adapters.binance.names import Role, client_id, tag_number
from quantmind.adapters.binance.records import Fill
from quantmind.adapters.binance.walk import Lot, Walk, in_order
from quantmind.domain.accounts import Cause, Entry
from quantmind.domain.orders import Side

D = Decimal
STEP = D("0.001")


def fill(number: int, amount: str, price: str = "100", client: str = "", **more: object) -> Fill:
    quantity = D(amount)
    side = Side.BUY if quantity > 0 else Side.SELL
    said = client or client_id(Role.ORDER, f"tag{number}")
    given = {"commission": D(0), "commission_asset": "USDT", "time_msc": number, **more}
    return Fill("BTCUSDT", number, number * 10, side, D(price), abs(quantity), client_id=said, **given)  # type: ignore[arg-type]


def walk(base: str = "", charge: object = lambda each: each.commission) -> Walk:
    return Walk("BTCUSDT", "BOTH", STEP, charge, base=base)  # type: ignore[arg-type]


def test_a_netting_position_opens_grows_shrinks_turns_and_closes() -> None:
    """Each trade's entry, and the position's number: that of the order that opened it, until it is flat."""
    walked = walk()
    amounts = ["1", "1", "-1", "-3", "2", "1"]
    deals = [walked.take(fill(number, amount)) for number, amount in enumerate(amounts, 1)]
    assert [deal.entry for deal in deals if deal] == [
        Entry.IN,
        Entry.IN,
        Entry.OUT,
        Entry.INOUT,
        Entry.OUT,
        Entry.IN,
    ]
    first, last = tag_number("tag1"), tag_number("tag6")
    assert [deal.position for deal in deals if deal] == [first] * 5 + [last]
    assert (walked.lot.ticket, walked.lot.amount, walked.lot.tag) == (last, D(1), "tag6")


def test_a_trade_that_is_told_twice_counts_once() -> None:
    """By its id."""
    walked = walk()
    assert walked.take(fill(1, "1")) is not None
    assert walked.take(fill(1, "1")) is None
    assert walked.lot.amount == 1


def test_a_stop_has_its_cause_and_no_tag() -> None:
    """By the name of its order; the exchange's own orders are forced closes."""
    walked = walk()
    walked.take(fill(1, "4"))
    for number, client, cause, tag in (
        (2, client_id(Role.STOP_LOSS, "tag1"), Cause.SL, ""),
        (3, client_id(Role.TAKE_PROFIT, "tag1"), Cause.TP, ""),
        (4, "autoclose-123", Cause.STOP_OUT, ""),
        (5, client_id(Role.CLOSE, "mine"), Cause.CLIENT, "mine"),
    ):
        deal = walked.take(fill(number, "-1", client=client))
        assert deal is not None
        assert (deal.cause, deal.tag, deal.entry) == (cause, tag, Entry.OUT)


def test_a_commission_in_what_was_bought_makes_the_position_smaller() -> None:
    """On spot; it is charged at the trade's price, and what is too little to be sold is no position."""
    walked = walk("BTC", lambda each: each.commission * each.price)
    deal = walked.take(fill(1, "1", commission=D("0.0005"), commission_asset="BTC"))
    assert deal is not None
    assert (walked.lot.amount, walked.lot.cost, deal.commission) == (D("0.9995"), D("99.95"), D("-0.05"))
    assert (deal.volume, deal.change) == (D(1), D("0.999"))
    walked.take(fill(2, "-0.999"))
    assert walked.is_flat
    again = walked.take(fill(3, "1"))
    assert again is not None
    assert (again.entry, again.position) == (Entry.IN, tag_number("tag3"))


def test_a_commission_of_another_symbol_s_trade_is_a_deal_of_the_coin_that_pays_it() -> None:
    """As BNB does: it goes at what it cost. Where too little is held to be sold, it is gone without one."""
    walked = walk("BTC")
    abroad = {"symbol": "ETHUSDT", "commission": D("0.0005"), "commission_asset": "BTC"}
    assert walked.take(attrs.evolve(fill(1, "1"), symbol="ETHUSDT")) is None  # paid in something else
    walked.take(fill(2, "2", price="90"))
    deal = walked.take(attrs.evolve(fill(2, "5"), **abroad))
    assert deal is not None
    assert (deal.cause, deal.entry, deal.order, deal.position) == (Cause.FEE, Entry.OUT, 0, tag_number("tag2"))
    assert (deal.volume, deal.change, deal.price) == (D("0.0005"), D("-0.001"), D(90))
    assert (deal.profit, deal.commission, walked.lot.cost) == (0, D("-0.045"), D("179.955"))
    assert walked.take(attrs.evolve(fill(2, "5"), **abroad)) is None
    walked.take(fill(3, "-1.999"))
    assert walked.take(attrs.evolve(fill(4, "5"), **abroad)) is None
    assert walked.lot.amount == 0
    assert [each.cause for each in walked.deals] == [Cause.CLIENT, Cause.FEE, Cause.CLIENT]


def test_what_was_open_before_is_gone_on_from() -> None:
    """Its number and its price are those that were carried."""
    walked = walk("BTC")
    walked.begin(Lot(7, "old", 1, D(2), D(180)))
    deal = walked.take(fill(9, "-1", price="100"))
    assert deal is not None
    assert (deal.entry, deal.position, deal.profit) == (Entry.OUT, 7, D(10))
    assert (walked.lot.ticket, walked.lot.price) == (7, D(90))


def test_trades_of_one_millisecond_go_by_their_id() -> None:
    """Whatever order they are told in."""
    fills = [fill(3, "1", time_msc=5), fill(1, "1", time_msc=5), fill(2, "1", time_msc=4)]
    assert [each.trade_id for each in in_order(fills)] == [2, 1, 3]


amounts = st.lists(
    st.tuples(st.integers(-5000, 5000).filter(bool), st.integers(1, 100_000), st.booleans()), min_size=1, max_size=60
)


@given(amounts)
def test_money_adds_up(steps: list[tuple[int, int, bool]]) -> None:
    """Cash, and what the position cost, change by profit and commission of the deals and by nothing else."""
    walked = walk("BTC", lambda each: each.commission * (each.price if each.commission_asset == "BTC" else 1))
    cash, held, made = D(0), D(0), D(0)
    for number, (thousandths, price, in_base) in enumerate(steps, 1):
        quantity = D(thousandths) / 1000
        bought = quantity > 0
        if not bought:
            quantity = max(quantity, -(walked.lot.amount // STEP * STEP))
            if not quantity:
                continue
        asset = "BTC" if bought and in_base else "USDT"
        commission = abs(quantity) / 1024 if asset == "BTC" else D(price) * abs(quantity) / 1024
        commission = commission.quantize(D("1E-8"))
        one = fill(number, str(quantity), str(price), commission=commission, commission_asset=asset)
        deal = walked.take(one)
        assert deal is not None
        cash -= quantity * price + (commission if asset == "USDT" else 0)
        held += quantity - (commission if asset == "BTC" else 0)
        made += deal.profit + deal.commission
    assert walked.lot.amount == held >= 0
    assert cash + walked.lot.cost == made
