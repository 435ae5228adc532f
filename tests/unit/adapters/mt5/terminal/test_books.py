"""Rows of the package as our values: exact, in UTC, by our names; and whatever is none is named."""

from __future__ import annotations

import contextlib
import math
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.adapters.mt5.terminal.books import Names, account_of, deal_of, deals_of, pending_of, position_of
from quantmind.adapters.mt5.terminal.comments import MOST, pack, unpack
from quantmind.adapters.mt5.terminal.constants import FIELDS
from quantmind.adapters.mt5.terminal.numbers import level, lots, money, nearest_double, price, text, whole
from quantmind.adapters.mt5.terminal.outcomes import check_of, ended, verdict_of
from quantmind.adapters.mt5.terminal.server_clock import ServerClock, parse_server_zone
from quantmind.domain.accounts import Cause, Entry
from quantmind.domain.orders import Ending, OrderType, Placed, Refused, Side, Unknown
from quantmind.domain.retcodes import Retcode

MANY = settings(max_examples=examples(1_000, 200), deadline=None)
NAMES = Names({"EURUSD.r": "EURUSD"}, {"EURUSD.r": 5})
CLOCK = ServerClock(parse_server_zone("+02:00"))
SERVER_MSC = 1_686_945_604_865
ROWS: dict[str, dict[str, Any]] = {
    "AccountInfo": {
        "login": 5,
        "server": "Demo",
        "company": "x",
        "currency": "USD",
        "currency_digits": 2,
        "leverage": 100,
        "margin_mode": 2,
        "trade_allowed": True,
        "trade_expert": True,
        "balance": 10000.000000000002,
        "equity": 9999.995,
        "margin": 0.0,
        "margin_free": 9999.99,
        "profit": -0.005,
    },
    "TradePosition": {
        "ticket": 7,
        "time_msc": SERVER_MSC,
        "type": 1,
        "magic": 3,
        "volume": 0.30000000000000004,
        "price_open": 1.6921300000000001,
        "sl": 1.69791,
        "tp": 0.0,
        "price_current": 1.6923300000000001,
        "swap": -0.1,
        "profit": -11.82,
        "symbol": "EURUSD.r",
        "comment": "tag-1|why not",
    },
    "TradeOrder": {
        "ticket": 8,
        "time_setup_msc": SERVER_MSC,
        "time_done_msc": SERVER_MSC,
        "time_expiration": 0,
        "type": 3,
        "type_time": 0,
        "type_filling": 2,
        "state": 1,
        "magic": 3,
        "position_id": 0,
        "volume_initial": 1.0,
        "volume_current": 0.4,
        "price_open": 1.7,
        "sl": 0.0,
        "tp": 1.5,
        "symbol": "EURUSD.r",
        "comment": "hand",
        "price_stoplimit": 0.0,
    },
    "TradeDeal": {
        "ticket": 9,
        "order": 8,
        "time_msc": SERVER_MSC,
        "type": 0,
        "entry": 1,
        "magic": 3,
        "position_id": 7,
        "reason": 3,
        "volume": 0.1,
        "price": 1.24491,
        "commission": -0.35,
        "swap": -0.1,
        "profit": 12.345,
        "fee": -0.05,
        "symbol": "XAUUSD",
        "comment": "tag-2|",
    },
}


def row(kind: str, **more: Any) -> Any:
    assert set(ROWS[kind]) == set(FIELDS[kind])
    return SimpleNamespace(**{**ROWS[kind], **more})


def test_an_account() -> None:
    """Money to the cent, and whether anything may be traded at all."""
    found = account_of(row("AccountInfo"))
    assert (found.balance, found.equity, found.profit) == (Decimal("10000.00"), Decimal("10000.00"), Decimal("0.00"))
    assert (found.margin_mode, found.trade_allowed) == ("hedging", True)
    assert account_of(row("AccountInfo", margin_mode=0)).margin_mode == "netting"
    assert not account_of(row("AccountInfo", trade_expert=False)).trade_allowed
    assert account_of(row("AccountInfo", currency="JPY", currency_digits=0, balance=123456.4)).balance == 123456


def test_a_position() -> None:
    """Prices by digits, no take profit as none, UTC, our name, tag and comment apart."""
    found = position_of(row("TradePosition"), NAMES, CLOCK)
    assert (found.symbol, found.side, found.volume) == ("EURUSD", Side.SELL, Decimal("0.3"))
    assert (found.price_open, found.sl, found.tp) == (Decimal("1.69213"), Decimal("1.69791"), None)
    assert found.time_msc == SERVER_MSC - 2 * 3_600_000
    assert (found.tag, found.comment) == ("tag-1", "why not")


def test_a_waiting_order() -> None:
    """What is left of its volume; an end in UTC; a stop limit order counts by its stop; a market order waits not."""
    found = pending_of(row("TradeOrder"), NAMES, CLOCK)
    assert found is not None
    assert (found.order_type, found.side, found.volume, found.sl, found.expiration_msc) == (
        *(OrderType.LIMIT, Side.SELL, Decimal("0.4"), None, None),
    )
    assert (found.tag, found.comment) == ("", "hand")
    ends = pending_of(row("TradeOrder", type_time=2, time_expiration=SERVER_MSC // 1000), NAMES, CLOCK)
    assert ends is not None
    assert ends.expiration_msc == SERVER_MSC // 1000 * 1000 - 2 * 3_600_000
    limited = pending_of(row("TradeOrder", type=6, price_stoplimit=1.6), NAMES, CLOCK)
    assert limited is not None
    assert (limited.order_type, limited.side, limited.price) == (OrderType.STOP, Side.BUY, Decimal("1.70000"))
    assert pending_of(row("TradeOrder", type=0), NAMES, CLOCK) is None


def test_a_deal() -> None:
    """Fee and commission together; a server's own deal has no tag; a deposit is no trade."""
    found = deal_of(row("TradeDeal"), NAMES, CLOCK)
    assert found is not None
    assert (found.symbol, found.entry, found.cause, found.tag) == ("XAUUSD", Entry.OUT, Cause.CLIENT, "tag-2")
    assert (found.commission, found.profit) == (Decimal("-0.40"), Decimal("12.34"))
    stopped = deal_of(row("TradeDeal", reason=4, comment="tag-1|x"), NAMES, CLOCK)
    assert stopped is not None
    assert (stopped.cause, stopped.tag) == (Cause.SL, "")
    assert [deal_of(row("TradeDeal", type=kind), NAMES, CLOCK) for kind in range(2, 18)] == [None] * 16
    rows = [row("TradeDeal", ticket=2, time_msc=5), row("TradeDeal", type=2), row("TradeDeal", ticket=1, time_msc=5)]
    assert [deal.ticket for deal in deals_of(rows, NAMES, CLOCK)] == [1, 2]


@pytest.mark.parametrize("kind", list(ROWS))
@given(data=st.data())
@MANY
def test_whatever_a_row_has_is_a_value_or_named(kind: str, data: st.DataObject) -> None:
    """A ValueError with the field's name, and nothing else."""
    field = data.draw(st.sampled_from(sorted(ROWS[kind])))
    value = data.draw(
        st.none()
        | st.floats()
        | st.integers()
        | st.text(max_size=300)
        | st.sampled_from([math.nan, -math.inf, 1e300, 2**70, -1, b"x", [], True])
    )
    read = {
        "AccountInfo": account_of,
        "TradePosition": lambda each: position_of(each, NAMES, CLOCK),
        "TradeOrder": lambda each: pending_of(each, NAMES, CLOCK),
        "TradeDeal": lambda each: deal_of(each, NAMES, CLOCK),
    }[kind]
    try:
        read(row(kind, **{field: value}))
    except ValueError as error:
        assert field in str(error) or "entry" in str(error), error  # noqa: PT017 - it may also be fine


def deals(*volumes: str, entry: int = 0) -> Any:
    rows = [
        row(
            "TradeDeal",
            ticket=number,
            volume=float(volume),
            entry=entry,
            price=1.1 + number / 1000,
            symbol="EURUSD.r",
        )
        for number, volume in enumerate(volumes)
    ]
    return deals_of(rows, NAMES, CLOCK)


def test_a_fill_in_several_deals() -> None:
    """Its price is the average, its volume the sum; less than was asked for is a part."""
    order = row("TradeOrder", state=4, type=0, volume_initial=0.4)
    found = ended(order, deals("0.1", "0.3"), 5)
    assert found == Placed(
        retcode=10009,
        order=8,
        deal=1,
        ticket=7,
        price=Decimal("1.10075"),
        volume=Decimal("0.4"),
        sl=None,
        tp=Decimal("1.50000"),
        comment="Request executed",
    )
    part = ended(row("TradeOrder", state=4, type=0, volume_initial=1.0), deals("0.1", entry=1), 5)
    assert part is not None
    assert (part.retcode, part.volume, part.profit) == (Retcode.DONE_PARTIAL, Decimal("0.1"), Decimal("12.34"))


@pytest.mark.parametrize(
    ("state", "ending"),
    [(2, Ending.CANCELLED), (5, Ending.REJECTED), (6, Ending.EXPIRED), (4, None), (3, None), (99, None)],
)
def test_an_order_without_deals(state: int, ending: Ending | None) -> None:
    """Ended unfilled; one that was filled and whose deals are not there yet can't be told."""
    found = ended(row("TradeOrder", state=state), (), 5)
    assert (None if found is None else found.ended) == ending


@pytest.mark.parametrize(
    ("retcode", "kind"),
    [
        *((code, type(None)) for code in (10008, 10009, 10010)),
        *((code, Unknown) for code in (10012, 10031)),
        *((code, Refused) for code in (10004, 10006, 10013, 10016, 10027, 10030, 10046, 12345)),
    ],
)
def test_what_a_retcode_means(retcode: int, kind: type) -> None:
    """Three are successes, two say nothing, all others are refusals in plain words."""
    found = verdict_of(SimpleNamespace(retcode=retcode, comment="Server\nsays"))
    assert isinstance(found, kind)
    if isinstance(found, Refused):
        assert found.comment.isprintable()
        assert "Server says" in found.comment


def test_order_check_succeeds_with_0() -> None:
    """And not with 10009 alone; a refusal has its code."""
    assert check_of(SimpleNamespace(retcode=0, comment="Done")) is None
    refused = check_of(SimpleNamespace(retcode=10019, comment=None))
    assert isinstance(refused, Refused)
    assert refused.retcode == Retcode.NO_MONEY


@MANY
@given(st.from_regex(r"[0-9A-Za-z_-]{1,16}", fullmatch=True), st.text(max_size=60), st.integers(0, 40))
def test_a_tag_in_a_comment(tag: str, comment: str, cut: int) -> None:
    """It comes back whole or not at all, wherever a broker cuts."""
    packed = pack(tag, comment)
    assert len(packed) <= MOST
    assert unpack(packed) == (tag, comment[: MOST - len(tag) - 1])
    found, _ = unpack(packed[:cut])
    assert found in ("", tag)
    with contextlib.suppress(ValueError):
        pack(comment, "x")


@pytest.mark.parametrize("comment", ["[sl 1.0850]", "python script open", "", "a b|c", "x" * 17 + "|y", "é|x"])
def test_a_comment_of_others_has_no_tag(comment: str) -> None:
    """It stays as it is."""
    assert unpack(comment) == ("", comment)


def test_numbers() -> None:
    """Doubles as the decimals that they mean."""
    assert price(65380.340000000004, "price", 2) == Decimal("65380.34")
    assert level(0.0, "sl", 5) is None
    assert lots(0.30000000000000004, "volume") == Decimal("0.3")
    assert str(lots(100000.0, "size")) == "100000"
    assert money(0.005, "profit") == Decimal("0.00")
    assert nearest_double(1.2440000000000002, "bid", 5) == 1.244
    assert whole(5.0, "login") == 5
    assert text("a\x00b\n", "comment") == "a b "
    for wrong in (None, "x", math.nan, math.inf, 1e16, [], True):
        with pytest.raises(ValueError, match="price"):
            price(wrong, "price", 5)
    for wrong in (-1, -0.1):
        with pytest.raises(ValueError, match="negative"):
            lots(wrong, "volume")
