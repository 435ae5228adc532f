"""What a request to the spot engine wants, read from its parameters and checked for sense."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import attrs
import msgspec

from quantmind.testing.binance.engine import ApiFault, integer_of, one_of, wanted, wanted_decimal
from quantmind.testing.binance.spot_orders import KINDS, LIMITS, NOUGHT, SIDES, STOPS, NewOrder
from quantmind.testing.binance.symbols import SymbolSettings, decimals

Params = Mapping[str, str]
_CLIENT_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,36}")
_MOST_ROWS: Final = 1000
_USUAL_ROWS: Final = 500
_DAY_MSC: Final = 86_400_000
_DIGITS: Final = 8
_LARGEST: Final = Decimal(10) ** 15
BAD_COMBINATION: Final = "Combination of optional parameters invalid."


@attrs.frozen
class Names:
    """What the parameters of an order are called: they differ by endpoint, and by the order's place in a list."""

    kind: str = "type"
    side: str = "side"
    quantity: str = "quantity"
    price: str = "price"
    stop: str = "stopPrice"
    tif: str = "timeInForce"
    client_id: str = "newClientOrderId"

    @classmethod
    def of(cls, prefix: str, shared: str = "") -> Names:
        """Of an order in a list, as `pendingAboveType`; its side and quantity may be shared with another one."""
        both = shared or prefix
        return cls(
            f"{prefix}Type",
            f"{both}Side",
            f"{both}Quantity",
            f"{prefix}Price",
            f"{prefix}StopPrice",
            f"{prefix}TimeInForce",
            f"{prefix}ClientOrderId",
        )

    @classmethod
    def of_oco(cls, prefix: str) -> Names:
        """Of a leg of an OCO, whose side and quantity are those of the list."""
        return attrs.evolve(cls.of(prefix), side="side", quantity="quantity")


def symbol_of(params: Params, symbols: Mapping[str, SymbolSettings]) -> str:
    """The symbol. Raises ApiFault -1102, -1105 or -1121."""
    return one_of(params, "symbol", list(symbols), ApiFault(400, -1121, "Invalid symbol."))


def symbols_of(params: Params, symbols: Mapping[str, SymbolSettings]) -> tuple[list[str], bool]:
    """Which symbols are meant by `symbol`, by `symbols` (a JSON array) or by neither, and whether it is `symbol`."""
    if "symbol" in params and "symbols" in params:
        raise ApiFault(400, -1128, BAD_COMBINATION)
    if "symbol" in params:
        return [symbol_of(params, symbols)], True
    if "symbols" not in params:
        return list(symbols), False
    try:
        names = msgspec.json.decode(wanted(params, "symbols"), type=list[str])
    except msgspec.DecodeError:
        raise ApiFault(400, -1100, "Illegal characters found in parameter 'symbols'; legal range is '...'.") from None
    if len(set(names)) < len(names):
        raise ApiFault(400, -1151, "Symbol is present multiple times in the list.")
    if not names or any(name not in symbols for name in names):
        raise ApiFault(400, -1121, "Invalid symbol.")
    return names, False


def client_id_of(params: Params, name: str) -> str:
    """An id that the client gives, or empty. Raises ApiFault -1100 or -1105."""
    if name not in params:
        return ""
    said = wanted(params, name)
    if _CLIENT_ID.fullmatch(said) is None:
        raise ApiFault(
            400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '^[a-zA-Z0-9-_]{{1,36}}$'."
        )
    return said


def new_order(params: Params, symbols: Mapping[str, SymbolSettings], names: Names) -> NewOrder:
    """What order is wanted. Raises ApiFault -11xx: it misses something, or has what its kind does not have."""
    symbol = symbol_of(params, symbols)
    side = one_of(params, names.side, SIDES, ApiFault(400, -1117, "Invalid side."))
    kind = one_of(params, names.kind, KINDS, ApiFault(400, -1116, "Invalid orderType."))
    for name in params:
        if name.endswith(("icebergQty", "IcebergQty")):
            raise ApiFault(400, -2010, "Iceberg orders are not supported for this symbol.")
        if name.endswith(("trailingDelta", "TrailingDelta")):
            raise ApiFault(400, -2010, "Trailing stop orders are not supported for this symbol.")
    has_limit = kind in LIMITS
    tif = "GTC"
    if has_limit and kind != "LIMIT_MAKER":
        tif = one_of(params, names.tif, ("GTC", "IOC", "FOK"), ApiFault(400, -1115, "Invalid timeInForce."))
    else:
        _refuse(params, names.tif)
    price = _number(params, names.price, has_limit)
    stop = _number(params, names.stop, kind in STOPS)
    quote_quantity = NOUGHT
    if kind == "MARKET" and names.quantity == "quantity" and "quoteOrderQty" in params:
        quote_quantity = _positive(params, "quoteOrderQty")
        if "quantity" in params:
            raise ApiFault(400, -1128, BAD_COMBINATION)
    else:
        _refuse(params, "quoteOrderQty")
    quantity = NOUGHT if quote_quantity else _positive(params, names.quantity)
    return NewOrder(
        symbol, side, kind, quantity, quote_quantity, price, stop, tif, client_id_of(params, names.client_id)
    )


def answer_form(params: Params, kind: str) -> str:
    """How a new order is answered: ACK, RESULT or FULL."""
    if "newOrderRespType" not in params:
        return "FULL" if kind in ("MARKET", "LIMIT") else "ACK"
    fault = ApiFault(400, -1100, "Illegal characters found in parameter 'newOrderRespType'; legal range is 'ACK'.")
    return one_of(params, "newOrderRespType", ("ACK", "RESULT", "FULL"), fault)


def order_id_of(
    params: Params, by_id: str = "orderId", by_client_id: str = "origClientOrderId"
) -> tuple[int | None, str]:
    """Which order is meant: by its id, else by its client id. Raises ApiFault -1102: by neither."""
    number, client_id = integer_of(params, by_id), params.get(by_client_id, "")
    if number is None and not client_id:
        raise ApiFault(400, -1102, f"Param '{by_client_id}' or '{by_id}' must be sent, but both were empty/null!")
    return number, client_id


def limit_of(params: Params) -> int:
    """How many rows are wanted; never more than 1000."""
    limit = integer_of(params, "limit")
    if limit == 0:
        raise ApiFault(400, -1100, "Illegal characters found in parameter 'limit'; legal range is '1 to 1000'.")
    return min(_USUAL_ROWS if limit is None else limit, _MOST_ROWS)


def span_of(params: Params, most_msc: int = _DAY_MSC) -> tuple[int, int | None]:
    """From and until when, in Unix milliseconds. Raises ApiFault -1127: it is more than a day."""
    start, end = integer_of(params, "startTime"), integer_of(params, "endTime")
    if start is not None and end is not None and end - start > most_msc:
        raise ApiFault(400, -1127, f"More than {most_msc // 3_600_000} hours between startTime and endTime.")
    return start or 0, end


def _number(params: Params, name: str, is_wanted: bool) -> Decimal:
    if is_wanted:
        return _positive(params, name)
    _refuse(params, name)
    return NOUGHT


def _positive(params: Params, name: str) -> Decimal:
    value = wanted_decimal(params, name)
    if decimals(value) > _DIGITS:
        raise ApiFault(400, -1111, f"Parameter '{name}' has too much precision.")
    if value > _LARGEST:
        raise ApiFault(400, -1108, f"Parameter '{name}' overflowed.")
    if value <= 0:
        raise ApiFault(400, -1100, f"Illegal characters found in parameter '{name}'; it must be above 0.")
    return value


def _refuse(params: Params, name: str) -> None:
    if name in params:
        raise ApiFault(400, -1106, f"Parameter '{name}' sent when not required.")
