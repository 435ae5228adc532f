"""`quantmind risk`: how each account stands to its limits; `risk baseline` says what a day began with."""

from __future__ import annotations

import argparse
import datetime as dt
import textwrap
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from quantmind.cli.gateway import as_json, ask_gateway, outcome_unknown
from quantmind.cli.output import complain, counted, print_tame, printable, say
from quantmind.cli.positions import table
from quantmind.cli.trading import amount, confirmed
from quantmind.client.rest import OutcomeUnknown, RestClient
from quantmind.config import Config
from quantmind.errors import EXIT_USAGE

_FLOORS: Final = ("rule", "measure", "value", "floor", "room", "used", "next_floor", "state")
_MONEY: Final = ("balance", "equity", "highest_balance", "highest_equity")
_ACTIVE: Final = "active"
_ENDS: Final = {
    "operator": "ends by `quantmind release`",
    "daily_loss": "ends at a reset whose floor holds",
    "max_loss": "ends by `quantmind release`, once the account is above the floor",
}


def risk(config: Config, options: argparse.Namespace) -> int:
    """Show how accounts stand to their limits, or supply a baseline."""
    fault = _fault(options)
    if fault is not None:
        complain(f"quantmind: {fault}")
        return EXIT_USAGE
    return ask_gateway(config, options, _supply if options.what == "baseline" else _show)


def _fault(options: argparse.Namespace) -> str | None:
    given = [f"--{name.replace('_', '-')}" for name in (*_MONEY, "reason") if getattr(options, name) is not None]
    if options.what == "show":
        return f"{given[0]} is for `quantmind risk baseline`" if given else None
    if options.stop_percent is not None:
        return "--stop-percent is for `quantmind risk` alone"
    if options.balance is None:
        return "--balance is missing: what the balance was when the day began"
    if options.reason is None:
        return "--reason is missing: the record keeps how you know"
    return None


def _show(client: RestClient, options: argparse.Namespace) -> int:
    found = client.risk(options.broker, stop_percent=options.stop_percent)
    if options.json:
        print_tame(as_json({"items": found, "next": None}))
    else:
        print_tame("\n\n".join(page(each) for each in found))
    return 0


def _supply(client: RestClient, options: argparse.Namespace) -> int:
    more = {name: value for name in _MONEY[1:] if (value := getattr(options, name)) is not None}
    unlikely = None if options.yes else _unlikely(client, options)
    if unlikely is not None:
        refusal = confirmed(unlikely, "Is it right?", "nothing was supplied")
        if refusal is not None:
            return refusal
    try:
        reply = client.supply_baseline(options.balance, options.reason, broker=options.broker, **more)
    except OutcomeUnknown as error:
        line = f"whether it was taken is not known: {error}; look with `quantmind risk`"
        return outcome_unknown(options, line, error.problem)
    if options.json:
        say(as_json(reply))
        return 0
    missing = reply["missing"]
    left = "nothing is missing any more" if missing is None else f"still missing: {missing}"
    # What was known already is not taken, so it is not said back either.
    began = options.balance if reply["day"] is None else reply["day"]["balance"]
    say(f"taken: the day of {reply['broker']} began with {began}; {left}")
    return 0


def _unlikely(client: RestClient, options: argparse.Namespace) -> str | None:
    """A balance that looks like a slip of the hand: it can't be taken back, and a floor that is too high halts."""
    accounts = client.risk(options.broker)
    now = accounts[0].get("balance") if len(accounts) == 1 else None
    if now is None or accounts[0]["lacks"] is None or abs(options.balance - now) * 10 <= now:
        return None
    return (
        f"the balance of {accounts[0]['broker']} is {now} now, so the day that began with {options.balance} would have "
        f"made {now - options.balance:+}; what is taken can't be changed before the next reset"
    )


# --- a page ----------------------------------------------------------------------------------------------------------


def page(account: dict[str, Any], *, zone: dt.tzinfo | None = None) -> str:
    """An account as people read it. Times of `zone`, the machine's own where none is given."""
    lines = [_line(account["broker"], _state(account["trading"]))]
    lines += [_line("", f"held by {_held(each, zone)}") for each in account["trading"]["holds"]]
    lines += [_line("", f"being flattened: {_flattening(each, zone)}") for each in account["flattening"]]
    if account["at"] is None:
        return "\n".join([*lines, _line("", "the account has not been read yet; look again in a moment")])
    return "\n".join([*lines, *_known(account, zone)])


def _known(account: dict[str, Any], zone: dt.tzinfo | None) -> Iterator[str]:
    currency, room = account["currency"], account["room"]
    preset = "no preset" if account["preset"] == "none" else account["preset"]
    begins = "" if account["initial_capital"] is None else f", initial capital {account['initial_capital']}"
    watching = "; limits are only observed, and refuse nothing" if account["observe_only"] else ""
    yield _line("limits", f"{preset}{begins}, on a breach: {account['on_breach']}{watching}")
    yield _line("account", f"balance {account['balance']}, equity {account['equity']} {currency}")
    yield from _day(account, zone)
    if account["floors"]:
        yield textwrap.indent(table(_FLOORS, [_floor(each) for each in account["floors"]]), " " * 10)
    if account["lacks"] is not None:
        yield _line(
            "missing",
            f"{account['lacks']}; until it is known nothing that adds exposure passes: supply it with `quantmind "
            f"risk baseline --broker {account['broker']} --balance … {_further(account['lacks'])}",
        )
    yield from _worst(account)
    if room["money"] is not None:
        yield from _room(room, currency)
    elif not account["floors"] and account["lacks"] is None:
        yield _line("room", "no floor is set for this account")
    tier = "" if account["tier"] is None else f", tier {account['tier']}"
    yield _line("throttle", f"multiplier {account['risk_multiplier']}{tier}")
    yield from _goals(account)


def _further(lacks: str) -> str:
    """What else has to be said; the highest there ever was is not learned from any reset to come."""
    for name in _MONEY[2:]:
        if name.replace("_", " ") in lacks:
            return f"--{name.replace('_', '-')} … --reason …`"
    equity = "--equity … " if "what equity" in lacks else ""
    return f"{equity}--reason …`, or wait for the next reset"


def _day(account: dict[str, Any], zone: dt.tzinfo | None) -> Iterator[str]:
    day, reset = account["day"], account["reset"]
    if day is not None and day["balance"] is not None:
        equity = "" if day["equity"] is None else f", equity {day['equity']}"
        made = day["made"]
        yield _line(
            "day",
            f"began {local(day['began'], zone)} with balance {day['balance']}{equity} ({day['known_by']}); "
            f"made {made:+} since",
        )
    left = reset["seconds_left"]
    yield _line("reset", f"in {span(left)}, at {reset['at']}, here {local(reset['next'], zone)}")
    breaking = [each["rule"] for each in account["floors"] if each["broken_by_reset"]]
    if breaking:
        yield _line(
            "", f"THE RESET BREAKS {', '.join(breaking)} if nothing changes: its floor is above the account then"
        )


def _worst(account: dict[str, Any]) -> Iterator[str]:
    worst = account["worst_case"]
    if worst is None or not account["floors"]:
        return
    if worst["equity"] is None:
        unknown = "; ".join(worst["unknown"]) or "what an order on its way may lose"
        yield _line("worst", f"not known: {unknown}; set a stop, or assumed_stop_percent")
        return
    promised = f", {worst['promised']} of it for orders on their way" if worst["promised"] else ""
    yield _line(
        "worst", f"equity {worst['equity']} with every stop hit, {worst['equity_at_reset']} over a reset{promised}"
    )


def _room(room: dict[str, Any], currency: str) -> Iterator[str]:
    percent = "" if room["percent_of_equity"] is None else f" ({room['percent_of_equity']} % of equity)"
    when = "" if room["binds_from"] == "now" else " from the next reset on"
    yield _line("room", f"{room['money']} {currency}{percent}; {room['binds']} binds{when}")
    lots = room["lots"]
    if lots is not None and lots["symbols"]:
        each = ", ".join(f"{symbol} {volume}" for symbol, volume in lots["symbols"].items())
        yield _line("", f"in lots, with a stop {lots['stop_percent']} % away: {each}")


def _goals(account: dict[str, Any]) -> Iterator[str]:
    goals, day = account["goals"], account["day"]
    target, days, best = goals["profit_target"], goals["trading_days"], goals["best_day"]
    if target is not None:
        reached = ", reached" if target["reached"] else ""
        yield _line("target", f"{target['percent']} %: a balance of {target['balance']}{reached}")
    if days is not None:
        yield _line("days", f"{days['done']} of {days['needed']} trading days")
    elif day is not None:
        yield _line("days", f"{counted(day['trading_days'], 'trading day')}")
    if best is not None and best["percent"] is not None:
        yield _line("best day", f"{best['percent']} % of all profit, at most {best['at_most_percent']} %")
    if account["trades_today"] is not None:
        yield _line("today", f"{counted(account['trades_today'], 'position')} opened")


def _state(trading: dict[str, Any]) -> str:
    state = str(trading["state"])
    return state if state == _ACTIVE else f"{state.upper()}: {printable(str(trading['cause']))}"


def _held(hold: dict[str, Any], zone: dt.tzinfo | None) -> str:
    since = "" if hold["since"] is None else f", since {local(hold['since'], zone)}"
    ends = _ENDS.get(hold["rule"])
    return f"{hold['rule']} at {hold['state']}{since}: {printable(str(hold['cause']))}{f'; {ends}' if ends else ''}"


def _flattening(item: dict[str, Any], zone: dt.tzinfo | None) -> str:
    what = "everything" if item["magic"] is None else f"magic {item['magic']}"
    only = "" if item["positions"] else ", orders alone"
    return f"{what}{only}, since {local(item['since'], zone)}: {printable(str(item['cause']))}"


def _floor(item: dict[str, Any]) -> dict[str, Any]:
    state = "BROKEN" if item["broken"] else "broken at reset" if item["broken_by_reset"] else "ok"
    return {**item, "used": f"{item['used_percent']} %", "state": state}


def _line(name: str, text: str) -> str:
    return f"{name:<9} {text}"


def span(seconds: int) -> str:
    """A time until something, in its two largest units."""
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min" if minutes else f"{seconds} s"


def local(text: str, zone: dt.tzinfo | None) -> str:
    """A UTC time of the gateway's, on this machine's clock."""
    at = dt.datetime.fromisoformat(text).astimezone(zone)
    return at.strftime("%Y-%m-%d %H:%M %Z").rstrip()


# --- the command line ------------------------------------------------------------------------------------------------


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """The subcommand's options."""
    parser = commands.add_parser(
        "risk",
        parents=[common],
        help="show how accounts stand to their limits; `risk baseline` supplies what is missing",
    )
    parser.add_argument("what", choices=("show", "baseline"), nargs="?", default="show", help="(default: show)")
    parser.add_argument("--broker", metavar="NAME", help="one account (default: all)")
    parser.add_argument(
        "--stop-percent", type=_percent, metavar="X", help="how far away stops are, for the room in lots"
    )
    own = parser.add_argument_group(
        "baseline", "what the account had when its day began; only what is missing is taken"
    )
    own.add_argument("--balance", type=amount, metavar="MONEY")
    own.add_argument("--equity", type=amount, metavar="MONEY")
    own.add_argument("--highest-balance", type=amount, metavar="MONEY", help="that it ever had at a reset")
    own.add_argument("--highest-equity", type=amount, metavar="MONEY", help="that it ever had")
    own.add_argument("--reason", help="how you know; the record keeps it")
    own.add_argument("--yes", action="store_true", help="don't ask where --balance is far from the account's")


def _percent(text: str) -> Decimal:
    value = amount(text)
    if value >= 100:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not below 100")
    return value
