"""How spot says orders, lists and trades: rows of answers, and events of the user stream.

Forms of binance-spot-api-docs (2026-07). A field that says something about what this engine does not have (icebergs,
strategies, trailing stops, self-trade prevention) says that it is not used, or is left out as Binance does.
"""

from __future__ import annotations

from typing import Any

from quantmind.testing.binance.engine import Payload
from quantmind.testing.binance.spot_orders import NOUGHT, OrderList, SpotOrder, SpotTrade
from quantmind.testing.binance.symbols import eight


def _numbers(order: SpotOrder) -> Payload:
    return {
        "price": eight(order.wish.price),
        "origQty": eight(order.quantity),
        "executedQty": eight(order.filled),
        "origQuoteOrderQty": eight(order.wish.quote_quantity),
        "cummulativeQuoteQty": eight(order.quote_filled),
        "status": order.status,
        "timeInForce": order.wish.tif,
        "type": order.wish.kind,
        "side": order.side,
    }


def order_row(order: SpotOrder) -> Payload:
    """Of GET order, openOrders and allOrders."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        **_numbers(order),
        "stopPrice": eight(order.wish.stop),
        "icebergQty": eight(NOUGHT),
        "time": order.created_msc,
        "updateTime": order.updated_msc,
        "isWorking": order.is_working,
        "workingTime": order.working_msc,
        "selfTradePreventionMode": "NONE",
    }


def placed(order: SpotOrder, now_msc: int, form: str) -> Payload:
    """The answer to a new order: ACK, RESULT or FULL."""
    said: Payload = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        "transactTime": now_msc,
    }
    if form == "ACK":
        return said
    said |= _numbers(order)
    if order.wish.is_stop:
        said["stopPrice"] = eight(order.wish.stop)
    said["workingTime"] = order.working_msc
    if form == "FULL":
        said["fills"] = [
            {
                "price": eight(trade.price),
                "qty": eight(trade.quantity),
                "commission": eight(trade.commission),
                "commissionAsset": trade.commission_asset,
                "tradeId": trade.trade_id,
            }
            for trade in order.trades
        ]
    return said | {"selfTradePreventionMode": "NONE"}


def canceled(order: SpotOrder, now_msc: int, cancel_id: str) -> Payload:
    """The answer to a cancellation."""
    said: Payload = {
        "symbol": order.symbol,
        "origClientOrderId": order.client_id,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": cancel_id,
        "transactTime": now_msc,
        **_numbers(order),
    }
    if order.wish.is_stop:
        said["stopPrice"] = eight(order.wish.stop)
    return said | {"selfTradePreventionMode": "NONE"}


def list_row(orders: OrderList) -> Payload:
    """Of GET orderList, openOrderList and allOrderList."""
    return {
        "orderListId": orders.list_id,
        "contingencyType": orders.kind,
        "listStatusType": "ALL_DONE" if orders.is_done else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if orders.is_done else "EXECUTING",
        "listClientOrderId": orders.client_id,
        "transactionTime": orders.time_msc,
        "symbol": orders.symbol,
        "orders": [
            {"symbol": order.symbol, "orderId": order.order_id, "clientOrderId": order.client_id}
            for order in orders.orders
        ],
    }


def trade_row(order: SpotOrder, trade: SpotTrade) -> Payload:
    """Of GET myTrades."""
    return {
        "symbol": order.symbol,
        "id": trade.trade_id,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "price": eight(trade.price),
        "qty": eight(trade.quantity),
        "quoteQty": eight(trade.quote_quantity),
        "commission": eight(trade.commission),
        "commissionAsset": trade.commission_asset,
        "time": trade.time_msc,
        "isBuyer": order.side == "BUY",
        "isMaker": trade.is_maker,
        "isBestMatch": True,
    }


def execution_report(
    order: SpotOrder,
    execution: str,
    now_msc: int,
    execution_id: int,
    *,
    trade: SpotTrade | None = None,
    cancel_id: str | None = None,
    reason: str = "NONE",
) -> Payload:
    """The event of a change. Of a cancellation `c` is the cancellation's id, and `C` the order's."""
    event: Payload = {
        "e": "executionReport",
        "E": now_msc,
        "s": order.symbol,
        "c": order.client_id if cancel_id is None else cancel_id,
        "S": order.side,
        "o": order.wish.kind,
        "f": order.wish.tif,
        "q": eight(order.quantity),
        "p": eight(order.wish.price),
        "P": eight(order.wish.stop),
        "F": eight(NOUGHT),
        "g": order.list_id,
        "C": "" if cancel_id is None else order.client_id,
        "x": execution,
        "X": order.status,
        "r": reason,
        "i": order.order_id,
        "l": eight(trade.quantity if trade else NOUGHT),
        "z": eight(order.filled),
        "L": eight(trade.price if trade else NOUGHT),
        "n": eight(trade.commission) if trade else "0",
        "N": trade.commission_asset if trade else None,
        "T": now_msc,
        "t": trade.trade_id if trade else -1,
        "I": execution_id,
        "w": order.rests,
        "m": trade.is_maker if trade else False,
        "M": trade is not None,
        "O": order.created_msc,
        "Z": eight(order.quote_filled),
        "Y": eight(trade.quote_quantity if trade else NOUGHT),
        "Q": eight(order.wish.quote_quantity),
        "V": "NONE",
    }
    if order.is_working:
        event["W"] = order.working_msc
    return event


def list_status(orders: OrderList, now_msc: int) -> Payload:
    """The event of a list that was placed, or is over."""
    row = list_row(orders)
    return {
        "e": "listStatus",
        "E": now_msc,
        "s": orders.symbol,
        "g": orders.list_id,
        "c": orders.kind,
        "l": row["listStatusType"],
        "L": row["listOrderStatus"],
        "r": "NONE",
        "C": orders.client_id,
        "T": now_msc,
        "O": [{"s": order.symbol, "i": order.order_id, "c": order.client_id} for order in orders.orders],
    }


def account_position(balances: list[dict[str, Any]], now_msc: int, updated_msc: int) -> Payload:
    """The event of balances that may have changed."""
    return {
        "e": "outboundAccountPosition",
        "E": now_msc,
        "u": updated_msc,
        "B": [{"a": each["asset"], "f": each["free"], "l": each["locked"]} for each in balances],
    }
