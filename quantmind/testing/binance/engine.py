"""What the server asks of an exchange's engine, and what both engines share: faults, parameters, the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Protocol

from quantmind.testing.binance.ledger import Executed
from quantmind.testing.binance.symbols import SymbolSettings

Payload = dict[str, Any]
"""A JSON object as Binance says it."""
_MOST_DIGITS: Final = 30
_NUMBER: Final = "^([0-9]{1,20})(\\.[0-9]{1,20})?$"
_YES: Final = frozenset({"true", "TRUE"})
_NO: Final = frozenset({"false", "FALSE"})


class ApiFault(Exception):
    """The exchange refuses a request: `status` is that of HTTP, `data` what a half-done request says besides."""

    def __init__(self, status: int, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{status} {code} {message}")
        self.status, self.code, self.message, self.data = status, code, message, data

    def body(self) -> Payload:
        """The answer, as JSON."""
        said: Payload = {"code": self.code, "msg": self.message}
        return said if self.data is None else said | {"data": self.data}


class Engine(Protocol):
    """One exchange with one account, as a pure state machine: it waits for nothing, and nothing else changes it.

    Attributes:
        clock: Unix seconds of the exchange.
        on_event: gets each event of the user as `{"e": ..., "E": ...}`, in order, before the request that caused it is
            answered. It must not call the engine.
        on_market: gets `{"kind": "bookTicker" | "trade", "symbol": ..., "data": {...}}`; `data` is the wire's form.
        symbols: what is traded, by name.
    """

    clock: Callable[[], float]
    on_event: Callable[[Payload], None]
    on_market: Callable[[Payload], None]
    symbols: Mapping[str, SymbolSettings]

    def handle(self, method: str, path: str, params: Mapping[str, str]) -> Any:
        """Carry out one request whose signature was checked; `signature`, `timestamp`, `recvWindow` are ignored.

        Returns:
            The body of the answer, as JSON values.

        Raises:
            ApiFault: it is refused (404: there is no such path), and nothing was done unless `data` says so.
        """
        ...

    def set_quote(
        self, symbol: str, bid: Decimal, ask: Decimal, bid_qty: Decimal | None = None, ask_qty: Decimal | None = None
    ) -> None:
        """Move the best prices; a quantity that is None never runs out. See `market.Market` for what it sets off."""
        ...

    def trade(self, symbol: str, price: Decimal, qty: Decimal) -> None:
        """Let others trade: what rests at that price or better is filled, up to `qty`, and triggers look at it."""
        ...

    def executed(self) -> Sequence[Executed]:
        """Each request that was carried out, in order."""
        ...

    def run_timers(self) -> None:
        """Do what is due by now. The server calls it before each request and once a second."""
        ...


def now_msc(clock: Callable[[], float]) -> int:
    """The exchange's time in Unix milliseconds."""
    return int(clock() * 1000)


def say_nothing(event: Payload) -> None:
    """What an engine tells its events until a server listens."""
    del event


# --- parameters of a request, as text ------------------------------------------------------------------------------


def wanted(params: Mapping[str, str], name: str) -> str:
    """A parameter that must be there. Raises ApiFault -1102 or -1105."""
    if name not in params:
        raise ApiFault(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    if not params[name]:
        raise ApiFault(400, -1105, f"Parameter '{name}' was empty.")
    return params[name]


def decimal_of(params: Mapping[str, str], name: str) -> Decimal | None:
    """A number that is above 0 or 0; None: it was not sent. Raises ApiFault -1100: it is none."""
    if name not in params:
        return None
    said = wanted(params, name)
    # Of the legal characters alone: neither a sign, nor an exponent, nor NaN.
    if len(said) <= _MOST_DIGITS and set(said) <= set("0123456789."):
        try:
            return Decimal(said)
        except InvalidOperation:
            pass
    raise ApiFault(
        400,
        -1100,
        f"Illegal characters found in parameter '{name}'; legal range is '^([0-9]{{1,20}})(\\.[0-9]{{1,20}})?$'.",
    )


def wanted_decimal(params: Mapping[str, str], name: str) -> Decimal:
    """A number that must be there. Raises ApiFault -1102, -1105 or -1100."""
    wanted(params, name)
    value = decimal_of(params, name)
    assert value is not None
    return value


def integer_of(params: Mapping[str, str], name: str) -> int | None:
    """A whole number, not below 0; None: it was not sent. Raises ApiFault -1100."""
    if name not in params:
        return None
    said = wanted(params, name)
    if len(said) > 19 or not (said.isascii() and said.isdigit()):
        raise ApiFault(400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return int(said)


def yes_or_no(params: Mapping[str, str], name: str, default: bool = False) -> bool:
    """A switch. Raises ApiFault -1102: it is neither true nor false."""
    if name not in params:
        return default
    said = wanted(params, name)
    if said in _YES:
        return True
    if said in _NO:
        return False
    raise ApiFault(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def one_of(params: Mapping[str, str], name: str, allowed: Sequence[str], fault: ApiFault) -> str:
    """A word that must be there, and be one of these. Raises ApiFault -1102 or -1105, or `fault`."""
    said = wanted(params, name)
    if said not in allowed:
        raise fault
    return said
