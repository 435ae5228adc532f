"""`quantmind check`: read the configuration and say what is wrong with it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from actors.commands import NEXT_HEARTBEAT_S
from quantmind.adapters.binance.signing import signer_of_broker
from quantmind.adapters.calendar_file import look_once
from quantmind.adapters.mock import Recording, ReplayError, build
from quantmind.adapters.mock.recordings import Inspected, parse_zone
from quantmind.adapters.token_file import TokenStore
from quantmind.cli.rules.explain import about, looser_words, verified_words
from quantmind.config import Config, MockBrokerConfig, ReplayFeed
from quantmind.config.brokers import BinanceBrokerConfig
from quantmind.config.cross_tokens import token_warnings
from quantmind.config.policies import account_policy, overrides, preset_of
from quantmind.domain.symbols import SymbolSpec, usual_spec
from quantmind.edges.secure import KEY_FOLDER, SERVER_KEY, AllowedKeys
from quantmind.errors import EXIT_USAGE, StartError
from quantmind.net.certificates import CertificateTrouble, load_certificate
from quantmind.net.curve_keys import KeyTrouble, read_secret


def check(config: Config, options: argparse.Namespace) -> int:
    described: dict[str, Any] = config.describe()
    warnings = [*_impatient(config), *(f"token {name}: {why}" for name, why in _tokens(config))]
    faults, recordings = _look_at_brokers(config)
    warnings += _look_at_certificate(config, faults)
    _look_at_keys(config, faults)
    if faults:
        print("\n".join(faults), file=sys.stderr)
        return EXIT_USAGE
    if options.json:
        seen = {name: [_described(each) for each in of_broker] for name, of_broker in recordings.items()}
        firms = _presets(config)
        news = _news(config)
        more = {"recordings": seen, "presets": firms, "news": news, "warnings": warnings}
        more = {key: value for key, value in more.items() if value}
        print(json.dumps({**described, **more}, indent=2, default=str))
        return 0
    print(f"{config.path}: no faults")
    for warning in warnings:
        print(f"  WARNING: {warning}")
    firms = _presets(config)
    for name, broker in config.brokers.items():
        state = "enabled" if broker.enabled else "disabled"
        print(f"  {name}: {broker.type}, {state}" + (f", {broker.description}" if broker.description else ""))
        for each in recordings.get(name, ()):
            first = "no tick in its first lines" if each.first is None else f"from {_time(each.first.time_msc)}"
            print(f"    replays {each.where}: format {each.format}, {' '.join(each.symbols) or 'no symbol'}, {first}")
        if name in firms:
            firm = firms[name]
            sure = f"read on {firm['date']}, {verified_words(firm)} parameters verified"
            print(f"    preset {firm['name']} ({sure}); see `quantmind rules explain --broker {name}`")
            for line in firm["looser"]:
                print(f"    WARNING: {line}")
    news = _news(config)
    if news is not None:
        ends = "" if news["last"] is None else f", the last at {news['last']}"
        print(f"  calendar {news['file']}: " + ("not read" if news["error"] else f"{news['events']} event(s){ends}"))
        for line in news["warnings"]:
            print(f"    WARNING: {line}")
    return 0


def _impatient(config: Config) -> list[str]:
    """EAs that would be taken for silent though they do as they are told."""
    return [
        f"eas.{name}.dead_man_s is {ea.dead_man_s:g}, and an EA is asked for a heartbeat each {NEXT_HEARTBEAT_S:g} s "
        f"(next_heartbeat_s): {ea.on_dead_man} is done between two of them; write more, or let it send them more often"
        for name, ea in config.eas.items()
        if ea.dead_man_s is not None and ea.dead_man_s <= NEXT_HEARTBEAT_S
    ]


def _news(config: Config) -> dict[str, Any] | None:
    """What the calendar of events has now, and why accounts with the rule `news` would open nothing."""
    path = config.risk.news_file
    if path is None:
        return None
    read, now = look_once(path), datetime.now(UTC).timestamp()
    calendar = read.calendar
    bound = {
        name: rule.stale_h
        for name in config.enabled_brokers
        if not config.risk.observe_only
        and (rule := account_policy(config.risk.account_for(name)).rules.news) is not None
    }
    warnings = []
    if calendar is None or calendar.refreshed_at is None:
        until = f"; until it can be read {', '.join(bound)} can open nothing" if bound else ""
        warnings.append(f"risk.news_file: {read.error}{until}")
    else:
        age_h = (now - calendar.refreshed_at) / 3600
        old = [name for name, hours in bound.items() if age_h > hours]
        if old:
            warnings.append(f"risk.news_file was last written {age_h:.0f} h ago: {', '.join(old)} can open nothing")
        if all(event.at + event.lasts_s < now for event in calendar.events):
            warnings.append("risk.news_file has no event that is still to come")
    last = None if calendar is None or not calendar.events else _time(int(calendar.events[-1].at * 1000))
    events = 0 if calendar is None else len(calendar.events)
    return {"file": str(path), "events": events, "last": last, "error": read.error, "warnings": warnings}


def _tokens(config: Config) -> list[tuple[str, str]]:
    """What to look at among the tokens of the configuration and of the state folder's file."""
    store = TokenStore(config.gateway.state_dir)
    try:
        stored = store.read()
    except StartError as error:
        return [*token_warnings(config.tokens), (f"file {store.path}", str(error))]
    twice = [name for name in stored if name in config.tokens]
    return [
        *token_warnings(config.tokens),
        *token_warnings(stored),
        *((name, "the configuration has one of this name, too, and that one holds") for name in twice),
    ]


def _presets(config: Config) -> dict[str, dict[str, Any]]:
    """The preset of each enabled broker that has one, with what its account allows that the firm may not."""
    found = {}
    for name in config.enabled_brokers:
        account = config.risk.account_for(name)
        firm = preset_of(account)
        if firm is not None:
            looser = [line for change in overrides(account) for line in looser_words(change, firm.name)]
            if config.risk.observe_only:
                looser.append("risk.observe_only is true: its rules are judged and refuse nothing")
            found[name] = {**about(firm), "looser": looser}
    return found


def _look_at_brokers(config: Config) -> tuple[list[str], dict[str, list[Inspected]]]:
    """What only a broker itself sees: settings that contradict each other, and the first lines of its recordings."""
    faults: list[str] = []
    recordings: dict[str, list[Inspected]] = {}
    for name, broker in config.enabled_brokers.items():
        if isinstance(broker, BinanceBrokerConfig) and broker.private_key_path is not None:
            try:
                signer_of_broker(name, "", broker.private_key_path)
            except StartError as exc:
                faults.append(f"{config.path}: {exc}")
        if not isinstance(broker, MockBrokerConfig):
            continue
        specs: Mapping[str, SymbolSpec] = {symbol: usual_spec(symbol) for symbol in broker.symbols}
        try:
            # What is kept of its account is read by the gateway alone.
            specs = build(attrs.evolve(broker, persist=False), name=name).account.market.specs
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


def _look_at_certificate(config: Config, faults: list[str]) -> tuple[str, ...]:
    tls = config.gateway.tls
    if tls.certificate is None or tls.key is None:
        return ()
    try:
        return load_certificate(tls.certificate, tls.key).warnings
    except CertificateTrouble as exc:
        faults.append(f"{config.path}: gateway.tls: {exc}")
        return ()


def _look_at_keys(config: Config, faults: list[str]) -> None:
    for section in ("commands", "data"):
        for place, endpoint in enumerate(getattr(config.gateway, section).secure, 1):
            if endpoint.mechanism == "curve":
                try:
                    read_secret(endpoint.curve_server_key or config.gateway.state_dir / KEY_FOLDER / SERVER_KEY)
                    AllowedKeys.of(endpoint)
                except KeyTrouble as exc:
                    faults.append(f"{config.path}: gateway.{section}.secure.{place}: {exc}")


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
