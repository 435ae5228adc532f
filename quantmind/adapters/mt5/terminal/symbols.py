"""What a terminal trades, as we name it: SymbolInfo to a specification, and our names to the broker's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs

from quantmind.adapters.mt5.terminal.constants import (
    EXPIRATION_BIT_SPECIFIED,
    FILLING_BIT_FOK,
    FILLING_BIT_IOC,
    SWAP_MODE_POINTS,
    ExecutionNumber,
    TradeModeNumber,
)
from quantmind.adapters.mt5.terminal.numbers import exact, number, rounded, text, whole
from quantmind.domain.orders import Filling
from quantmind.domain.symbols import VALID_NAME, Execution, SymbolSpec, TradeMode, usual_spec

_TRADE_MODES: Final[Mapping[int, TradeMode]] = {
    TradeModeNumber.DISABLED: TradeMode.DISABLED,
    TradeModeNumber.LONGONLY: TradeMode.LONG_ONLY,
    TradeModeNumber.SHORTONLY: TradeMode.SHORT_ONLY,
    TradeModeNumber.CLOSEONLY: TradeMode.CLOSE_ONLY,
    TradeModeNumber.FULL: TradeMode.FULL,
}
_EXECUTIONS: Final[Mapping[int, Execution]] = {
    ExecutionNumber.REQUEST: Execution.REQUEST,
    ExecutionNumber.INSTANT: Execution.INSTANT,
    ExecutionNumber.MARKET: Execution.MARKET,
    ExecutionNumber.EXCHANGE: Execution.EXCHANGE,
}
_MOST_SHOWN: Final = 8


class NotResolved(Exception):
    """A symbol of ours has no one symbol at the terminal; says which there are, and what to write."""


@attrs.frozen
class Named:
    """A symbol by our name (the specification's) and by the terminal's."""

    spec: SymbolSpec
    terminal_name: str
    takes_time: bool = True
    """A pending order may end at a time (SYMBOL_EXPIRATION_SPECIFIED)."""
    tick_value: Decimal = Decimal(0)
    """What a tick of one lot is worth in the account's currency, as the terminal says it now."""


def named(info: Any, name: str) -> Named:
    """A SymbolInfo as our symbol of that name.

    Raises:
        ValueError: a field is missing or makes no sense; says which.
    """
    digits = whole(info.digits, "digits", most=12)
    tick_size = exact(info.trade_tick_size, "trade_tick_size") or Decimal(1).scaleb(-digits)
    execution = _EXECUTIONS.get(whole(info.trade_exemode, "trade_exemode"), Execution.MARKET)
    base = text(info.currency_base, "currency_base", most=16)
    profit = text(info.currency_profit, "currency_profit", most=16)
    in_points = whole(info.swap_mode, "swap_mode") == SWAP_MODE_POINTS
    step = _positive(info.volume_step, "volume_step")
    least = _positive(info.volume_min, "volume_min")
    spec = SymbolSpec(
        name=name,
        digits=digits,
        tick_size=tick_size,
        contract_size=_positive(info.trade_contract_size, "trade_contract_size"),
        volume_min=least,
        volume_max=max(least, _positive(info.volume_max, "volume_max")),
        volume_step=step,
        stops_level=whole(info.trade_stops_level, "trade_stops_level"),
        freeze_level=whole(info.trade_freeze_level, "trade_freeze_level"),
        currency_base=base or profit,
        currency_profit=profit,
        currency_margin=text(info.currency_margin, "currency_margin", most=16) or base or profit,
        description=text(info.description, "description", most=512)[:128],
        trade_mode=_TRADE_MODES.get(whole(info.trade_mode, "trade_mode"), TradeMode.DISABLED),
        execution=execution,
        fillings=fillings_of(whole(info.filling_mode, "filling_mode"), execution),
        swap_long=rounded(info.swap_long, "swap_long", 4).normalize() if in_points else Decimal(0),
        swap_short=rounded(info.swap_short, "swap_short", 4).normalize() if in_points else Decimal(0),
    )
    if not profit:
        raise ValueError(f"{name}: currency_profit is empty")
    takes_time = bool(whole(info.expiration_mode, "expiration_mode") & EXPIRATION_BIT_SPECIFIED)
    tick_value = Decimal(repr(number(info.trade_tick_value, "trade_tick_value")))
    return Named(spec, text(info.name, "name", most=64), takes_time, tick_value)


def fillings_of(mask: int, execution: Execution) -> frozenset[Filling]:
    """The filling modes of a market order: those of the bit mask, and RETURN but for market execution.

    SYMBOL_FILLING_MODE is a mask of FOK (1) and IOC (2), and none of the numbers ORDER_FILLING_*. A symbol that says
    nothing is taken to have FOK at market execution, as the package's own helpers do.
    """
    found = {filling for bit, filling in ((FILLING_BIT_FOK, Filling.FOK), (FILLING_BIT_IOC, Filling.IOC)) if mask & bit}
    if execution is not Execution.MARKET:
        found.add(Filling.RETURN)
    return frozenset(found or {Filling.FOK})


def resolve(
    wanted: Sequence[str], infos: Iterable[Any], *, suffix: str = "", names: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Our names to the terminal's.

    A name that the configuration says is taken as it stands; then the name with the suffix; then the name itself; then
    the one symbol that begins with the name and has its two currencies, if there is just one that can be traded. None
    is taken for what it only begins like: GOLDMAN is no GOLD.

    Args:
        wanted: ours; none: those in the Market Watch, without the suffix.
        infos: SymbolInfo of all symbols.

    Raises:
        NotResolved: one of ours has none, or several.
    """
    names = {} if names is None else names
    by_name = {str(info.name): info for info in infos}
    if not wanted:
        return _watched(by_name, suffix, names)
    return {ours: _resolved(ours, by_name, suffix, names) for ours in wanted}


def _watched(by_name: Mapping[str, Any], suffix: str, names: Mapping[str, str]) -> dict[str, str]:
    ours_of = {theirs: ours for ours, theirs in names.items()}
    found: dict[str, str] = {}
    for theirs, info in by_name.items():
        if not info.visible:
            continue
        ours = ours_of.get(theirs)
        if ours is None:
            ours = theirs.removesuffix(suffix) if suffix else theirs
        if VALID_NAME.match(ours) and ours not in found:
            found[ours] = theirs
    if not found:
        raise NotResolved("the terminal's Market Watch is empty: show symbols there, or list them under `symbols`")
    return found


def _resolved(ours: str, by_name: Mapping[str, Any], suffix: str, names: Mapping[str, str]) -> str:
    said = names.get(ours)
    if said is not None:
        if said not in by_name:
            raise NotResolved(
                f"symbol {ours}: `symbol_names` says {said}, which the terminal does not have; {_near(ours, by_name)}"
            )
        return said
    for theirs in (ours + suffix, ours):
        if theirs in by_name:
            return theirs
    usual = usual_spec(ours)
    alike = [
        name
        for name, info in by_name.items()
        if name.upper().startswith(ours.upper())
        and len(ours) >= 6
        and (info.currency_base, info.currency_profit) == (usual.currency_base, usual.currency_profit)
        and info.trade_mode != TradeModeNumber.DISABLED
    ]
    if len(alike) == 1:
        return alike[0]
    if alike:
        shown = ", ".join(sorted(alike)[:_MOST_SHOWN])
        raise NotResolved(f"symbol {ours} may be {shown}: say which under `symbol_names`, or set `symbol_suffix`")
    raise NotResolved(f"the terminal has no symbol {ours}; {_near(ours, by_name)}")


def _near(ours: str, by_name: Mapping[str, Any]) -> str:
    near = sorted(name for name in by_name if ours[:3].upper() in name.upper())[:_MOST_SHOWN]
    if not near:
        return "say its name there under `symbol_names`"
    return f"say under `symbol_names` which it is; there are {', '.join(near)}"


def _positive(value: Any, field: str) -> Decimal:
    found = exact(value, field)
    if found <= 0:
        raise ValueError(f"{field} must be above 0, was {found}")
    return found
