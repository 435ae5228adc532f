"""`quantmind positions` and `quantmind orders`: what is open, and what waits for its price."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from quantmind.cli.gateway import as_json, ask_gateway, brokers_of
from quantmind.client.rest import RestClient
from quantmind.config import Config

_PLACE = ("ticket", "broker", "symbol", "side")
_SMALL = ("magic", "comment", "time")
_POSITIONS = (*_PLACE, "volume", "price_open", "price_current", "sl", "tp", "profit", "swap", *_SMALL)
_ORDERS = (*_PLACE, "order_type", "volume", "price", "sl", "tp", "expiration", *_SMALL)
_TEXTS = frozenset({"broker", "symbol", "side", "order_type", "comment", "time", "expiration"})


def positions(config: Config, options: argparse.Namespace) -> int:
    """Show the open positions of one account, or of all."""
    return ask_gateway(config, options, lambda client, given: _show(client, given, "positions", _POSITIONS))


def orders(config: Config, options: argparse.Namespace) -> int:
    """Show the pending orders of one account, or of all."""
    return ask_gateway(config, options, lambda client, given: _show(client, given, "orders", _ORDERS))


def listed(client: RestClient, kind: str, broker: str | None, symbol: str | None) -> list[dict[str, Any]]:
    """Positions or pending orders, of every account where none is named."""
    brokers = brokers_of(client, broker)
    known = symbol is not None and len(brokers) > 1
    return [
        item
        for name in brokers
        # Where several are asked, one may not have the symbol, which is no error.
        for item in client.items(f"/{kind}", broker=name, symbol=None if known else symbol)
        if symbol in (None, item["symbol"])
    ]


def _show(client: RestClient, options: argparse.Namespace, kind: str, columns: Sequence[str]) -> int:
    items = listed(client, kind, options.broker, options.symbol)
    if options.json:
        print(as_json({"items": items}), flush=True)
    elif items:
        print(table(columns, items), flush=True)
    else:
        print("no open positions" if kind == "positions" else "no pending orders", flush=True)
    return 0


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
    text = str(value)
    # A broker's comment may hold anything; a terminal must not obey it.
    return text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)
