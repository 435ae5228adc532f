"""Every example of the documents is sorted: what is said to be understood decodes, and the rest is named.

The examples are `binance_examples` of the facts beside the data that `QUANTMIND_DATA` names: those of the official spot
documents, and mock answers of the official futures SDK. They are not part of this project.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from quantmind.adapters.binance import futures_wire, market_wire, spot_wire, ws_wire
from quantmind.adapters.binance.exchange_info import ExchangeInfo, exchange_info
from quantmind.adapters.binance.records import BalancesSaid, Fill, Holding, Order, OrderSaid, OtherSaid
from quantmind.adapters.binance.rules import Rules
from quantmind.adapters.binance.strange import Strange

ROOT = Path(__file__).resolve().parents[4]
DATA = Path(os.environ.get("QUANTMIND_DATA") or ROOT.parent / "shared" / "data")
EXAMPLES = DATA.parent / "facts" / "binance_examples"

Decoder = Callable[[bytes], Any]
NOT_CLAIMED = None


def the_filter(body: bytes) -> Rules:
    """A filter, in a symbol that has it and no other."""
    symbol = {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT"}
    said = {"symbols": [symbol | {"filters": [json.loads(body)]}]}
    rules = exchange_info(json.dumps(said).encode(), ["BTCUSDT"]).symbols["BTCUSDT"]
    assert rules.unknown_filters == ()
    return rules


def the_info(body: bytes) -> ExchangeInfo:
    """exchangeInfo, with every symbol that is in it."""
    wanted = [each["symbol"] for each in json.loads(body)["symbols"]]
    info = exchange_info(body, wanted)
    assert list(info.symbols) == wanted
    return info


def the_half(body: bytes) -> Any:
    """An error whose data say what was done of two halves."""
    refusal = spot_wire.half_replaced(json.dumps(json.loads(body).get("data")).encode())
    return None if refusal is None else (refusal.code, refusal.said)


# By section of the documents, or by test of the SDK: one decoder for all that is there, or one for each example.
CLAIMED: dict[str, dict[str, Decoder | tuple[Decoder | None, ...]]] = {
    "spot_filters": defaultdict(lambda: the_filter),
    "spot_user-data-stream": defaultdict(lambda: spot_wire.user_event),
    "spot_web-socket-streams": defaultdict(lambda: market_wire.market_event),
    "usdm_websocket_streams_market_api_ws_streams": defaultdict(lambda: market_wire.market_event),
    "usdm_websocket_streams_public_api_ws_streams": defaultdict(lambda: market_wire.market_event),
    "usdm_rest_api_user_data_streams_api": defaultdict(lambda: futures_wire.listen_key),
    "spot_rest-api": {
        "Exchange information": the_info,
        "Symbol order book ticker": market_wire.book_rows,
        "New order (TRADE)": (NOT_CLAIMED, spot_wire.placed, spot_wire.placed),
        "Cancel order (TRADE)": (spot_wire.order, NOT_CLAIMED, NOT_CLAIMED),
        "Cancel an Existing Order and Send a New Order (TRADE)": (spot_wire.replaced, *[the_half] * 6),
        "New OCO - Deprecated (TRADE)": spot_wire.order_list,
        "New Order list - OCO (TRADE)": spot_wire.order_list,
        "New Order list - OTO (TRADE)": spot_wire.order_list,
        "New Order list - OTOCO (TRADE)": spot_wire.order_list,
        "Cancel Order list (TRADE)": spot_wire.order_list,
        "Account information (USER_DATA)": spot_wire.account,
        "Query order (USER_DATA)": spot_wire.order,
        "Current open orders (USER_DATA)": spot_wire.orders,
        "All orders (USER_DATA)": spot_wire.orders,
        "Query all Order lists (USER_DATA)": spot_wire.open_order_lists,
        "Query Open Order lists (USER_DATA)": spot_wire.open_order_lists,
        "Account trade list (USER_DATA)": spot_wire.trades,
    },
    # All answers are claimed by `ws_reply`, and the results of these by others, too.
    "spot_web-socket-api": {
        "Event format": spot_wire.user_event,
        "Server Shutdown": spot_wire.user_event,
        "Exchange information": the_info,
        "Symbol order book ticker": market_wire.book_rows,
        "Place new order (TRADE)": (NOT_CLAIMED, spot_wire.placed, spot_wire.placed),
        "Cancel order (TRADE)": (spot_wire.order, spot_wire.order_list, NOT_CLAIMED, NOT_CLAIMED),
        "Cancel and replace order (TRADE)": (spot_wire.replaced, *[the_half] * 6),
        "Place new OCO - Deprecated (TRADE)": spot_wire.order_list,
        "Place new Order list - OCO (TRADE)": spot_wire.order_list,
        "Place new Order list - OTO (TRADE)": spot_wire.order_list,
        "Place new Order list - OTOCO (TRADE)": spot_wire.order_list,
        "Cancel Order list (TRADE)": spot_wire.order_list,
        "Account information (USER_DATA)": spot_wire.account,
        "Query order (USER_DATA)": spot_wire.order,
        "Current open orders (USER_DATA)": spot_wire.orders,
        "Account order history (USER_DATA)": spot_wire.orders,
        "Current open Order lists (USER_DATA)": spot_wire.open_order_lists,
        "Account order list history (USER_DATA)": spot_wire.open_order_lists,
        "Account trade history (USER_DATA)": spot_wire.trades,
        "Subscribe to User Data Stream (USER_STREAM)": ws_wire.subscription_id,
        "Subscribe to User Data Stream through signature subscription (USER_STREAM)": ws_wire.subscription_id,
    },
    "usdm_rest_api_account_api": {
        "test_account_information_v3_success": futures_wire.account,
        "test_futures_account_balance_v2_success": futures_wire.balances,
        "test_get_current_position_mode_success": futures_wire.position_mode,
        "test_symbol_configuration_success": futures_wire.symbol_config,
    },
    "usdm_rest_api_market_data_api": {
        "test_exchange_information_success": the_info,
        "test_symbol_order_book_ticker_success": market_wire.book_rows,
    },
    "usdm_rest_api_trade_api": {
        "test_account_trade_list_success": futures_wire.trades,
        "test_all_orders_success": futures_wire.orders,
        "test_cancel_order_success": futures_wire.order,
        "test_current_all_algo_open_orders_success": futures_wire.algo_orders,
        "test_current_all_open_orders_success": futures_wire.orders,
        "test_modify_order_success": futures_wire.order,
        "test_new_algo_order_success": futures_wire.algo_order,
        "test_new_order_success": futures_wire.order,
        "test_position_information_v3_success": futures_wire.holdings,
        "test_query_algo_order_success": futures_wire.algo_order,
        "test_query_all_algo_orders_success": futures_wire.algo_orders,
        "test_query_current_open_order_success": futures_wire.order,
        "test_query_order_success": futures_wire.order,
    },
    "usdm_websocket_api_trade_api_ws_api": {
        "test_cancel_order_success": futures_wire.order,
        "test_modify_order_success": futures_wire.order,
        "test_new_algo_order_success": futures_wire.algo_order,
        "test_new_order_success": futures_wire.order,
        "test_position_information_v2_success": futures_wire.holdings,
        "test_query_order_success": futures_wire.order,
    },
    "usdm_websocket_api_user_data_streams_api_ws_api": {
        "test_keepalive_user_data_stream_success": futures_wire.listen_key,
        "test_start_user_data_stream_success": futures_wire.listen_key,
    },
}
REPLIES = {
    "spot_web-socket-api",
    "usdm_websocket_api_trade_api_ws_api",
    "usdm_websocket_api_user_data_streams_api_ws_api",
}

# What is not asked for, or is read elsewhere (errors, the clock).
UNCLAIMED: dict[str, set[str]] = {
    "spot_rest-api": {
        "24hr ticker price change statistics",
        "Cancel All Open Orders on a Symbol (TRADE)",
        "Check server time",
        "Compressed/Aggregate trades list",
        "Current average price",
        "Error Codes",
        "Historical Block Trades",
        "Kline/Candlestick data",
        "New Order List - OPO (TRADE)",
        "New Order List - OPOCO (TRADE)",
        "New order using SOR (TRADE)",
        "Old trade lookup",
        "Order Amend Keep Priority (TRADE)",
        "Order book",
        "Query Allocations (USER_DATA)",
        "Query Commission Rates (USER_DATA)",
        "Query Execution Rules",
        "Query Order Amendments (USER_DATA)",
        "Query Order list (USER_DATA)",
        "Query Prevented Matches (USER_DATA)",
        "Query Reference Price",
        "Query Reference Price Calculation",
        "Query Unfilled Order Count (USER_DATA)",
        "Query relevant filters (USER_DATA)",
        "Recent trades list",
        "Rolling window price change statistics",
        "Symbol price ticker",
        "Test connectivity",
        "Test new order (TRADE)",
        "Test new order using SOR (TRADE)",
        "Trading Day Ticker",
        "UIKlines",
    },
    "spot_web-socket-api": {"Rolling window price change statistics", "OPO (TRADE)", "OPOCO (TRADE)"},
    "usdm_rest_api_account_api": {
        "test_account_information_v2_success",
        "test_futures_account_configuration_success",
        "test_futures_trading_quantitative_rules_indicators_success",
        "test_get_bnb_burn_status_success",
        "test_get_current_multi_assets_mode_success",
        "test_get_download_id_for_futures_order_history_success",
        "test_get_futures_order_history_download_link_by_id_success",
        "test_get_futures_trade_download_link_by_id_success",
        "test_get_income_history_success",
        "test_notional_and_leverage_brackets_success",
        "test_query_user_rate_limit_success",
        "test_toggle_bnb_burn_on_futures_trade_success",
        "test_user_commission_rate_success",
    },
    "usdm_rest_api_market_data_api": {
        "test_adl_risk_success",
        "test_asset_index_success",
        "test_basis_success",
        "test_check_server_time_success",
        "test_composite_index_symbol_information_success",
        "test_compressed_aggregate_trades_list_success",
        "test_continuous_contract_kline_candlestick_data_success",
        "test_get_funding_rate_history_success",
        "test_get_funding_rate_info_success",
        "test_index_price_kline_candlestick_data_success",
        "test_kline_candlestick_data_success",
        "test_long_short_ratio_success",
        "test_mark_price_success",
        "test_mark_price_kline_candlestick_data_success",
        "test_old_trades_lookup_success",
        "test_open_interest_success",
        "test_open_interest_statistics_success",
        "test_order_book_success",
        "test_premium_index_kline_data_success",
        "test_quarterly_contract_settlement_price_success",
        "test_query_index_price_constituents_success",
        "test_query_insurance_fund_balance_snapshot_success",
        "test_recent_trades_list_success",
        "test_symbol_price_ticker_success",
        "test_taker_buy_sell_volume_success",
        "test_ticker24hr_price_change_statistics_success",
        "test_top_trader_long_short_ratio_accounts_success",
        "test_top_trader_long_short_ratio_positions_success",
        "test_trading_schedule_success",
    },
    "usdm_rest_api_trade_api": {
        "test_auto_cancel_all_open_orders_success",
        "test_cancel_algo_order_success",
        "test_cancel_all_algo_open_orders_success",
        "test_cancel_multiple_orders_success",
        "test_change_initial_leverage_success",
        "test_change_margin_type_success",
        "test_get_order_modify_history_success",
        "test_get_position_margin_change_history_success",
        "test_modify_isolated_position_margin_success",
        "test_modify_multiple_orders_success",
        "test_place_multiple_orders_success",
        "test_position_adl_quantile_estimation_success",
        "test_position_information_v2_success",
        "test_test_order_success",
        "test_users_force_orders_success",
    },
}
NOT_ABOUT_MESSAGES = {"signing_vectors"}


@attrs.frozen
class Example:
    """One that is no request. `where` for people."""

    stem: str
    section: str
    payload: Any
    decoder: Decoder | None
    sorted_in: bool

    @property
    def where(self) -> str:
        return f"{self.stem} > {self.section}: {json.dumps(self.payload)[:120]}"

    @property
    def is_reply(self) -> bool:
        return self.stem in REPLIES and "status" in self.payload


def _examples(stem: str) -> Iterator[Example]:
    path = EXAMPLES / f"{stem}.json"
    if not path.is_file():
        pytest.skip(f"the facts are not there: {path}; set QUANTMIND_DATA to the data folder beside them")
    seen: dict[str, int] = defaultdict(int)
    for each in json.loads(path.read_bytes())["examples"]:
        payload = each["payload"]
        if each.get("var") == "params" or (isinstance(payload, dict) and "method" in payload):
            continue
        section = each["test"] if "test" in each else each["section"].rpartition(" > ")[2]
        claimed = CLAIMED[stem]
        decoder = claimed[section] if section in claimed or isinstance(claimed, defaultdict) else None
        is_sorted = decoder is not None or section in UNCLAIMED.get(stem, ())
        if isinstance(decoder, tuple):
            is_sorted = seen[section] < len(decoder)
            decoder = decoder[seen[section]] if is_sorted else None
        seen[section] += 1
        example = Example(stem, section, payload, decoder, is_sorted)
        yield attrs.evolve(example, sorted_in=True) if example.is_reply else example


def _read(example: Example, payload: Any) -> Any:
    """What comes of it: of an answer of the WebSocket API what it says, and what its result says."""
    body = json.dumps(payload).encode()
    if not example.is_reply:
        assert example.decoder is not None
        return example.decoder(body)
    reply = spot_wire.ws_reply(body)
    assert reply is not None
    outer = (reply.id, reply.status, reply.code, reply.said, reply.used)
    if example.decoder is None:
        return outer
    if example.decoder is the_half:
        return outer, spot_wire.half_replaced(reply.data) is None
    return (outer, example.decoder(reply.result)) if reply.result else outer


def _claimed(stem: str) -> list[Example]:
    return [each for each in _examples(stem) if each.decoder is not None or each.is_reply]


def _with_more(value: Any) -> Any:
    """The same with fields that nobody knows, everywhere."""
    if isinstance(value, dict):
        more = {key: _with_more(each) for key, each in value.items()}
        return more | {"zzNew": {"zz": [1, None]}, "zzOther": None, "zzNumber": "1e5"}
    return [_with_more(each) for each in value] if isinstance(value, list) else value


def _records(value: Any) -> Iterator[Any]:
    if isinstance(value, Order | OrderSaid | BalancesSaid | OtherSaid | Fill | Holding | Rules):
        yield value
    elif isinstance(value, ExchangeInfo):
        yield from value.symbols.values()
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _records(each)


STEMS = sorted(CLAIMED)


def test_every_file_of_examples_is_sorted() -> None:
    """A new file of examples fails until it is sorted in."""
    if not EXAMPLES.is_dir():
        pytest.skip(f"the facts are not there: {EXAMPLES}; set QUANTMIND_DATA to the data folder beside them")
    assert {path.stem for path in EXAMPLES.glob("*.json")} == CLAIMED.keys() | NOT_ABOUT_MESSAGES


@pytest.mark.parametrize("stem", STEMS)
def test_every_example_is_sorted(stem: str) -> None:
    """An example is claimed, or it is named as one that is not; a new one is neither."""
    examples = list(_examples(stem))
    assert [each.where for each in examples if not each.sorted_in] == []
    there = {each.section for each in examples}
    if not isinstance(CLAIMED[stem], defaultdict):
        assert CLAIMED[stem].keys() <= there
    assert UNCLAIMED.get(stem, set()) <= there


@pytest.mark.parametrize("stem", STEMS)
def test_what_is_claimed_decodes(stem: str) -> None:
    """Each example that is said to be understood is."""
    for example in _claimed(stem):
        _read(example, example.payload)


@pytest.mark.parametrize("stem", STEMS)
def test_fields_that_are_new_change_nothing(stem: str) -> None:
    """What the exchange adds one day is passed over."""
    for example in _claimed(stem):
        assert _read(example, _with_more(example.payload)) == _read(example, example.payload), example.where


WORDS = {"status", "type", "algoStatus", "orderType", "positionSide", "contractType", "filterType", "X", "x", "o", "ps"}


def _with_word(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {
            name: "BRAND_NEW" if name == key and isinstance(each, str) else _with_word(each, key)
            for name, each in value.items()
        }
    return [_with_word(each, key) for each in value] if isinstance(value, list) else value


def _keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("stem", STEMS)
def test_words_that_are_new_are_seen(stem: str) -> None:
    """A status, type or side that nobody knows decodes as it was said, and is counted."""
    for example in _claimed(stem):
        if example.decoder in (None, the_filter, market_wire.market_event):
            continue
        known = Strange()
        before = list(_records(_read(example, example.payload)))
        assert sum(map(known.look, before)) == 0, (example.where, known.counts)
        for key in WORDS & _keys(example.payload):
            changed = _with_word(example.payload, key)
            after = list(_records(_read(example, changed)))
            if after == before:
                continue  # a word that is not kept
            strange = Strange()
            assert sum(map(strange.look, after)) > 0, (key, example.where)
            assert all(name.endswith("=BRAND_NEW") for name in strange.counts), strange.counts
