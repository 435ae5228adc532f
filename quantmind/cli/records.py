"""`quantmind orders unknown`, `show` and `settle`, and `quantmind command`: what became of orders, and who knows.

Settling sends nothing to a broker: it writes down what somebody has seen there, for what nobody else can tell.
"""

from __future__ import annotations

import argparse
import re
from decimal import Decimal
from typing import Any

from quantmind.cli.gateway import as_json, ask_gateway, outcome_unknown
from quantmind.cli.output import print_tame, printable, say
from quantmind.cli.positions import orders, table
from quantmind.cli.trading import amount, confirmed, ticket_number
from quantmind.client.rest import OutcomeUnknown, RestClient
from quantmind.config import Config

OUTCOMES = ("filled", "partly_filled", "placed", "done", "refused", "not_sent", "cancelled", "expired")
_UNKNOWN = ("order_id", "broker", "state", "ea_name", "asked", "received", "request_id")
_SHOWN = (
    *("order_id", "decision_id", "request_id", "ea_name", "broker", "symbol", "magic"),
    *("state", "known_by", "received", "settled", "in_flight"),
)
_TOLD = ("name", "known_by", "by", "reason")


def orders_of(config: Config, options: argparse.Namespace) -> int:
    """`quantmind orders`, and what may follow it."""
    actions = {None: orders, "unknown": unknown, "show": show, "settle": settle}
    return actions[options.action](config, options)


def unknown(config: Config, options: argparse.Namespace) -> int:
    """Show the orders of which nobody knows what became of them."""
    return ask_gateway(config, options, _list_unknown)


def show(config: Config, options: argparse.Namespace) -> int:
    """Show one order of the gateway's, and how it came to be what it is."""
    return ask_gateway(config, options, lambda client, given: _show(client.order(given.order_id), given))


def command(config: Config, options: argparse.Namespace) -> int:
    """Show what became of a command, by its request id."""
    return ask_gateway(
        config, options, lambda client, given: _show(client.command_status(given.request_id, given.ea), given)
    )


def settle(config: Config, options: argparse.Namespace) -> int:
    """Say what became of an order of which nobody knows."""
    return ask_gateway(config, options, _settle)


# --- what is asked -----------------------------------------------------------------------------------------------


def _list_unknown(client: RestClient, options: argparse.Namespace) -> int:
    items = list(client.items("/commands", state="unknown", broker=options.broker))
    if options.json:
        print_tame(as_json({"items": items}))
    elif items:
        print_tame(table(_UNKNOWN, [{**item, "asked": _asked_for(item["command"])} for item in items]))
        print_tame("quantmind orders settle ORDER_ID --outcome ... --reason ... says what became of one")
    else:
        print_tame("no unknown orders")
    return 0


def _show(found: dict[str, Any], options: argparse.Namespace) -> int:
    if options.json:
        print_tame(as_json(found))
        return 0
    lines = [f"{name.replace('_', ' ')}: {_plain(found[name])}" for name in _SHOWN if found[name] is not None]
    if found["command"] is not None:
        lines.append(f"asked: {_plain(_asked_for(found['command']))}")
    lines.append(f"a repeat hears: {_plain(as_json(found['reply']))}")
    for line in found.get("history") or ():
        more = "".join(f", {name.replace('_', ' ')} {_plain(line[name])}" for name in _TOLD if name in line)
        lines.append(f"  {line['time']}  {line['kind']:<9} {line['state'] or ''}{more}".rstrip())
    print_tame("\n".join(lines))
    return 0


def _settle(client: RestClient, options: argparse.Namespace) -> int:
    numbers = {name: getattr(options, name) for name in ("ticket", "price", "volume", "profit")}
    given = {name: value for name, value in numbers.items() if value is not None}
    if not options.yes:
        found = client.order(options.order_id)
        told = "".join(f", {name} {value}" for name, value in given.items())
        what = (
            f"{found['state']}: {_plain(_asked_for(found['command']))} of {_plain(found['ea_name'])} at "
            f"{found['broker']}, {found['received']}"
        )
        refusal = confirmed(f"{what}\nwrite down that it is {options.outcome}{told}", "Do it?", "nothing was settled")
        if refusal is not None:
            return refusal
    if options.force:
        given["force"] = True
    try:
        settled = client.settle(options.order_id, options.outcome, options.reason, **given)
    except OutcomeUnknown as error:
        return _not_known(options, str(error))
    except KeyboardInterrupt:
        return _not_known(options, "you interrupted it before the answer came")
    said = f"order {settled['order_id']} is {settled['state']} now, by a person's word"
    say(as_json(settled) if options.json else said)
    return 0


def _not_known(options: argparse.Namespace, why: str) -> int:
    line = f"whether it was settled is UNKNOWN: {why}; `quantmind orders show {options.order_id}` tells"
    return outcome_unknown(options, line, {"order_id": options.order_id})


# --- what is said ------------------------------------------------------------------------------------------------


def _asked_for(body: dict[str, Any]) -> str:
    """What a command asked for, in a few words."""
    kind = str(body.get("type", "")).removeprefix("trade_")
    words = [kind]
    if kind == "open":
        words = [str(body.get("side") or ""), str(body.get("volume")), str(body.get("symbol"))]
        if body.get("order_type") not in (None, "market"):
            words += [f"{body['order_type']} at {body.get('price')}"]
    elif body.get("ticket"):
        words += [str(body["ticket"])]
        words += [f"{body['volume']} lots"] if body.get("volume") else []
    return " ".join(words)


def _plain(value: Any) -> str:
    return printable(str(value))


# --- the command line --------------------------------------------------------------------------------------------


def add_parsers(commands: Any, common: argparse.ArgumentParser, again: argparse.ArgumentParser) -> None:
    """The subcommands' options. `again` are those of `common` without defaults, for what follows `orders`."""
    lists = commands.add_parser("orders", parents=[common], help="show pending orders; settle unknown ones")
    lists.add_argument("--broker", metavar="NAME", help="the account, where several are enabled")
    lists.add_argument("--symbol", metavar="SYMBOL", help="only this symbol")
    actions = lists.add_subparsers(dest="action", required=False, metavar="ACTION")
    unknowns = actions.add_parser("unknown", parents=[again], help="show orders whose outcome nobody knows")
    unknowns.add_argument("--broker", metavar="NAME", default=argparse.SUPPRESS, help="only this account")
    shows = actions.add_parser("show", parents=[again], help="show one order of the gateway's and its history")
    shows.add_argument("order_id", metavar="ORDER_ID")
    settles = actions.add_parser(
        "settle",
        parents=[again],
        help="say what became of an unknown order; sends nothing",
        epilog="Exit codes: 0 settled, 1 refused and nothing written, 2 wrong usage, 69 no gateway, 75 not known.",
    )
    settles.add_argument("order_id", metavar="ORDER_ID", help="as `quantmind orders unknown` shows it")
    settles.add_argument("--outcome", choices=OUTCOMES, required=True, help="what became of it")
    settles.add_argument("--reason", required=True, metavar="TEXT", help="how you know; the record keeps it")
    settles.add_argument("--ticket", type=ticket_number, metavar="TICKET", help="of the position or the waiting order")
    settles.add_argument("--price", type=amount, metavar="PRICE", help="it was filled at")
    settles.add_argument("--volume", type=amount, metavar="LOTS", help="that was filled")
    settles.add_argument("--profit", type=signed, metavar="MONEY", help="of a close, in the account currency")
    settles.add_argument("--force", action="store_true", help="also where the broker says otherwise")
    settles.add_argument("--yes", action="store_true", help="don't ask whether to do it")
    tells = commands.add_parser("command", parents=[common], help="show what became of a command")
    tells.add_argument("request_id", metavar="REQUEST_ID")
    tells.add_argument("--ea", metavar="NAME", help="where several EAs have used the id")


def signed(text: str) -> Decimal:
    """An amount of money from the command line, below 0 too.

    Raises:
        argparse.ArgumentTypeError: it is no number.
    """
    if re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,12})?", text, re.ASCII) is not None:
        return Decimal(text)
    raise argparse.ArgumentTypeError(f"{text[:40]!r} is not an amount, such as -12.50")
