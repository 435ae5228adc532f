"""`quantmind token`: give out tokens, see which there are, and take them back; a running gateway follows in seconds."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Mapping
from typing import Any, Final

import attrs

from quantmind.adapters.token_file import TokenStore, make_token
from quantmind.cli.gateway import as_json
from quantmind.cli.output import complain, say
from quantmind.config import Config, ConfigError, Secret, TokenConfig
from quantmind.config.cross_tokens import token_warnings
from quantmind.config.token_file import parse_tokens, text_of
from quantmind.domain.clock import iso
from quantmind.domain.tokens import hash_of, moment_in
from quantmind.errors import EXIT_REFUSED, EXIT_USAGE, StartError
from quantmind.wire.auth import SCOPES

DAYS: Final = re.compile(r"([1-9]\d{0,4})d")


def token(config: Config, options: argparse.Namespace) -> int:
    """Add, list or revoke."""
    store = TokenStore(config.gateway.state_dir)
    match options.action:
        case "add":
            return _add(config, store, options)
        case "list":
            return _list(config, store, options)
        case _:
            return _revoke(config, store, options)


def _add(config: Config, store: TokenStore, options: argparse.Namespace) -> int:
    name, secret = options.name, make_token()
    made = TokenConfig(
        hash=Secret(hash_of(secret)),
        scopes=tuple(dict.fromkeys(options.scope)),
        eas=tuple(dict.fromkeys(options.ea)),
        brokers=tuple(dict.fromkeys(options.broker)),
        expires=_expires(options.expires),
        **({} if options.rate_limit is None else {"rate_limit_per_s": options.rate_limit}),
    )
    unknown = [broker for broker in made.brokers if broker not in config.brokers]
    if unknown:
        names = ", ".join(config.brokers)
        raise StartError(f"no broker is called {unknown[0]}; the configuration has {names}", EXIT_USAGE)
    with store.changing():
        tokens = dict(store.read())
        if name in tokens or name in config.tokens:
            where = config.path if name in config.tokens else store.path
            complain(f"quantmind: there is a token {name} already, in {where}; revoke it, or choose another name")
            return EXIT_REFUSED
        tokens[name] = made
        try:
            parse_tokens(text_of(tokens), str(store.path))
        except ConfigError as error:
            raise StartError("; ".join(fault.message for fault in error.faults), EXIT_USAGE) from None
        store.write(tokens)
    if options.json:
        say(as_json({"status": "success", "token": secret, **_view(name, made, "file")}))
        return 0
    # Alone on standard output, so that a script can take it; what else there is to say goes beside it.
    complain(f"The token {name} ({_words(made)}); it is shown this once and kept nowhere:")
    say(secret)
    for _, why in token_warnings({name: made}):
        complain(f"WARNING: {why}")
    return 0


def _list(config: Config, store: TokenStore, options: argparse.Namespace) -> int:
    views = [_view(name, each, "configuration") for name, each in config.tokens.items()]
    views += [_view(name, each, "file") for name, each in store.read().items() if name not in config.tokens]
    if options.json:
        say(as_json({"items": views, "next": None}))
        return 0
    if not views:
        say("no tokens but the gateway's own; add one with `quantmind token add NAME --scope read`")
    width = max((len(view["name"]) for view in views), default=0)
    for view in views:
        marks = "".join(f" [{mark}]" for mark in view["warnings"])
        say(f"{view['name']:{width}}  {view['words']}, in the {view['from']}{marks}")
    return 0


def _revoke(config: Config, store: TokenStore, options: argparse.Namespace) -> int:
    name = options.name
    if name in config.tokens:
        message = f"{name} stands in {config.path}: take it out there and start the gateway again"
        complain(f"quantmind: {message}")
        return EXIT_REFUSED
    with store.changing():
        tokens = dict(store.read())
        if tokens.pop(name, None) is None:
            complain(f"quantmind: there is no token {name} in {store.path}; see `quantmind token list`")
            return EXIT_REFUSED
        store.write(tokens)
    if options.json:
        say(as_json({"status": "success", "name": name}))
    else:
        say(f"revoked {name}; a running gateway follows within seconds and ends what it opened")
    return 0


def _view(name: str, made: TokenConfig, place: str) -> dict[str, Any]:
    warnings = [why for _, why in token_warnings({name: made})]
    ends = made.expires_at
    view: dict[str, Any] = {
        **{key: value for key, value in attrs.asdict(made, recurse=False).items() if key != "hash"},
        "expires": None if ends is None else iso(ends),
        "has_hash": made.hash is not None,
    }
    return {"name": name, **view, "from": place, "words": _words(made), "warnings": warnings}


def _words(made: TokenConfig) -> str:
    ends = made.expires_at
    parts = [
        f"scopes {' '.join(made.scopes)}",
        f"EAs {' '.join(made.eas)}" if made.eas else "",
        f"brokers {' '.join(made.brokers)}" if made.brokers else "",
        "never expires" if ends is None else f"until {iso(ends)}",
    ]
    return ", ".join(part for part in parts if part)


def _expires(said: str | None) -> str | None:
    if said is None:
        return None
    days = DAYS.fullmatch(said)
    if days is not None:
        try:
            return iso(time.time() + int(days[1]) * 86_400)
        except (OverflowError, ValueError, OSError):
            raise StartError(f"--expires {said} is beyond the calendar", EXIT_USAGE) from None
    try:
        ends = moment_in(said)
    except (ValueError, OverflowError):
        message = f"--expires {said[:40]!r} is no date (2027-01-31), time in UTC (2027-01-31T18:00:00Z) or days (90d)"
        raise StartError(message, EXIT_USAGE) from None
    if ends <= time.time():
        raise StartError(f"--expires {said} is over already", EXIT_USAGE)
    return said


# --- the command line ------------------------------------------------------------------------------------------------


def add_parser(commands: Any, common: argparse.ArgumentParser, kept: argparse.ArgumentParser) -> None:
    """The subcommand's options; `kept` are the common ones for the actions, which must not undo those before them."""
    parser = commands.add_parser("token", parents=[common], help="give out tokens, see them, take them back")
    actions: Mapping[str, argparse.ArgumentParser]
    added = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions = {
        name: added.add_parser(name, parents=[kept], help=text)
        for name, text in {
            "add": "make a token and print it, this once",
            "list": "show which tokens there are",
            "revoke": "take a token back",
        }.items()
    }
    for name in ("add", "revoke"):
        actions[name].add_argument("name", metavar="NAME", help="what it is called in the record")
    add = actions["add"]
    add.add_argument(
        "--scope", action="append", required=True, choices=SCOPES, help="what it may do; again for more (admin: all)"
    )
    add.add_argument(
        "--ea", action="append", default=[], metavar="NAME", help="an EA that it speaks for (default: any)"
    )
    add.add_argument("--broker", action="append", default=[], metavar="NAME", help="a broker that it reaches (any)")
    add.add_argument("--expires", metavar="WHEN", help="2027-01-31, 2027-01-31T18:00:00Z or 90d (default: never)")
    add.add_argument("--rate-limit", type=_rate, metavar="N", help="requests that it may send in a second")


def _rate(text: str) -> int:
    value = int(text) if text.isdecimal() and len(text) < 8 else 0
    if not 1 <= value <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no whole number from 1 to 1000000")
    return value
