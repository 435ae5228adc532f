"""From a configuration to what the paper account trades on: specifications, symbols' terms, the account's terms."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeVar

import attrs

from quantmind.adapters.mock.rollover import Rollover
from quantmind.adapters.mock.symbol_terms import USUAL_KINDS, OrderKind, Slip, SymbolTerms
from quantmind.adapters.mock.terms import Terms
from quantmind.config.brokers import MockBrokerConfig, SymbolOverrides
from quantmind.config.hours import WEEKDAYS, SwapConfig, clock_time, zone_of
from quantmind.domain.orders import Filling
from quantmind.domain.sessions import weekly
from quantmind.domain.symbols import Execution, SymbolSpec, TradeMode, usual_spec

_OF_THE_SPEC: Final = (
    "digits",
    "contract_size",
    "tick_size",
    "volume_min",
    "volume_max",
    "volume_step",
    "stops_level",
    "freeze_level",
    "currency_base",
    "currency_profit",
    "swap_long",
    "swap_short",
)
_USUAL: Final = MockBrokerConfig(name="usual")

T = TypeVar("T")


def spec_of(symbol: str, overrides: SymbolOverrides, broker: MockBrokerConfig = _USUAL) -> SymbolSpec:
    """The usual specification of a symbol with what the configuration says otherwise, of it or of its broker.

    Raises:
        ValueError: the result contradicts itself.
    """
    said = {key: getattr(overrides, key) for key in _OF_THE_SPEC if getattr(overrides, key) is not None}
    usual = usual_spec(symbol)
    if "digits" in said:
        usual = attrs.evolve(usual, digits=said["digits"], tick_size=attrs.evolve(usual, digits=said["digits"]).point)
    if "currency_base" in said:
        usual = attrs.evolve(usual, currency_margin=said["currency_base"])
    fillings = _said(overrides.filling, broker.filling)
    spec = attrs.evolve(
        usual,
        trade_mode=TradeMode(_said(overrides.trade_mode, TradeMode.FULL.value)),
        execution=Execution(_said(overrides.execution, broker.execution)),
        fillings=frozenset(Filling(each) for each in fillings),
        **said,
    )
    if not spec.on_price_grid(spec.tick_size) or spec.tick_size % spec.point != 0:
        raise ValueError(f"symbol {symbol}: tick_size {spec.tick_size} can't be shown with {spec.digits} digits")
    if not spec.volume_min <= spec.volume_max:
        raise ValueError(f"symbol {symbol}: volume_min {spec.volume_min} is above volume_max {spec.volume_max}")
    if spec.volume_min % spec.volume_step != 0:
        raise ValueError(
            f"symbol {symbol}: volume_min {spec.volume_min} is not a multiple of volume_step {spec.volume_step}"
        )
    if not fillings:
        raise ValueError(f"symbol {symbol}: without a filling mode no order could be traded; name fok, ioc or both")
    return spec


def symbol_terms_of(symbol: str, overrides: SymbolOverrides, broker: MockBrokerConfig) -> SymbolTerms:
    """How the symbol is traded: what is said of it, else of its broker.

    Raises:
        ValueError: its sessions contradict themselves.
    """
    zone = zone_of(_said(overrides.sessions_zone, broker.sessions_zone))
    try:
        sessions = weekly(_said(overrides.sessions, broker.sessions), zone)
    except ValueError as exc:
        raise ValueError(f"symbol {symbol}: sessions: {exc}") from exc
    kinds = USUAL_KINDS
    if overrides.order_types is not None:
        kinds = frozenset(OrderKind(each) for each in overrides.order_types)
    most: Decimal | None = broker.fill_volume_max if overrides.fill_volume_max is None else overrides.fill_volume_max
    return SymbolTerms(
        sessions=sessions,
        order_kinds=kinds,
        slippage_points=_said(overrides.slippage, broker.slippage),
        slippage_side=Slip(_said(overrides.slippage_side, broker.slippage_side)),
        requote_probability=_said(overrides.requotes, broker.requotes),
        requote_points=_said(overrides.requote_points, broker.requote_points),
        fill_volume_max=most,
    )


def terms_of(config: MockBrokerConfig, *, first_number: int) -> Terms:
    """What the account is opened with; its orders and its deals are numbered from `first_number`.

    Raises:
        ValueError: the stop out lies above the margin call.
    """
    return Terms(
        login=config.login,
        server=config.server,
        currency=config.currency,
        leverage=config.leverage,
        initial_balance=config.initial_balance,
        margin_mode=config.margin_mode,
        first_ticket=first_number,
        first_deal=first_number,
        commission_per_lot=config.commission_per_lot,
        margin_call_percent=config.margin_call_percent,
        stop_out_percent=config.stop_out_percent,
        rollover=_rollover(config.swap),
        max_pending_orders=config.max_pending_orders,
        execution_seed=config.execution_seed,
    )


def _rollover(swap: SwapConfig | None) -> Rollover | None:
    if swap is None:
        return None
    return Rollover(at=clock_time(swap.time), zone=zone_of(swap.zone), triple_day=WEEKDAYS.index(swap.triple_day))


def _said(of_the_symbol: T | None, of_the_broker: T) -> T:
    return of_the_broker if of_the_symbol is None else of_the_symbol
