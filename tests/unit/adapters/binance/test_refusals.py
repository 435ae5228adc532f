"""The exchange's errors in our words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantmind.adapters.binance import refusals
from quantmind.adapters.binance.errors import Refusal
from quantmind.adapters.binance.refusals import (
    is_ban,
    is_clock,
    is_unknown,
    printable,
    refused,
    says_absent,
)
from quantmind.domain.retcodes import SUCCESSES, Retcode

# Codes and words as in Binance's error pages of spot and of USD-M futures.
TOLD = [
    (-1013, "Filter failure: PRICE_FILTER", Retcode.INVALID_PRICE),
    (-1013, "Filter failure: LOT_SIZE", Retcode.INVALID_VOLUME),
    (-1013, "Filter failure: NOTIONAL", Retcode.INVALID_VOLUME),
    (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE", Retcode.INVALID_PRICE),
    (-1013, "Filter failure: MAX_NUM_ALGO_ORDERS", Retcode.LIMIT_ORDERS),
    (-1013, "Filter failure: MAX_POSITION", Retcode.LIMIT_VOLUME),
    (-1013, "Filter failure: NEW_ONE", Retcode.REJECT),
    (-1013, "Invalid quantity.", Retcode.INVALID_VOLUME),
    (-1013, "Market is closed.", Retcode.MARKET_CLOSED),
    (-2010, "Account has insufficient balance for requested action.", Retcode.NO_MONEY),
    (-2010, "Duplicate order sent.", Retcode.REJECT),
    (-2010, "Stop price would trigger immediately.", Retcode.INVALID_STOPS),
    (-2010, "Order would trigger immediately.", Retcode.INVALID_STOPS),
    (-2010, "Order would immediately match and take.", Retcode.INVALID_PRICE),
    (-2010, "Market is closed.", Retcode.MARKET_CLOSED),
    (-2010, "This action is disabled on this account.", Retcode.TRADE_DISABLED),
    (-2010, "This symbol is not permitted for this account.", Retcode.TRADE_DISABLED),
    (-2010, "Stop loss limit orders are not supported for this symbol.", Retcode.INVALID_ORDER),
    (-2010, "The relationship of the prices for the orders is not correct.", Retcode.INVALID_STOPS),
    (-2010, "Something new.", Retcode.REJECT),
    (-2011, "Unknown order sent.", Retcode.INVALID),
    (-2011, "Order was not canceled due to cancel restrictions.", Retcode.ORDER_CHANGED),
    (-2013, "Order does not exist.", Retcode.INVALID),
    (-2014, "API-key format invalid.", Retcode.TRADE_DISABLED),
    (-2015, "Invalid API-key, IP, or permissions for action.", Retcode.TRADE_DISABLED),
    (-2018, "Balance is insufficient.", Retcode.NO_MONEY),
    (-2019, "Margin is insufficient.", Retcode.NO_MONEY),
    (-2020, "Unable to fill.", Retcode.PRICE_OFF),
    (-2021, "Order would immediately trigger.", Retcode.INVALID_STOPS),
    (-2021, "Order cancel-replace partially failed.", Retcode.REJECT),
    (-2022, "ReduceOnly Order is rejected.", Retcode.POSITION_CLOSED),
    (-2022, "Order cancel-replace failed.", Retcode.REJECT),
    (-2025, "Reach max open order limit.", Retcode.LIMIT_ORDERS),
    (-2026, "This OrderType is not supported when reduceOnly.", Retcode.INVALID_ORDER),
    (
        -2026,
        "Order was canceled or expired with no executed qty over 90 days ago and has been archived.",
        Retcode.INVALID,
    ),
    (-2027, "Exceeded the maximum allowable position at current leverage.", Retcode.LIMIT_VOLUME),
    (-4003, "Quantity less than zero.", Retcode.INVALID_VOLUME),
    (-4014, "Price not increased by tick size.", Retcode.INVALID_PRICE),
    (-4023, "Qty not increased by step size.", Retcode.INVALID_VOLUME),
    (-4046, "No need to change margin type.", Retcode.NO_CHANGES),
    (-4059, "No need to change position side.", Retcode.NO_CHANGES),
    (-4061, "Order's position side does not match user's setting.", Retcode.INVALID),
    (-4067, "Position side cannot be changed if there exists open orders.", Retcode.REJECT),
    (-4068, "Position side cannot be changed if there exists position.", Retcode.REJECT),
    (-4116, "clientOrderId is duplicated", Retcode.REJECT),
    (-4120, "Order type not supported for this endpoint.", Retcode.INVALID_ORDER),
    (-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit", Retcode.PRICE_OFF),
    (-4164, "Order's notional must be no smaller than 5.0 (unless you choose reduce only)", Retcode.INVALID_VOLUME),
    (-4509, "TIF GTE can only be used with open positions.", Retcode.POSITION_CLOSED),
    (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected.",
        Retcode.INVALID_PRICE,
    ),
    (-1003, "Too many requests queued.", Retcode.TOO_MANY_REQUESTS),
    (-1015, "Too many new orders; current limit is 1 orders per 10 SECOND.", Retcode.TOO_MANY_REQUESTS),
    (-1021, "Timestamp for this request is outside of the recvWindow.", Retcode.REJECT),
    (-1022, "Signature for this request is not valid.", Retcode.TRADE_DISABLED),
    (-1102, "Mandatory parameter 'side' was not sent, was empty/null, or malformed.", Retcode.INVALID),
    (-1111, "Precision is over the maximum defined for this asset.", Retcode.INVALID),
    (-1121, "Invalid symbol.", Retcode.INVALID),
    (-9999, "What nobody knows.", Retcode.REJECT),
]


@pytest.mark.parametrize(("code", "said", "retcode"), TOLD)
def test_codes(code: int, said: str, retcode: Retcode) -> None:
    """Each error has its return code, a sentence of ours, and the exchange's own words with their number."""
    outcome = refused(Refusal(code, said))
    assert Retcode(outcome.retcode) is retcode
    ours, _, theirs = outcome.comment.partition(" Binance: ")
    assert theirs == f"{said} ({code})"
    assert ours.endswith(".")
    assert len(outcome.comment) <= 400


@pytest.mark.parametrize(
    ("status", "retcode"),
    [
        (401, Retcode.TRADE_DISABLED),
        (403, Retcode.REJECT),
        (404, Retcode.REJECT),
        (409, Retcode.REJECT),
        (418, Retcode.TOO_MANY_REQUESTS),
        (429, Retcode.TOO_MANY_REQUESTS),
        (451, Retcode.TRADE_DISABLED),
    ],
)
def test_status_alone(status: int, retcode: Retcode) -> None:
    """An answer that has no code is told by its status."""
    outcome = refused(Refusal(0, "", status))
    assert Retcode(outcome.retcode) is retcode
    assert outcome.comment.endswith(f" (HTTP {status})")


def test_every_sentence() -> None:
    """No error comes to a success, and each sentence ends and leaves room for the exchange's words."""
    verdicts = [
        *refusals._BY_CODE.values(),
        *refusals._BY_FILTER.values(),
        *refusals._BY_STATUS.values(),
        *(verdict for _, verdict in refusals._BY_WORDS),
    ]
    for retcode, words in verdicts:
        assert retcode not in SUCCESSES
        assert words.isprintable()
        assert words.endswith((".", ")."))
        assert len(words) <= 250


@given(st.integers(-6000, 0), st.text(max_size=1000), st.integers(100, 599))
def test_any_refusal(code: int, said: str, status: int) -> None:
    """Whatever the exchange says comes to at most 400 printable characters."""
    outcome = refused(Refusal(code, said, status))
    assert 0 < len(outcome.comment) <= 400
    assert outcome.comment.isprintable()
    assert Retcode(outcome.retcode) not in SUCCESSES
    assert printable(said).isprintable()


def test_unknown() -> None:
    """A 5xx and the codes without an outcome are unknown; what was answered is not."""
    assert [status for status in (400, 403, 409, 418, 429, 500, 502, 503, 504) if is_unknown(status, 0)] == [
        500,
        502,
        503,
        504,
    ]
    assert is_unknown(400, -1006)
    assert is_unknown(400, -1007)
    assert is_unknown(503, -1008)
    assert not is_unknown(400, -2010)


def test_absent() -> None:
    """An order that is not there is told from one that may not be taken back."""
    assert says_absent(Refusal(-2013, "Order does not exist."))
    assert says_absent(Refusal(-2011, "Unknown order sent."))
    assert not says_absent(Refusal(-2011, "Order was not canceled due to cancel restrictions."))
    assert not says_absent(Refusal(-2010, "Unknown order sent."))


def test_clock_and_ban() -> None:
    """What a time that is off and a ban look like."""
    assert is_clock(Refusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time."))
    assert not is_clock(Refusal(-1022, "Signature for this request is not valid."))
    assert [status for status in (200, 400, 403, 418, 429, 500) if is_ban(status)] == [418, 429]
