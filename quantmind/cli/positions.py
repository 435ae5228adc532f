"""`quantmind positions` and `quantmind orders` alone: what is open, and what waits for its price."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import attrs

from quantmind.cli.gateway import as_json, ask_gateway, brokers_of, say_failure
from quantmind.cli.output import print_tame, printable
from quantmind.client.rest import Refused, RestClient
from quantmind.config import Config
from quantmind.errors import EXIT_REFUSED

_PLACE = ("ticket", "broker", "symbol", "side")
_SMALL = ("magic", "comment", "time")
_POSITIONS = (*_PLACE, "volume", "price_open", "price_current", "sl", "tp", "profit", "swap", *_SMALL)
_ORDERS = (*_PLACE, "order_type", "volume", "price", "sl", "tp", "expiration", *_SMALL)
_TEXTS = frozenset({"broker", "symbol", "side", "order_type", "comment", "time", "expiration", "order_id", "state"})
_TEXTS |= {"ea_name", "asked", "received", "request_id", "rule", "measure"}


def positions(config: Config, options: argparse.Namespace) -> int:
    """Show the open positions of one account, or of all."""
    return ask_gateway(config, options, lambda client, given: _show(client, given, "positions", _POSITIONS))


def orders(config: Config, options: argparse.Namespace) -> int:
    """Show the pending orders of one account, or of all."""
    return ask_gateway(config, options, lambda client, given: _show(client, given, "orders", _ORDERS))


@attrs.frozen
class Listed:
    """Positions or pending orders, and the accounts that could not be asked, each with why."""

    items: list[dict[str, Any]]
    failed: dict[str, Refused]

    def say_failures(self, options: argparse.Namespace) -> int:
        """Name each account that is not in the list; the exit code."""
        codes = [say_failure(error, options, about=f"{name} is not in this: ") for name, error in self.failed.items()]
        return max(codes, default=0)


def listed(client: RestClient, kind: str, broker: str | None, symbol: str | None) -> Listed:
    """Positions or pending orders, of every account where none is named.

    One account that can't be asked, or does not trade the symbol, hides nothing of the others.

    Raises:
        Refused: none could be asked, or none trades the symbol.
    """
    items: list[dict[str, Any]] = []
    failed: dict[str, Refused] = {}
    brokers = brokers_of(client, broker)
    for name in brokers:
        try:
            items += client.items(f"/{kind}", broker=name, symbol=symbol)
        except Refused as error:
            failed[name] = error
    if brokers and len(failed) == len(brokers):
        raise next((each for each in failed.values() if each.code != "unknown_symbol"), failed[brokers[0]])
    return Listed(items, {name: error for name, error in failed.items() if error.code != "unknown_symbol"})


def _show(client: RestClient, options: argparse.Namespace, kind: str, columns: Sequence[str]) -> int:
    found = listed(client, kind, options.broker, options.symbol)
    if options.json:
        failed = {name: error.problem for name, error in found.failed.items()}
        print_tame(as_json({"items": found.items, **({"failed": failed} if failed else {})}))
        return EXIT_REFUSED if failed else 0
    if found.items:
        print_tame(table(columns, found.items))
    else:
        print_tame("no open positions" if kind == "positions" else "no pending orders")
    return found.say_failures(options)


def table(columns: Sequence[str], items: Sequence[dict[str, Any]]) -> str:
    """Items as lines with a head: texts to the left, numbers to the right. An empty last column costs no spaces."""
    rows = [[_cell(item.get(column)) for column in columns] for item in items]
    heads = [column.replace("_", " ") for column in columns]
    widths = [max(map(len, cells)) for cells in zip(heads, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in _TEXTS else cell.rjust(width)
            for column, cell, width in zip(columns, cells, widths, strict=True)
        ).rstrip()
        for cells in [heads, *rows]
    )


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return printable(str(value))  # a broker's comment may hold anything
