"""Words of the exchange that are new to us: kept as they were said, and counted here, so that they are seen."""

from __future__ import annotations

from typing import Any, Final

import attrs

from quantmind.adapters.binance.market_wire import OtherMarket
from quantmind.adapters.binance.records import BalancesSaid, Fill, Holding, Life, Order, OrderSaid, OtherSaid
from quantmind.adapters.binance.refusals import printable
from quantmind.adapters.binance.rules import CLOSE_ONLY, CLOSED, TRADING, Rules

MOST: Final = 64
"""Different ones; of further ones only their number is kept."""
LONGEST: Final = 80
FURTHER: Final = "further"

_SIDES: Final = frozenset({"BOTH", "LONG", "SHORT"})
_KINDS: Final = frozenset(
    [
        "LIMIT",
        "LIMIT_MAKER",
        "MARKET",
        "STOP_LOSS",
        "STOP_LOSS_LIMIT",
        "TAKE_PROFIT",
        "TAKE_PROFIT_LIMIT",
        "STOP",
        "STOP_MARKET",
        "TAKE_PROFIT_MARKET",
        "TRAILING_STOP_MARKET",
        "LIQUIDATION",
        "ADL",
    ]
)
_EXECUTIONS: Final = frozenset(
    [
        "NEW",
        "CANCELED",
        "REPLACED",
        "REJECTED",
        "TRADE",
        "EXPIRED",
        "TRADE_PREVENTION",
        "CALCULATED",
        "AMENDMENT",
        "TRIGGERING",
        "TRIGGERED",
        "FINISHED",
    ]
)
_REASONS: Final = frozenset(
    [
        "DEPOSIT",
        "WITHDRAW",
        "ORDER",
        "FUNDING_FEE",
        "WITHDRAW_REJECT",
        "ADJUSTMENT",
        "INSURANCE_CLEAR",
        "ADMIN_DEPOSIT",
        "ADMIN_WITHDRAW",
        "MARGIN_TRANSFER",
        "MARGIN_TYPE_CHANGE",
        "ASSET_TRANSFER",
        "OPTIONS_PREMIUM_FEE",
        "OPTIONS_SETTLE_PROFIT",
        "AUTO_EXCHANGE",
        "COIN_SWAP_DEPOSIT",
        "COIN_SWAP_WITHDRAW",
        "ADL",
    ]
)
_CONTRACTS: Final = frozenset(
    [
        "PERPETUAL",
        "CURRENT_MONTH",
        "NEXT_MONTH",
        "CURRENT_QUARTER",
        "NEXT_QUARTER",
        "PERPETUAL_DELIVERING",
        "TRADIFI_PERPETUAL",
    ]
) | {"", "CURRENT_QUARTER DELIVERING", "NEXT_QUARTER DELIVERING"}
_MARKET: Final = frozenset(
    [
        "aggTrade",
        "avgPrice",
        "blockTrade",
        "kline",
        "depthUpdate",
        "24hrTicker",
        "24hrMiniTicker",
        "1hTicker",
        "4hTicker",
        "1dTicker",
        "referencePrice",
        "markPriceUpdate",
        "forceOrder",
        "continuous_kline",
        "compositeIndex",
        "contractInfo",
        "assetIndexUpdate",
        "EquityUpdate",
    ]
)

Record = Order | OrderSaid | BalancesSaid | OtherSaid | Fill | Holding | Rules | OtherMarket
"""What has words that may be new."""


@attrs.define(eq=False)
class Strange:
    """Counts by `where=value`."""

    counts: dict[str, int] = attrs.field(factory=dict, init=False)

    def look(self, record: Record) -> bool:
        """Count what is new in it; whether anything is."""
        before = sum(self.counts.values())
        match record:
            case Order():
                self._order(record)
            case OrderSaid():
                self._order(record.order)
                self._word("execution", record.execution, _EXECUTIONS)
            case BalancesSaid():
                for holding in record.holdings:
                    self._word("positionSide", holding.position_side, _SIDES)
                self._word("reason", record.reason or "ORDER", _REASONS)
            case OtherSaid():
                if not record.known:
                    self.note("event", record.kind)
            case Fill() | Holding():
                self._word("positionSide", record.position_side, _SIDES)
            case Rules():
                self._rules(record)
            case OtherMarket():
                self._word("market", record.kind.partition("@")[2] or record.kind, _MARKET)
        return sum(self.counts.values()) > before

    def note(self, where: str, value: str) -> None:
        """Count one."""
        key = printable(f"{where}={value}")[:LONGEST]
        if key not in self.counts and len(self.counts) >= MOST:
            key = FURTHER
        self.counts[key] = self.counts.get(key, 0) + 1

    def snapshot(self) -> dict[str, Any]:
        """For /status."""
        return dict(self.counts)

    def _order(self, order: Order) -> None:
        if order.life is Life.STRANGE:
            self.note("status", order.status)
        self._word("type", order.kind, _KINDS)
        self._word("positionSide", order.position_side, _SIDES)

    def _rules(self, rules: Rules) -> None:
        self._word("symbolStatus", rules.status, CLOSED | CLOSE_ONLY | {TRADING})
        self._word("contractType", rules.contract_type, _CONTRACTS)
        for kind in sorted(rules.order_types):
            self._word("type", kind, _KINDS)
        for name in rules.unknown_filters:
            self.note("filter", name)

    def _word(self, where: str, value: str, known: frozenset[str]) -> None:
        if value not in known:
            self.note(where, value)
