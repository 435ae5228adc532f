"""What a Binance broker needs that no single key can tell."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from quantmind.config.brokers import BinanceBrokerConfig, BrokerConfig
from quantmind.config.check import Checker
from quantmind.config.kinds import is_loopback

DEAD_MAN_SYMBOL_S = 7.5
"""For each symbol, so that the switch takes at most a tenth of the weight of 2400 a minute: 10, three times in it."""
_FUTURES_ONLY = ("position_mode", "margin_type", "leverage", "dead_man_s")


def check_binance(name: str, broker: BinanceBrokerConfig, checker: Checker) -> None:
    """Report keys that are missing, or do not go together."""
    where = ("brokers", name)
    if not broker.enabled or where not in checker.lines:
        return
    line = checker.lines[where]
    # A list with a fault in it has been reported already.
    listed = any(len(path) == 4 and path[:3] == (*where, "symbols") for path in checker.lines)
    if not broker.symbols and not listed:
        checker.fault(line, (*where, "symbols"), "missing; name the symbols to follow, such as [BTCUSDT]")
    for twice in sorted({symbol for symbol in broker.symbols if broker.symbols.count(symbol) > 1}):
        _fault(where, "symbols", f"names {twice} more than once; name each symbol once", checker)
    _check_keys(where, broker, checker)
    if broker.type == "binance_spot":
        for key in _FUTURES_ONLY:
            if getattr(broker, key) is not None:
                _fault(where, key, "is for binance_futures; leave it out on spot", checker)
    least = DEAD_MAN_SYMBOL_S * len(broker.symbols)
    if broker.dead_man_s is not None and broker.dead_man_s < least and broker.type == "binance_futures":
        why = f"{broker.dead_man_s:g} is too short for {len(broker.symbols)} symbols: the exchange is told of each of "
        _fault(where, "dead_man_s", f"{why}them three times in it; use {least:g} or more", checker)
    if broker.base_url is not None:
        _check_url(where, broker.base_url, checker)
        if broker.testnet:
            _fault(where, "testnet", "has no meaning beside base_url; leave one of them out", checker)


def check_exchange_accounts(brokers: Mapping[str, BrokerConfig], checker: Checker) -> None:
    """Report an account that two brokers would trade: each would count it, and keep its stops."""
    seen: dict[Any, str] = {}
    for name, each in brokers.items():
        where = ("brokers", name)
        if not isinstance(each, BinanceBrokerConfig) or not each.enabled or each.api_key is None:
            continue
        account = (each.type, each.testnet, each.base_url, each.api_key)
        if account in seen and where in checker.lines:
            why = f"is that of broker {seen[account]}, too; one broker trades an account, with all its symbols"
            _fault(where, "api_key", why, checker)
        seen.setdefault(account, name)


def _check_keys(where: tuple[str, ...], broker: BinanceBrokerConfig, checker: Checker) -> None:
    if broker.api_key is None and not _is_faulty((*where, "api_key"), checker):
        _fault(where, "api_key", "missing; make a key at the exchange, and give it as ${NAME}", checker)
    faulty = any(_is_faulty((*where, key), checker) for key in ("api_secret", "private_key_path"))
    if broker.api_secret is None and broker.private_key_path is None and not faulty:
        why = "missing; give the secret of an HMAC key as ${NAME}, or an Ed25519 key's file as private_key_path"
        _fault(where, "api_secret", why, checker)
    if broker.api_secret is not None and broker.private_key_path is not None:
        _fault(where, "private_key_path", "a key is either HMAC or Ed25519: leave this out, or api_secret", checker)


# It was written, and is wrong by itself: that has been reported.
def _is_faulty(path: tuple[str, ...], checker: Checker) -> bool:
    return path in checker.lines and path not in checker.marks


# At the key, or at the broker where it was not written.
def _fault(where: tuple[str, ...], key: str, message: str, checker: Checker) -> None:
    path = (*where, key)
    checker.fault(checker.lines.get(path, checker.lines[where]), path, message)


def _check_url(where: tuple[str, ...], url: str, checker: Checker) -> None:
    parts, path = urlsplit(url), (*where, "base_url")
    if path not in checker.marks:
        return
    line = checker.lines.get(path, checker.lines[where])
    try:
        host = parts.hostname
        _ = parts.port
    except ValueError:
        host = None
    if not host or not all(0 < len(label) < 64 for label in host.removesuffix(".").split(".")):
        checker.fault(line, path, f"{checker.marks[path].shown} has no host that can be read")
    elif parts.scheme == "http" and not is_loopback(host):
        checker.fault(line, path, f"{checker.marks[path].shown} is not encrypted and not on this machine; use https://")
