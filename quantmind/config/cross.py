"""Checks that look at several keys together."""

from decimal import Decimal

from quantmind.config.brokers import (
    BinanceBrokerConfig,
    MockBrokerConfig,
    Mt5SocketBrokerConfig,
    ReplayFeed,
    SymbolOverrides,
)
from quantmind.config.check import Checker
from quantmind.config.cross_binance import check_binance, check_exchange_accounts
from quantmind.config.cross_doors import check_doors
from quantmind.config.cross_ingest import check_ingest
from quantmind.config.cross_mt5 import check_berths, check_socket
from quantmind.config.cross_paper import check_conditions
from quantmind.config.cross_risk import check_risk
from quantmind.config.cross_tokens import check_tokens
from quantmind.config.model import Config
from quantmind.config.suggest import suggestion
from quantmind.domain.symbols import usual_spec


def check_together(config: Config, checker: Checker) -> None:
    """Report what is wrong between keys that are each right by themselves."""
    check_doors(config, checker)
    _enabled(checker)
    _broker_names(config, checker)
    check_ingest(config, checker)
    check_tokens(config, checker)
    check_risk(config, checker)
    for name, broker in config.brokers.items():
        if isinstance(broker, MockBrokerConfig):
            _symbols(name, broker, checker)
            check_conditions(name, broker, checker)
        elif isinstance(broker, Mt5SocketBrokerConfig):
            check_socket(name, broker, checker)
        elif isinstance(broker, BinanceBrokerConfig):
            check_binance(name, broker, checker)
    check_berths(config.brokers, checker)
    check_exchange_accounts(config.brokers, checker)


def _enabled(checker: Checker) -> None:
    if ("brokers",) in checker.lines and ("brokers",) not in checker.marks:
        return
    names = [path for path in checker.lines if len(path) == 2 and path[0] == "brokers"]
    for path in names:
        key = (*path, "enabled")
        if key not in checker.lines or key not in checker.marks or checker.marks[key].value:
            return
    line = checker.lines.get(("brokers",), 1)
    way_out = 'set "enabled: true" for one' if names else 'add one, such as "demo: {type: mt5_mock}"'
    checker.fault(line, ("brokers",), f"no broker is enabled; {way_out}")


def _broker_names(config: Config, checker: Checker) -> None:
    brokers = [path[1] for path in checker.lines if len(path) == 2 and path[0] == "brokers"]
    for name, ea in config.eas.items():
        if ea.broker is not None and ea.broker not in brokers:
            path = ("eas", name, "broker")
            message = f"no broker is called {checker.marks[path].shown}; {suggestion(ea.broker, brokers, 'brokers')}"
            checker.fault(checker.lines[path], path, message)
    for name in config.risk.accounts:
        if name not in (*brokers, "default"):
            path = ("risk", "accounts", name)
            way_out = suggestion(name, [*brokers, "default"], "names here")
            checker.fault(checker.lines[path], path, f'no broker is called "{name}"; {way_out}')


def _symbols(name: str, broker: MockBrokerConfig, checker: Checker) -> None:
    for symbol, spec in broker.symbols.items():
        path = ("brokers", name, "symbols", symbol)
        _volumes(path, spec, checker)
        digits = usual_spec(symbol).digits if spec.digits is None else spec.digits
        if spec.tick_size is not None and spec.tick_size % Decimal(1).scaleb(-digits):
            mark = checker.marks[*path, "tick_size"]
            message = f"must be a whole number of points, which are 1e-{digits} with {digits} digits, was {mark.shown}"
            checker.fault(mark.line, (*path, "tick_size"), f"{message}; correct it or write digits")
    feed = broker.feed
    if isinstance(feed, ReplayFeed) and feed.symbol is not None and feed.symbol not in broker.symbols:
        where = ("brokers", name, "feed", "symbol")
        mark = checker.marks[where]
        way_out = suggestion(feed.symbol, broker.symbols, "symbols")
        checker.fault(mark.line, where, f"the broker has no symbol {mark.shown}; {way_out}")


def _volumes(path: tuple[str, ...], spec: SymbolOverrides, checker: Checker) -> None:
    usual = usual_spec(path[-1])
    least = usual.volume_min if spec.volume_min is None else spec.volume_min
    most = usual.volume_max if spec.volume_max is None else spec.volume_max
    if least <= most:
        return
    written = [key for key in ("volume_min", "volume_max") if (*path, key) in checker.marks]
    here = (*path, written[0])
    message = f"volume_min ({least}) must be at most volume_max ({most}); correct one of them"
    checker.fault(checker.marks[here].line, here, message)
