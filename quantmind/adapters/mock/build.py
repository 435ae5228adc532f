"""From a configuration to a broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

import trio

from quantmind.adapters.mock.account import PaperAccount
from quantmind.adapters.mock.broker import MockBroker
from quantmind.adapters.mock.conditions import spec_of, symbol_terms_of, terms_of
from quantmind.adapters.mock.feed import Feed
from quantmind.adapters.mock.ingest_feed import IngestFeed
from quantmind.adapters.mock.persist import Persistence
from quantmind.adapters.mock.random_walk import RandomWalk, usual_walk
from quantmind.adapters.mock.replay import Replay
from quantmind.config.brokers import MockBrokerConfig, RandomWalkFeed, ReplayFeed, SymbolOverrides
from quantmind.ports import Broker


def build(
    config: MockBrokerConfig,
    *,
    name: str | None = None,
    monotonic: Callable[[], float] = trio.current_time,
    wall: Callable[[], float] = time.time,
    account_file: Path | None = None,
) -> MockBroker:
    """Make the broker that a configuration describes; no feed is opened before `connect`.

    Args:
        name: the broker's name, if not the configuration's.
        monotonic: seconds, for the pace of a replay and the age of samples.
        wall: Unix seconds, for the time of made-up ticks and of the account.
        account_file: where the account is kept with `persist: true`; it is read here and written later.

    Raises:
        AccountFileError: the account's file can't be used; it was not changed. A ValueError.
        ValueError: the configuration contradicts itself.
    """
    name = config.name if name is None else name
    if config.persist and account_file is None:
        raise ValueError(f"broker {name}: persist needs a file for the account; set persist to false, or name one")
    specs = {symbol: spec_of(symbol, overrides, config) for symbol, overrides in config.symbols.items()}
    symbol_terms = {symbol: symbol_terms_of(symbol, overrides, config) for symbol, overrides in config.symbols.items()}
    # An account that is not kept begins empty at each start, and an EA, or the journal, may still know a ticket or a
    # deal of the one before. Milliseconds: it would have to trade a thousand times a second to come by them again.
    first = max(1, int(wall() * 1000))
    account = PaperAccount(terms_of(config, first_number=first), specs.values(), symbol_terms)
    persistence = None
    if config.persist and account_file is not None:
        persistence = Persistence.open(account_file, name, account, monotonic=monotonic)
    return MockBroker(
        name=name,
        account=account,
        feed=_feed(config, account, wall),
        monotonic=monotonic,
        # The time of a recording is its own; otherwise it goes on without ticks, too.
        clock=None if isinstance(config.feed, ReplayFeed) else wall,
        persistence=persistence,
    )


def inlets(brokers: Mapping[str, Broker]) -> dict[str, IngestFeed]:
    """The feeds that take ticks from outside, by the broker that trades on them."""
    feeds = {name: broker.feed for name, broker in brokers.items() if isinstance(broker, MockBroker)}
    return {name: feed for name, feed in feeds.items() if isinstance(feed, IngestFeed)}


def _feed(config: MockBrokerConfig, account: PaperAccount, wall: Callable[[], float]) -> Feed:
    feed, specs = config.feed, account.market.specs
    if isinstance(feed, RandomWalkFeed):
        walks = [
            usual_walk(
                spec,
                start_price=_start_price(account, symbol, config.symbols[symbol]),
                spread=config.symbols[symbol].spread,
                volatility=feed.volatility,
            )
            for symbol, spec in specs.items()
        ]
        return RandomWalk(walks, seed=feed.seed, wall=wall, ticks_per_s=feed.ticks_per_s)
    if isinstance(feed, ReplayFeed):
        return Replay(
            feed.path,
            specs=specs,
            symbol=feed.symbol,
            format=feed.format,
            zone=feed.zone,
            more_paths=feed.more_paths,
            speed=feed.speed,
            waits=feed.start == "first_subscriber",
        )
    return IngestFeed(specs.values(), wall=wall, tolerance_s=feed.clock_tolerance_s)


def _start_price(account: PaperAccount, symbol: str, overrides: SymbolOverrides) -> Decimal | None:
    # A kept account goes on where its prices were: a jump would trigger stops that no market triggered.
    last = account.market.price(symbol)
    return overrides.start_price if last is None else last.bid
