"""`quantmind trade`, `close` and `cancel`: orders by hand, through the running gateway and its risk governor.

Each request carries an Idempotency-Key and is sent once. When its answer is lost the outcome is unknown, and the same
command with `--key` asks what became of it; nothing is sent again by itself.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from quantmind.cli.gateway import as_json, ask_gateway, brokers_of, say_failure
from quantmind.cli.output import complain, say
from quantmind.cli.positions import listed
from quantmind.client.rest import OutcomeUnknown, Refused, RestClient, Unreachable, order_path, position_path
from quantmind.config import Config
from quantmind.errors import EXIT_REFUSED, EXIT_UNKNOWN, EXIT_USAGE
from quantmind.wire.commands import MAX_COMMENT, MAX_ID, MAX_TICKET
from quantmind.wire.rest import msc_from_iso

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def trade(config: Config, options: argparse.Namespace) -> int:
    """Open a position, or place a limit or stop order."""
    order_type, price = _kind(options)
    if options.expires is not None and price is None:
        complain("quantmind: --expires is for --limit and --stop orders; leave it out")
        return EXIT_USAGE
    words = f"{options.side} {options.volume} {options.symbol}"
    words += " at the market" if price is None else f" by a {order_type} order at {price}"
    if not options.yes:
        refusal = confirmed(f"{words}{_stops(options)}")
        if refusal is not None:
            return refusal
    body = {
        "symbol": options.symbol,
        "action_type": options.side.upper(),
        "volume": options.volume,
        "stop_loss": options.sl,
        "take_profit": options.tp,
        "broker": options.broker,
        "order_type": order_type,
        "price": price,
        "expiration": _iso(options.expires),
        "comment": options.comment,
    }
    if options.expires is not None:
        options.again = f" --expires {_iso(options.expires)}"  # the same order, also when it was said as `2h`
    send = partial(_send, method="POST", path="/trade", body=_given(body), done=partial(_traded, options, words))
    return ask_gateway(config, options, send)


def close(config: Config, options: argparse.Namespace) -> int:
    """Close a position or a part of it, or all of them."""
    if options.all == (options.ticket is not None):
        complain("quantmind: name a TICKET or --all; the tickets are in `quantmind positions`")
        return EXIT_USAGE
    if options.all and options.volume is not None:
        complain("quantmind: --volume is for one TICKET; leave it out with --all")
        return EXIT_USAGE
    return ask_gateway(config, options, _close_all if options.all else _close_one)


def cancel(config: Config, options: argparse.Namespace) -> int:
    """Take a pending order back."""
    return ask_gateway(config, options, _cancel)


# --- what is asked -----------------------------------------------------------------------------------------------


def _close_one(client: RestClient, options: argparse.Namespace) -> int:
    broker = _broker_of(client, options, "positions")
    path = f"{position_path(broker, options.ticket)}/close"
    return _send(client, options, "POST", path, _given({"volume": options.volume}), partial(_closed, options.ticket))


def _cancel(client: RestClient, options: argparse.Namespace) -> int:
    path = order_path(_broker_of(client, options, "orders"), options.ticket)
    return _send(client, options, "DELETE", path, None, lambda _: f"cancelled order {options.ticket}")


def _close_all(client: RestClient, options: argparse.Namespace) -> int:
    seen = listed(client, "positions", options.broker, options.symbol)
    found, codes = seen.items, {seen.say_failures(options)}
    if not found:
        say(as_json({"items": []}) if options.json else "no open positions")
        return max(codes)
    if _at_terminal() and not options.yes:
        refusal = confirmed(f"close {len(found)} positions at the market")
        if refusal is not None:
            return refusal
    key = options.key or uuid.uuid4().hex
    for number, item in enumerate(found):
        ticket, path = item["ticket"], f"{position_path(item['broker'], item['ticket'])}/close"
        named = {"key": _key_of(key, ticket), "shown_key": key, "ticket": ticket}
        one = argparse.Namespace(**{**vars(options), **named})
        try:
            codes.add(_send(client, one, "POST", path, None, partial(_closed, ticket)))
        except Unreachable as error:
            codes.add(say_failure(error, options, about=_left(found[number:])))
            return max(codes)
        except _Interrupted as error:
            # Whoever interrupts it wants the rest to stay.
            say_failure(error, one, about=_left(found[number + 1 :]))
            return EXIT_UNKNOWN
    return EXIT_UNKNOWN if EXIT_UNKNOWN in codes else max(codes)


def _left(items: Sequence[dict[str, Any]]) -> str:
    return f"not closed: {', '.join(str(each['ticket']) for each in items)}: " if items else ""


class _Interrupted(OutcomeUnknown):
    """It went out, and its answer was not waited for."""


def _send(
    client: RestClient,
    options: argparse.Namespace,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    done: Any,
) -> int:
    key = options.key or uuid.uuid4().hex
    shown = getattr(options, "shown_key", key)
    try:
        reply = client.send(method, path, body, key=key)
        say(as_json(reply) if options.json else done(reply))
    except KeyboardInterrupt:
        raise _Interrupted(f"{_about(options)}you interrupted it before the answer came", shown) from None
    except OutcomeUnknown as error:
        return say_failure(OutcomeUnknown(str(error), shown, error.problem), options, about=_about(options))
    except Refused as error:
        return say_failure(error, options, about=_about(options))
    return 0


def _about(options: argparse.Namespace) -> str:
    ticket = getattr(options, "ticket", None)
    return "" if ticket is None else f"ticket {ticket}: "


def _broker_of(client: RestClient, options: argparse.Namespace, kind: str) -> str:
    """The account that a ticket is of. Tickets of two accounts may be equal; then one must be named."""
    brokers = brokers_of(client, options.broker)
    if len(brokers) == 1:
        return brokers[0]
    seen = listed(client, kind, None, None)
    having = [item["broker"] for item in seen.items if item["ticket"] == options.ticket]
    if len(having) == 1 and not seen.failed:
        options.again = f" --broker {having[0]}"  # once it is closed no account shows it
        return str(having[0])
    who = "several accounts have" if len(having) > 1 else f"{having[0]} has" if having else "no account shows"
    unseen = f"; {', '.join(seen.failed)} could not be asked" if seen.failed else ""
    detail = f"{who} a ticket {options.ticket} (there are {', '.join(brokers)}{unseen})"
    raise Refused(422, {"status": 422, "code": "broker_required", "detail": detail})


# --- what is said ------------------------------------------------------------------------------------------------


def _traded(options: argparse.Namespace, words: str, reply: dict[str, Any]) -> str:
    if reply.get("pending"):
        return f"placed: {words}; ticket {reply['ticket']} waits for its price"
    done, filled = "bought" if options.side == "buy" else "sold", reply.get("volume", options.volume)
    part = "" if filled == options.volume else f" of the {options.volume} asked for"
    return f"{done} {filled}{part} {options.symbol} at {reply.get('price')}; ticket {reply.get('ticket')}"


def _closed(ticket: int, reply: dict[str, Any]) -> str:
    return f"closed {reply.get('volume')} of ticket {ticket} at {reply.get('price')}, profit {reply.get('profit')}"


def _stops(options: argparse.Namespace) -> str:
    stops = [f"{name} {value}" for name in ("sl", "tp") if (value := getattr(options, name)) is not None]
    return f", {', '.join(stops)}" if stops else ", without a stop loss"


def confirmed(what: str, question: str = "Send it?", otherwise: str = "nothing was sent") -> int | None:
    """Ask whoever is at the terminal; None: go ahead, else the exit code."""
    if not _at_terminal():
        complain(f"quantmind: {what}: nobody is here to confirm it; add --yes")
        return EXIT_USAGE
    try:
        answer = input(f"{what}. {question} [y/N] ")
    except (EOFError, KeyboardInterrupt):
        answer = ""
    if answer.strip().lower() in ("y", "yes"):
        return None
    complain(otherwise)
    return EXIT_REFUSED


# Started without a standard input, Python has none.
def _at_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


# --- the command line --------------------------------------------------------------------------------------------


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    """The subcommands' options."""
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--broker", metavar="NAME", help="the account, where several are enabled")
    sends = argparse.ArgumentParser(add_help=False)
    sends.add_argument(
        "--key", type=_key, help="Idempotency-Key (default: a new one); with that of a lost answer: what became of it"
    )
    filters = argparse.ArgumentParser(add_help=False)
    filters.add_argument("--symbol", metavar="SYMBOL", help="only this symbol")
    commands.add_parser("positions", parents=[common, where, filters], help="show open positions")
    trades = commands.add_parser(
        "trade",
        parents=[common, where, sends],
        help="open a position, or place a limit or stop order",
        epilog="Exit codes: 0 done, 1 refused and nothing done, 2 wrong usage, 69 no gateway, 75 outcome unknown.",
    )
    trades.add_argument("symbol", metavar="SYMBOL")
    trades.add_argument("side", choices=("buy", "sell"))
    trades.add_argument("volume", type=amount, metavar="VOLUME", help="in lots")
    trades.add_argument("--sl", type=amount, metavar="PRICE", help="stop loss")
    trades.add_argument("--tp", type=amount, metavar="PRICE", help="take profit")
    kind = trades.add_mutually_exclusive_group()
    kind.add_argument("--limit", type=amount, metavar="PRICE", help="wait for this price or a better one")
    kind.add_argument("--stop", type=amount, metavar="PRICE", help="wait until the price gets here")
    trades.add_argument(
        "--expires", type=moment, metavar="TIME", help="end of a waiting order: 2h, or an ISO 8601 time"
    )
    trades.add_argument("--comment", type=_comment, help=f"at most {MAX_COMMENT} characters")
    trades.add_argument("--yes", action="store_true", help="don't ask whether to send it")
    closes = commands.add_parser("close", parents=[common, where, sends, filters], help="close positions")
    closes.add_argument("ticket", type=ticket_number, nargs="?", metavar="TICKET")
    closes.add_argument("--all", action="store_true", help="every position, or every one of --symbol and --broker")
    closes.add_argument("--volume", type=amount, metavar="LOTS", help="close a part of it")
    closes.add_argument("--yes", action="store_true", help="at a terminal: don't ask before --all")
    cancels = commands.add_parser("cancel", parents=[common, where, sends], help="take a pending order back")
    cancels.add_argument("ticket", type=ticket_number, metavar="TICKET")


def amount(text: str) -> Decimal:
    """A price or a volume from the command line, exact.

    Raises:
        argparse.ArgumentTypeError: it is no number above 0 that the gateway takes.
    """
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?|\.[0-9]{1,12}", text, re.ASCII) is not None:
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = Decimal(0)
        if value > 0:
            return value
    raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a number above 0, such as 0.10")


def moment(text: str) -> int:
    """Unix milliseconds of a time: `30m`, `2h`, `1d` from now, or ISO 8601 with its zone.

    Raises:
        argparse.ArgumentTypeError: it is neither.
    """
    span = re.fullmatch(r"([0-9]{1,6})([smhd])", text, re.ASCII)
    if span is not None and int(span[1]) > 0:
        return int((time.time() + int(span[1]) * _UNITS_S[span[2]]) * 1000)
    found = msc_from_iso(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no time; give 30m, 2h, 1d, or 2026-11-23T09:00:00Z")
    return found


def ticket_number(text: str) -> int:
    """A ticket from the command line.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if re.fullmatch(r"[0-9]{1,20}", text, re.ASCII) is None or not 1 <= int(text) <= MAX_TICKET:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no ticket; `quantmind positions` and `orders` show them")
    return int(text)


def _key(text: str) -> str:
    if not 1 <= len(text) <= MAX_ID or not (text.isascii() and text.isprintable()):
        raise argparse.ArgumentTypeError(f"a key has 1 to {MAX_ID} printable ASCII characters")
    return text


# Each position has a key of its own, which the same --key gives again.
def _key_of(key: str, ticket: int) -> str:
    own = f"{key}-{ticket}"
    return own if len(own) <= MAX_ID else hashlib.blake2b(own.encode(), digest_size=16).hexdigest()


def _comment(text: str) -> str:
    if len(text) > MAX_COMMENT or not text.isprintable():
        raise argparse.ArgumentTypeError(f"a comment has at most {MAX_COMMENT} printable characters")
    return text


def _kind(options: argparse.Namespace) -> tuple[str, Decimal | None]:
    if options.limit is not None:
        return "limit", options.limit
    if options.stop is not None:
        return "stop", options.stop
    return "market", None


def _iso(msc: int | None) -> str | None:
    if msc is None:
        return None
    # Not by `fromtimestamp`, which refuses times before 1970 on Windows.
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=msc)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _given(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}
