"""`quantmind halt`, `reduce-only`, `flatten` and `release`: what accounts may do, said by hand.

Each is safe to repeat, so where the governor is busy it is asked again.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from quantmind.adapters.state_folder import StateFolder
from quantmind.cli.gateway import as_json, ask_gateway, brokers_of, failed, outcome_unknown
from quantmind.cli.output import complain, counted, printable, say
from quantmind.cli.trading import confirmed
from quantmind.client.rest import OutcomeUnknown, Refused, RestClient, Unreachable
from quantmind.config import Config
from quantmind.errors import EXIT_REFUSED, EXIT_UNAVAILABLE, EXIT_UNKNOWN, EXIT_USAGE, StartError
from quantmind.wire.rest_bodies import MAX_REASON

BY_HAND: Final = "by hand"
WITHIN_S: Final = 60.0
LOOK_EVERY_S: Final = 0.5
BUSY_TRIES: Final = 5
BUSY_WAIT_S: Final = 1.0

_STATES: Final = {"halt": "halted", "reduce-only": "reduce_only", "flatten": "halted", "release": "active"}
COMMANDS: Final = tuple(_STATES)


def set_state(config: Config, options: argparse.Namespace) -> int:
    """Have accounts halted, reduced or released."""
    reason = options.reason.strip() if options.reason is not None else None
    if options.command == "release" and not reason:
        complain("quantmind: --reason is missing: the record keeps why trading goes on")
        return EXIT_USAGE
    # What stops trading is not held up by the form of its reason; what lets it go on may be.
    options.reason = reason if options.command == "release" else printable(reason or BY_HAND)[:MAX_REASON]
    work = _flatten if options.command == "flatten" else _set
    try:
        return ask_gateway(config, options, partial(_with_way_out, config, work))
    except StartError as error:
        raise StartError(f"{error}{_without_gateway(config, options)}", error.exit_code) from None


def _without_gateway(config: Config, options: argparse.Namespace) -> str:
    if options.command == "release":
        return ""
    return f"; the file {StateFolder(config.gateway.state_dir).stop_file} has a gateway halted as soon as it runs"


def _with_way_out(
    config: Config,
    work: Callable[[RestClient, argparse.Namespace], int],
    client: RestClient,
    options: argparse.Namespace,
) -> int:
    """Where nobody answers, or the answer is lost, what to do is another than with orders."""
    try:
        return work(client, options)
    except Unreachable as error:
        line = f"{error}: nothing was set{_without_gateway(config, options)}"
        return failed(options, {"status": "unavailable", "code": "no_gateway", "detail": line}, line, EXIT_UNAVAILABLE)
    except Refused as error:
        if "states" not in error.problem:
            raise
        holds = [(state["broker"], each) for state in error.problem["states"] for each in state["holds"]]
        lines = [
            f"  {name}: {each['rule']} at {each['state']}: {printable(str(each['cause']))}" for name, each in holds
        ]
        if options.broker is None and len(error.problem["states"]) > 1:
            lines.append("  nothing was released; name the others, one by one, with --broker")
        return failed(options, error.problem, "\n".join([str(error), *lines]), EXIT_REFUSED)
    except OutcomeUnknown as error:
        line = f"whether it was set is not known: {error}; look with `quantmind risk`, or say it again: that is safe"
        return outcome_unknown(options, line, error.problem)


def _set(client: RestClient, options: argparse.Namespace) -> int:
    states = _ask(client, options)
    if options.json:
        say(as_json({"status": "success", "states": states}))
    else:
        say("\n".join(_told(each) for each in states))
    return 0


def _ask(client: RestClient, options: argparse.Namespace, *, flatten: bool = False) -> list[dict[str, Any]]:
    for left in reversed(range(BUSY_TRIES)):
        try:
            return client.set_state(_STATES[options.command], options.reason, broker=options.broker, flatten=flatten)
        except Refused as error:
            if error.code != "busy" or not left:
                raise
        time.sleep(BUSY_WAIT_S)
    raise AssertionError("unreachable")


def _told(state: dict[str, Any]) -> str:
    why = "" if state["state"] == "active" else f": {printable(str(state['cause']))}"
    return f"{state['broker']} is {state['state']}{why}"


# --- until flat ------------------------------------------------------------------------------------------------------


def _flatten(client: RestClient, options: argparse.Namespace) -> int:
    brokers = brokers_of(client, options.broker)
    if not options.yes:
        refusal = confirmed(
            f"halt {', '.join(brokers)} and close everything: {_open(client, brokers)}", "Do it?", "nothing was done"
        )
        if refusal is not None:
            return refusal
    states = _ask(client, options, flatten=True)
    if not options.json:
        say("\n".join(_told(each) for each in states))
    try:
        return _follow(client, options, brokers)
    except (Unreachable, Refused) as error:
        line = f"{error}: it is set, and the gateway goes on with it as long as it runs; look with `quantmind risk`"
        return outcome_unknown(options, line)
    except KeyboardInterrupt:
        complain("quantmind: not waited for any longer; the gateway goes on until nothing is left")
        return EXIT_UNKNOWN


def _follow(client: RestClient, options: argparse.Namespace, brokers: list[str]) -> int:
    """Show what is left until nothing is."""
    end, said = time.monotonic() + options.within, ""
    while True:
        left = {name: _left(client, name) for name in brokers}
        goes_on = [name for name in brokers if _wanted(client, name)]
        words = "; ".join(f"{name}: {_words(count)}" for name, count in left.items() if count or name in goes_on)
        if not goes_on and not any(left.values()):
            break
        late = time.monotonic() >= end
        if late or not goes_on:
            why = f"not flat after {options.within:g} s" if late else "it was ended before the account was flat"
            going = "the gateway goes on; look with `quantmind risk`" if goes_on else "look with `quantmind risk`"
            line = f"{why}: {words}; {going}"
            problem = {
                "status": "unknown",
                "code": "not_flat",
                "detail": line,
                "left": {n: dict(c) for n, c in left.items()},
            }
            return failed(options, problem, line, EXIT_UNKNOWN)
        if words != said and not options.json:
            say(words)
        said = words
        time.sleep(LOOK_EVERY_S)
    flat = f"flat: {', '.join(brokers)}; halted until `quantmind release`"
    say(as_json({"status": "success", "flat": brokers}) if options.json else flat)
    return 0


def _wanted(client: RestClient, broker: str) -> bool:
    return any(each["magic"] is None for item in client.risk(broker) for each in item["flattening"])


def _left(client: RestClient, broker: str) -> Counter[str]:
    """How many positions and orders an account has; none that could be read counts as one of each."""
    counts: Counter[str] = Counter()
    for kind in ("positions", "orders"):
        try:
            counts[kind] = sum(1 for _ in client.items(f"/{kind}", broker=broker))
        except Refused:
            counts["unread"] = 1
    return +counts


def _open(client: RestClient, brokers: list[str]) -> str:
    return "; ".join(f"{name} has {_words(_left(client, name))}" for name in brokers)


def _words(count: Counter[str]) -> str:
    if count["unread"]:
        return "it can't be read what is open"
    positions, orders = count["positions"], count["orders"]
    if not positions and not orders:
        return "nothing open"
    return f"{counted(positions, 'position')}, {counted(orders, 'order')}"


# --- the command line ------------------------------------------------------------------------------------------------


def add_parsers(commands: Any, common: argparse.ArgumentParser) -> None:
    """The subcommands' options."""
    helps = {
        "halt": "let nothing be opened, at once",
        "reduce-only": "let positions only be reduced",
        "flatten": "halt, close all positions and take all orders back",
        "release": "let accounts trade again, where no cause stands",
    }
    for name, text in helps.items():
        parser = commands.add_parser(name, parents=[common], help=text)
        parser.add_argument("--broker", metavar="NAME", help="one account (default: all)")
        default = " (must be given)" if name == "release" else f" (default: {BY_HAND})"
        parser.add_argument("--reason", help=f"why; the record keeps it{default}")
        if name == "flatten":
            parser.add_argument("--yes", action="store_true", help="don't ask whether to do it")
            parser.add_argument(
                "--within", type=_seconds, default=WITHIN_S, metavar="S", help=f"wait so long (default: {WITHIN_S:g})"
            )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number of seconds from 0 to 86400")
    return value
