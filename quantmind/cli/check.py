"""`quantmind check`: read the configuration and say what is wrong with it."""

from __future__ import annotations

import argparse
import json
import sys

from quantmind.adapters.mock import ReplayError, build, inspect_recording
from quantmind.config import Config, MockBrokerConfig, ReplayFeed
from quantmind.errors import EXIT_USAGE


def check(config: Config, options: argparse.Namespace) -> int:
    described = config.describe()
    faults = _broker_faults(config)
    if faults:
        print("\n".join(faults), file=sys.stderr)
        return EXIT_USAGE
    if options.json:
        print(json.dumps(described, indent=2, default=str))
        return 0
    print(f"{config.path}: no faults")
    for name, broker in config.brokers.items():
        state = "enabled" if broker.enabled else "disabled"
        print(f"  {name}: {broker.type}, {state}" + (f", {broker.description}" if broker.description else ""))
    return 0


def _broker_faults(config: Config) -> list[str]:
    """What only a broker itself sees: symbols that contradict themselves, and the first lines of its recording."""
    faults = []
    for name, broker in config.enabled_brokers.items():
        if not isinstance(broker, MockBrokerConfig):
            continue
        try:
            build(broker, name=name)
        except ValueError as exc:
            faults.append(f"{config.path}: brokers.{name}.symbols: {exc}")
        if isinstance(broker.feed, ReplayFeed):
            try:
                inspect_recording(broker.feed.path, broker.feed.symbol)
            except ReplayError as exc:
                faults.append(f"{config.path}: brokers.{name}.feed: {exc}")
    return faults
