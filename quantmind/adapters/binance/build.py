"""From a configuration to a broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
import trio

from quantmind.adapters.binance.asking import ANSWERS_WITHIN_S, Asking
from quantmind.adapters.binance.book import Book
from quantmind.adapters.binance.broker import BinanceBroker, Seed, price_of
from quantmind.adapters.binance.budget import FUTURES, SPOT, Budget
from quantmind.adapters.binance.carried import CarriedFile, CarriedFileError
from quantmind.adapters.binance.checks import Checks
from quantmind.adapters.binance.clock import ServerClock
from quantmind.adapters.binance.desk import ORDER_S, Desk
from quantmind.adapters.binance.filters import Prices
from quantmind.adapters.binance.finder import SPARE_S, Finder
from quantmind.adapters.binance.futures_book import FuturesBook
from quantmind.adapters.binance.futures_venue import TYPES as FUTURES_TYPES
from quantmind.adapters.binance.futures_venue import FuturesVenue
from quantmind.adapters.binance.http import Api
from quantmind.adapters.binance.keeper import StopKeeper
from quantmind.adapters.binance.market_feed import MarketFeed
from quantmind.adapters.binance.outcomes import kept
from quantmind.adapters.binance.rules import Rules
from quantmind.adapters.binance.signing import HmacSigner, Signer, signer_of_broker
from quantmind.adapters.binance.spot_book import SpotBook
from quantmind.adapters.binance.spot_venue import TYPES as SPOT_TYPES
from quantmind.adapters.binance.spot_venue import SpotVenue
from quantmind.adapters.binance.strange import Strange
from quantmind.adapters.binance.stream import Attempts
from quantmind.adapters.binance.upkeep import Upkeep
from quantmind.adapters.binance.user_stream import FuturesDialect, SpotDialect, UserStream
from quantmind.adapters.binance.venue import Venue, in_time
from quantmind.adapters.guarded import Deadlines
from quantmind.adapters.sent_file import SentFile, SentFileError
from quantmind.config.brokers import BinanceBrokerConfig
from quantmind.domain.orders import Refused
from quantmind.net.errors import NetError

CURRENCY: Final = "USDT"
KEEP_SENT_S: Final = 400 * 86_400.0
"""Magic number and comment of a position are those of the request that opened it, however long ago."""
DEADLINES: Final = Deadlines(connect_s=60.0, sample_s=15.0, deals_s=15.0, place_s=45.0, find_s=20.0)
"""Several requests at the most for each; each has an end of its own before."""


@attrs.frozen
class Hosts:
    """Where an exchange is: REST, streams, and spot's WebSocket API."""

    rest: str
    streams: str
    ws_api: str = ""


HOSTS: Final = {
    ("binance_spot", False): Hosts(
        "https://api.binance.com", "wss://stream.binance.com:9443", "wss://ws-api.binance.com:443/ws-api/v3"
    ),
    ("binance_spot", True): Hosts(
        "https://testnet.binance.vision",
        "wss://stream.testnet.binance.vision",
        "wss://ws-api.testnet.binance.vision/ws-api/v3",
    ),
    ("binance_futures", False): Hosts("https://fapi.binance.com", "wss://fstream.binance.com"),
    ("binance_futures", True): Hosts("https://testnet.binancefuture.com", "wss://fstream.binancefuture.com"),
}
"""Spot: binance-spot-api-docs. Futures: the constants of Binance's own SDK."""


def hosts_of(config: BinanceBrokerConfig) -> Hosts:
    """Where the account's exchange is; `base_url` stands for all of it, unless it is one of the exchange's own, whose
    streams are elsewhere.
    """
    if config.base_url is None:
        return HOSTS[config.type, config.testnet]
    base = config.base_url.rstrip("/")
    for (kind, _), hosts in HOSTS.items():
        if kind == config.type and urlsplit(base)[:2] == urlsplit(hosts.rest)[:2]:
            return hosts
    streams = "ws" + base.removeprefix("http")
    return Hosts(base, streams, f"{streams}/ws-api/v3")


def build(
    config: BinanceBrokerConfig,
    *,
    name: str | None = None,
    sent_file: Path | None = None,
    carried_file: Path | None = None,
    monotonic: Callable[[], float] = trio.current_time,
    wall: Callable[[], float] = time.time,
    line_settings: dict[str, Any] | None = None,
) -> BinanceBroker:
    """Make the broker that a configuration describes; nothing is connected before `connect`, and `run` has to run.

    Args:
        sent_file: where it keeps what it sent; it is read here.
        carried_file: where it keeps numbers and wanted stops of positions; it is read here.
        wall: Unix seconds.
        line_settings: for tests: other times of its lines.

    Raises:
        ValueError: the configuration contradicts itself, or a file of the state folder or that of QUANTMIND_CA can't
            be used.
        StartError: the key's file can't be used.
    """
    name = config.name if name is None else name
    hosts, lines = hosts_of(config), line_settings or {}
    is_futures = config.type == "binance_futures"
    # How old a request is decides what became of it: by the exchange's clock, since ours may be set at any moment.
    clock = ServerClock(wall, monotonic)
    try:
        sent = SentFile.open(sent_file, clock.now, keep_s=KEEP_SENT_S)
        carried = CarriedFile.open(carried_file)
    except (SentFileError, CarriedFileError) as error:
        raise ValueError(str(error)) from None
    budget = Budget(FUTURES if is_futures else SPOT, clock.now)
    signer = _signer(config)
    try:
        api = Api(hosts.rest, signer, clock, budget, config.recv_window_ms)
    except NetError as error:
        raise ValueError(str(error)) from None

    async def measure() -> None:
        path = "/fapi/v1/time" if is_futures else "/api/v3/time"
        await in_time(api.measure(path), ANSWERS_WITHIN_S, " what time it is")

    asking, strange, attempts = Asking(api, measure), Strange(), Attempts()
    seeds: dict[str, Seed] = {}
    rules: dict[str, Rules] = {}

    async def ask_prices(symbols: Sequence[str]) -> list[tuple[str, Decimal, Decimal]]:
        traded = [symbol for symbol in symbols if symbol in rules]
        return await venue.prices(traded) if traded else []

    feed = MarketFeed(
        hosts.streams,
        config.symbols,
        is_futures,
        ask_prices,
        clock,
        wall,
        strange,
        attempts,
        line_settings=lines,
    )
    prices = price_of(feed, seeds)

    def origin(tag: str) -> tuple[int, str]:
        known = sent.get(tag)
        return (0, "") if known is None else (int(known.what.get("magic", 0)), str(known.what.get("comment", "")))

    book: Book
    venue: Venue
    server = urlsplit(hosts.rest).netloc
    if is_futures:
        hedges = None if config.position_mode is None else config.position_mode == "hedge"
        book = FuturesBook(name, config.currency or CURRENCY, carried, prices, origin, server=server)
        margin_type = None if config.margin_type is None else config.margin_type.upper()
        venue = FuturesVenue(asking, book, hedges, config.leverage, margin_type)
        dialect: FuturesDialect | SpotDialect = FuturesDialect(hosts.streams, api)
    else:
        book = SpotBook(name, config.currency or CURRENCY, carried, prices, origin, server=server)
        venue = SpotVenue(asking)
        dialect = SpotDialect(hosts.ws_api, signer, api)

    def market(symbol: str) -> Prices:
        known = prices(symbol)
        assert known is not None  # each symbol has one before the first order
        last = feed.merger.last(symbol)
        traded = None if last is None or not last.last else Decimal(repr(last.last))
        return Prices(known[0], known[1], traded)

    async def reread() -> None:
        await broker.reread()

    def decide(tag: str, said: Refused) -> bool:
        known = sent.get(tag)
        if known is None or known.done is not None or known.what.get("kind") != "stops":
            return False
        sent.answered(tag, kept(said))
        return True

    keeper = StopKeeper(book, venue, rules, reread, clock.now, decide)
    types = FUTURES_TYPES if is_futures else SPOT_TYPES
    checks = Checks(
        book,
        rules,
        venue.ends_orders,
        is_futures,
        market,
        clock.now,
        types.__getitem__,
        lambda: isinstance(book, FuturesBook) and book.hedges,
    )
    # A request may have been signed as late as its caller would still wait for it.
    window_s = ORDER_S + config.recv_window_ms / 1000 + SPARE_S
    desk = Desk(name, book, venue, keeper, checks, sent, clock.now, window_s)
    finder = Finder(name, book, venue, desk, sent, lambda: broker.followed, window_s)
    user = UserStream(dialect, strange, attempts, line_settings=lines)
    broker = BinanceBroker(
        name=name,
        server=server,
        symbols=config.symbols,
        venue=venue,
        book=book,
        desk=desk,
        finder=finder,
        keeper=keeper,
        api=api,
        clock=clock,
        feed=feed,
        user=user,
        upkeep=Upkeep(name, venue, book, user, clock, measure, monotonic, config.dead_man_s or 0.0),
        rules=rules,
        seeds=seeds,
        strange=strange,
        measure=measure,
        monotonic=monotonic,
    )
    user.on_open, user.on_event = broker.opened, broker.said
    return broker


def _signer(config: BinanceBrokerConfig) -> Signer:
    if config.api_key is None:
        raise ValueError("api_key is missing: make a key at the exchange, and give it as ${NAME}")
    key = config.api_key.reveal()
    if config.private_key_path is not None:
        return signer_of_broker(config.name, key, config.private_key_path)
    if config.api_secret is None:
        raise ValueError("api_secret or private_key_path is missing")
    return HmacSigner(key, config.api_secret)
