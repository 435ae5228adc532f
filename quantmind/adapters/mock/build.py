"""From a configuration to a broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import attrs
import trio

from quantmind.adapters.mock.account import PaperAccount
from quantmind.adapters.mock.broker import MockBroker
from quantmind.adapters.mock.feed import Feed
from quantmind.adapters.mock.ingest_feed import IngestFeed
from quantmind.adapters.mock.random_walk import RandomWalk, usual_walk
from quantmind.adapters.mock.replay import Replay
from quantmind.adapters.mock.terms import Terms
from quantmind.config.brokers import MockBrokerConfig, RandomWalkFeed, ReplayFeed, SymbolOverrides
from quantmind.domain.symbols import SymbolSpec, usual_spec
from quantmind.ports import Broker

_OF_THE_WALK = ("start_price", "spread")


def build(
    config: MockBrokerConfig,
    *,
    name: str | None = None,
    monotonic: Callable[[], float] = trio.current_time,
    wall: Callable[[], float] = time.time,
) -> MockBroker:
    """Make the broker that a configuration describes; nothing is opened before `connect`.

    Args:
        name: the broker's name, if not the configuration's.
        monotonic: seconds, for the pace of a replay and the age of samples.
        wall: Unix seconds, for the time of made-up ticks.

    Raises:
        ValueError: the configuration asks for what the paper account can't do, or contradicts itself.
    """
    name = config.name if name is None else name
    if config.margin_mode != "hedging":
        raise ValueError(f"broker {name}: margin_mode {config.margin_mode} is not available yet, use hedging")
    for key in ("commission_per_lot", "swap", "persist"):
        if getattr(config, key):
            raise ValueError(f"broker {name}: {key} is not available yet, leave it out")
    specs = {symbol: spec_of(symbol, overrides) for symbol, overrides in config.symbols.items()}
    terms = Terms(
        login=config.login,
        server=config.server,
        currency=config.currency,
        leverage=config.leverage,
        initial_balance=config.initial_balance,
        margin_mode=config.margin_mode,
        # The account begins empty at each start, and an EA may still know a ticket of the one before.
        first_ticket=max(1, int(wall())),
    )
    account = PaperAccount(terms, specs.values())
    return MockBroker(name=name, account=account, feed=_feed(config, specs, wall), monotonic=monotonic)


def inlets(brokers: Mapping[str, Broker]) -> dict[str, IngestFeed]:
    """The feeds that take ticks from outside, by the broker that trades on them."""
    feeds = {name: broker.feed for name, broker in brokers.items() if isinstance(broker, MockBroker)}
    return {name: feed for name, feed in feeds.items() if isinstance(feed, IngestFeed)}


def spec_of(symbol: str, overrides: SymbolOverrides) -> SymbolSpec:
    """The usual specification of a symbol with what the configuration says otherwise.

    Raises:
        ValueError: the result contradicts itself.
    """
    said = {
        key: value
        for key, value in attrs.asdict(overrides, recurse=False).items()
        if value is not None and key not in _OF_THE_WALK
    }
    usual = usual_spec(symbol)
    if "digits" in said:
        usual = attrs.evolve(usual, digits=said["digits"], tick_size=attrs.evolve(usual, digits=said["digits"]).point)
    if "currency_base" in said:
        usual = attrs.evolve(usual, currency_margin=said["currency_base"])
    spec = attrs.evolve(usual, **said)
    if not spec.on_price_grid(spec.tick_size) or spec.tick_size % spec.point != 0:
        raise ValueError(f"symbol {symbol}: tick_size {spec.tick_size} can't be shown with {spec.digits} digits")
    if not spec.volume_min <= spec.volume_max:
        raise ValueError(f"symbol {symbol}: volume_min {spec.volume_min} is above volume_max {spec.volume_max}")
    if spec.volume_min % spec.volume_step != 0:
        raise ValueError(
            f"symbol {symbol}: volume_min {spec.volume_min} is not a multiple of volume_step {spec.volume_step}"
        )
    return spec


def _feed(config: MockBrokerConfig, specs: Mapping[str, SymbolSpec], wall: Callable[[], float]) -> Feed:
    feed = config.feed
    if isinstance(feed, RandomWalkFeed):
        walks = [
            usual_walk(
                spec,
                start_price=config.symbols[symbol].start_price,
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
