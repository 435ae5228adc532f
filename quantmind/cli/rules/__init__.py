"""`quantmind rules`: the presets that there are, what each rule of one means, and what two have differently.

Needs neither a gateway nor a configuration, but to explain a broker of one.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from quantmind.cli.gateway import as_json
from quantmind.cli.output import complain, leave_stdout
from quantmind.cli.rules.diff import compared, diff_text
from quantmind.cli.rules.explain import (
    about,
    broker_text,
    explained_broker,
    explained_preset,
    preset_text,
    verified_words,
)
from quantmind.cli.rules.words import Money
from quantmind.cli.trading import amount
from quantmind.config import Config
from quantmind.config.presets import Preset, preset, preset_names
from quantmind.config.suggest import suggestion
from quantmind.errors import EXIT_USAGE

_CAPITAL: Final = Decimal(10000)
_CURRENCY: Final = "USD"
_COLUMNS: Final = ("name", "firm", "plan", "phase", "date", "verified")


class _Usage(Exception):
    """What was asked for can't be shown; the text says why and what to write."""


def needs_config(options: argparse.Namespace) -> bool:
    """Whether a broker is asked for, which only a configuration has."""
    return getattr(options, "broker", None) is not None


def rules(options: argparse.Namespace) -> int:
    """Show presets; the exit code."""
    return _shown(lambda: _WORK[options.work](options), options)


def rules_of_broker(config: Config, options: argparse.Namespace) -> int:
    """Explain what holds for a broker; the exit code."""
    return _shown(lambda: _of_broker(config, options), options)


def _shown(work: Callable[[], tuple[Any, str]], options: argparse.Namespace) -> int:
    try:
        found, text = work()
        print(as_json(found) if options.json else text, flush=True)
    except _Usage as error:
        complain(f"quantmind: {error}")
        return EXIT_USAGE
    except OSError as error:
        return leave_stdout(error)
    return 0


def _list(options: argparse.Namespace) -> tuple[Any, str]:
    del options
    found = [about(preset(name)) for name in preset_names()]
    rows = [_COLUMNS, *((*(str(each[key]) for key in _COLUMNS[:-1]), verified_words(each)) for each in found)]
    return {"presets": found}, _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _explain(options: argparse.Namespace) -> tuple[Any, str]:
    if options.preset is None:
        raise _Usage("name a preset, as `quantmind rules list` shows them, or a broker with --broker")
    firm = _preset(options.preset)
    for option, own in (("capital", firm.capital), ("currency", firm.currency)):
        asked = getattr(options, option)
        if None not in (asked, own) and asked != own:
            raise _Usage(f"--{option} {asked}: {firm.name} is for {own}; leave it out, or take another preset")
    money = Money(options.capital or firm.capital or _CAPITAL, options.currency or firm.currency or _CURRENCY)
    found = explained_preset(firm, money)
    return found, preset_text(found)


def _of_broker(config: Config, options: argparse.Namespace) -> tuple[Any, str]:
    for option, text in (("preset", "PRESET"), ("capital", "--capital"), ("currency", "--currency")):
        if getattr(options, option) is not None:
            raise _Usage(f"{text} is not for --broker, whose configuration says it; leave one of them out")
    if options.broker not in config.brokers:
        way_out = suggestion(options.broker, config.brokers, "brokers")
        raise _Usage(f'{config.path} has no broker "{options.broker}"; {way_out}')
    found = explained_broker(config, options.broker)
    return found, broker_text(found)


def _diff(options: argparse.Namespace) -> tuple[Any, str]:
    found = compared(_preset(options.before), _preset(options.after))
    return found, diff_text(found)


def _preset(name: str) -> Preset:
    if name not in preset_names():
        raise _Usage(f'there is no preset "{name}"; {suggestion(name, preset_names(), "presets")}')
    return preset(name)


_WORK: Final[Mapping[str, Callable[[argparse.Namespace], tuple[Any, str]]]] = {
    "list": _list,
    "explain": _explain,
    "diff": _diff,
}


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """The subcommands and their options."""
    parser = commands.add_parser("rules", help="show the rules of prop firms (presets), and those of a broker")
    works = parser.add_subparsers(dest="work", required=True, metavar="WORK")
    works.add_parser("list", parents=[common], help="all presets, with date and how much of each is verified")
    explains = works.add_parser("explain", parents=[common], help="each rule in a plain sentence")
    explains.add_argument("preset", metavar="PRESET", nargs="?", help="as `rules list` names it")
    explains.add_argument("--broker", metavar="NAME", help="what holds for this broker of the configuration, instead")
    explains.add_argument("--capital", type=amount, metavar="MONEY", help="initial capital (default: 10000)")
    explains.add_argument("--currency", type=_currency, metavar="CODE", help="of the amounts (default: USD)")
    diffs = works.add_parser("diff", parents=[common], help="what a second preset has otherwise than a first")
    diffs.add_argument("before", metavar="A")
    diffs.add_argument("after", metavar="B")


def _currency(text: str) -> str:
    if re.fullmatch("[A-Z]{3}", text) is None:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no currency: write three capital letters such as USD")
    return text
