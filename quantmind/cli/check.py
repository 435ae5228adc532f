"""`quantmind check`: read the configuration and say what is wrong with it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from quantmind.adapters.mock import Recording, ReplayError, build
from quantmind.adapters.mock.recordings import Inspected, parse_zone
from quantmind.config import Config, MockBrokerConfig, ReplayFeed
from quantmind.domain.symbols import SymbolSpec, usual_spec
from quantmind.errors import EXIT_USAGE


def check(config: Config, options: argparse.Namespace) -> int:
    described: dict[str, Any] = config.describe()
    faults, recordings = _look_at_brokers(config)
    if faults:
        print("\n".join(faults), file=sys.stderr)
        return EXIT_USAGE
    if options.json:
        seen = {name: [_described(each) for each in of_broker] for name, of_broker in recordings.items()}
        print(json.dumps({**described, **({"recordings": seen} if seen else {})}, indent=2, default=str))
        return 0
    print(f"{config.path}: no faults")
    for name, broker in config.brokers.items():
        state = "enabled" if broker.enabled else "disabled"
        print(f"  {name}: {broker.type}, {state}" + (f", {broker.description}" if broker.description else ""))
        for each in recordings.get(name, ()):
            first = "no tick in its first lines" if each.first is None else f"from {_time(each.first.time_msc)}"
            print(f"    replays {each.where}: format {each.format}, {' '.join(each.symbols) or 'no symbol'}, {first}")
    return 0


def _look_at_brokers(config: Config) -> tuple[list[str], dict[str, list[Inspected]]]:
    """What only a broker itself sees: settings that contradict each other, and the first lines of its recordings."""
    faults: list[str] = []
    recordings: dict[str, list[Inspected]] = {}
    for name, broker in config.enabled_brokers.items():
        if not isinstance(broker, MockBrokerConfig):
            continue
        specs: Mapping[str, SymbolSpec] = {symbol: usual_spec(symbol) for symbol in broker.symbols}
        try:
            specs = build(broker, name=name).account.market.specs
        except ValueError as exc:
            faults.append(f"{config.path}: brokers.{name}: {exc}")
        if isinstance(broker.feed, ReplayFeed):
            recordings[name] = []
            for recording in _recordings(broker.feed):
                try:
                    recordings[name].append(recording.inspect(specs))
                except ReplayError as exc:
                    faults.append(f"{config.path}: brokers.{name}.feed: {exc}")
    return faults, recordings


def _recordings(feed: ReplayFeed) -> list[Recording]:
    try:
        zone = None if feed.zone is None else parse_zone(feed.zone)
    except ValueError:  # building the broker has said so
        return []
    return [Recording(path, feed.format, feed.symbol, zone) for path in (feed.path, *feed.more_paths)]


def _described(inspected: Inspected) -> dict[str, Any]:
    first = inspected.first
    return {
        "file": inspected.where,
        "format": inspected.format,
        "symbols": list(inspected.symbols),
        "first_tick": None if first is None else {**attrs.asdict(first), "time": _time(first.time_msc)},
    }


# Not by `fromtimestamp`, which refuses times before 1970 on Windows.
def _time(msc: int) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=msc)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
