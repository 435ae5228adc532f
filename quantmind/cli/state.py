"""`quantmind state`: regime and risk mandate, and which EAs and ticks there were; `state set` sets the first two."""

from __future__ import annotations

import argparse
from decimal import Decimal
from typing import Any

from quantmind.cli.gateway import as_json, ask_gateway, outcome_unknown
from quantmind.cli.output import complain, print_tame, say
from quantmind.cli.positions import table
from quantmind.cli.trading import amount
from quantmind.client.rest import OutcomeUnknown, RestClient
from quantmind.config import Config
from quantmind.domain.risk import MandateMode
from quantmind.errors import EXIT_USAGE

_EAS = ("ea_name", "broker", "symbol", "version", "last_seen", "missing", "magic", "risk_multiplier")


def state(config: Config, options: argparse.Namespace) -> int:
    """Show the router's state, or set it."""
    fault = _fault(options)
    if fault is not None:
        complain(f"quantmind: {fault}")
        return EXIT_USAGE
    return ask_gateway(config, options, _set if options.what == "set" else _show)


def _fault(options: argparse.Namespace) -> str | None:
    sets = options.regime is not None or options.mandate is not None or bool(options.symbol)
    if options.what == "show":
        return "to change something say `quantmind state set`" if sets else None
    if not sets:
        return "nothing would change; name --regime, --symbol or --mandate"
    if options.reason is None:
        return "--reason is missing: the record keeps why"
    if options.max_multiplier is not None and options.mandate != MandateMode.REDUCED.value:
        return "--max-multiplier is for --mandate reduced; the others have theirs"
    return None


def _show(client: RestClient, options: argparse.Namespace) -> int:
    found = client.get("/state", limit=1000)
    eas, after = list(found["eas"]), found["next"]
    while after is not None:
        page = client.get("/state", limit=1000, after=after)
        eas, after = [*eas, *page["eas"]], page["next"]
    if options.json:
        print_tame(as_json({**found, "eas": eas, "next": None}))
        return 0
    print_tame(_told(found))
    for item in found["last_ticks"]:
        away = "" if item["away_ms"] is None else f", was away {item['away_ms'] / 1000:.0f} s round the start"
        since = "" if item["since_start"] else ", none since the start"
        print_tame(f"tick     {item['symbol']}@{item['broker']} {item['age_ms'] / 1000:.1f} s ago{since}{away}")
    if eas:
        print_tame(table(_EAS, [{**ea, "missing": "missing" if ea["missing"] else "-"} for ea in eas]))
    return 0


def _set(client: RestClient, options: argparse.Namespace) -> int:
    body: dict[str, Any] = {"reason": options.reason}
    if options.regime is not None or options.symbol:
        body["regime"] = {"label": options.regime, "symbols": dict(options.symbol)}
    if options.mandate is not None:
        body["mandate"] = {"mode": options.mandate}
        if options.max_multiplier is not None:
            body["mandate"]["max_multiplier"] = options.max_multiplier
    if options.revision is not None:
        body["revision"] = options.revision
    try:
        reply = client.send("PUT", "/state", body, key="state")
    except OutcomeUnknown as error:
        line = f"whether it was set is not known: {error}; look with `quantmind state`"
        return outcome_unknown(options, line, error.problem)
    say(as_json(reply) if options.json else _told(reply))
    return 0


def _told(found: dict[str, Any]) -> str:
    regime, mandate = found["regime"], found["mandate"]
    kept = "" if found["durable"] else f" (not kept over a restart: {found['error'] or 'it is being written'})"
    lines = [f"revision {'unknown' if found['revision'] is None else found['revision']}{kept}"]
    if regime is not None:
        own = "".join(f", {symbol} {label}" for symbol, label in regime["symbols"].items())
        lines.append(f"regime   {regime['label'] or 'none said'}{own}{_who(regime)}")
    most = f", at most {mandate['max_multiplier']}" if mandate["mode"] == MandateMode.REDUCED.value else ""
    lines.append(f"mandate  {mandate['mode']}{most}{_who(mandate)}")
    return "\n".join(lines)


def _who(item: dict[str, Any]) -> str:
    if item["since"] is None:
        return f" ({item['reason']})" if item["reason"] else ""
    return f" ({item['reason']}; by {item['by']}, {item['since']})"


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """The subcommand's options."""
    parser = commands.add_parser("state", parents=[common], help="show or set regime and risk mandate")
    parser.add_argument("what", choices=("show", "set"), nargs="?", default="show", help="(default: show)")
    sets = parser.add_argument_group("set", "a mandate, a regime, or both; what is not named stays")
    sets.add_argument("--regime", metavar="LABEL", help="of all symbols; replaces the regime as a whole")
    own = {"action": "append", "default": [], "metavar": "SYMBOL=LABEL"}
    sets.add_argument("--symbol", type=_pair, help="the regime of one symbol; may be given again", **own)
    sets.add_argument("--mandate", choices=[mode.value for mode in MandateMode], help="how much risk may be added")
    sets.add_argument("--max-multiplier", type=_share, metavar="X", help="with reduced: above 0 and below 1")
    sets.add_argument("--revision", type=int, metavar="N", help="only if this is the one that holds")
    sets.add_argument("--reason", help="why; the record keeps it")


def _pair(text: str) -> tuple[str, str]:
    symbol, is_there, label = text.partition("=")
    if not (is_there and symbol and label):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no SYMBOL=LABEL, such as EURUSD=range")
    return symbol, label


def _share(text: str) -> Decimal:
    value = amount(text)
    if value >= 1:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not below 1")
    return value
