"""Checks between the trading conditions of a paper account: what is right by itself and can't work together."""

from decimal import Decimal
from typing import Any, Final

from quantmind.config.brokers import MockBrokerConfig, SymbolOverrides
from quantmind.config.check import Checker
from quantmind.domain.sessions import weekly
from quantmind.domain.symbols import usual_spec

_SWAP_RATES: Final = ("swap_long", "swap_short")


def check_conditions(name: str, broker: MockBrokerConfig, checker: Checker) -> None:
    """Report trading conditions of a broker and its symbols that contradict each other."""
    here = ("brokers", name)
    _margin_levels(here, broker, checker)
    _sessions(here, broker.sessions, checker)
    _not_empty((*here, "filling"), broker.filling, "filling modes", "[fok, ioc]", checker)
    modes = set()
    for symbol, overrides in broker.symbols.items():
        path = (*here, "symbols", symbol)
        modes.add(overrides.execution or broker.execution)
        _sessions(path, overrides.sessions, checker)
        _not_empty((*path, "filling"), overrides.filling, "filling modes", "[fok, ioc]", checker)
        _not_empty((*path, "order_types"), overrides.order_types, "order types", "[market]", checker)
        _swap_rates(path, broker, checker)
        _requotes((*path, "requotes"), overrides.requotes, {overrides.execution or broker.execution}, checker)
        _fill_volume(path, broker, overrides, checker)
    _requotes((*here, "requotes"), broker.requotes, modes, checker)


def _margin_levels(here: tuple[str, ...], broker: MockBrokerConfig, checker: Checker) -> None:
    call, out = broker.margin_call_percent, broker.stop_out_percent
    written = [key for key in ("stop_out_percent", "margin_call_percent") if (*here, key) in checker.marks]
    if out <= call or not written:
        return
    path = (*here, written[0])
    message = (
        f"stop_out_percent ({out}) must be at most margin_call_percent ({call}), or the account would be closed "
        "before it is warned; correct one of them"
    )
    checker.fault(checker.marks[path].line, path, message)


def _sessions(here: tuple[str, ...], sessions: Any, checker: Checker) -> None:
    path = (*here, "sessions")
    mark = checker.marks.get(path)
    if mark is None or not sessions:
        return
    try:
        weekly(sessions)
    except ValueError as error:
        checker.fault(mark.line, path, str(error).replace("'", '"'))


def _not_empty(path: tuple[str, ...], value: Any, what: str, way_out: str, checker: Checker) -> None:
    mark = checker.marks.get(path)
    if mark is not None and value == ():
        checker.fault(mark.line, path, f"without {what} no order could be traded; write {way_out}, or remove the key")


def _swap_rates(path: tuple[str, ...], broker: MockBrokerConfig, checker: Checker) -> None:
    swap = ("brokers", path[1], "swap")
    if broker.swap is not None or (swap in checker.lines and swap not in checker.marks):
        return
    for key in _SWAP_RATES:
        mark = checker.marks.get((*path, key))
        if mark is not None and mark.value:
            message = (
                f'{mark.shown} is never charged: the broker has no "swap"; write "swap: {{}}" for it, or remove this'
            )
            checker.fault(mark.line, (*path, key), message)


def _requotes(path: tuple[str, ...], value: float | None, modes: set[str], checker: Checker) -> None:
    mark = checker.marks.get(path)
    if mark is not None and value and "instant" not in modes:
        message = f'{mark.shown} never happens: only instant execution has requotes; write "execution: instant", or 0'
        checker.fault(mark.line, path, message)


def _fill_volume(path: tuple[str, ...], broker: MockBrokerConfig, overrides: SymbolOverrides, checker: Checker) -> None:
    most = broker.fill_volume_max if overrides.fill_volume_max is None else overrides.fill_volume_max
    key = (*(path if overrides.fill_volume_max is not None else path[:2]), "fill_volume_max")
    mark = checker.marks.get(key)
    least: Decimal = usual_spec(path[-1]).volume_min if overrides.volume_min is None else overrides.volume_min
    if most is not None and mark is not None and most < least:
        message = f"must be at least volume_min, which is {least} for {path[-1]}, was {mark.shown}; correct one of them"
        checker.fault(mark.line, key, message)
