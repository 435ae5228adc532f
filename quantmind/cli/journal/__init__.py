"""`quantmind journal`: read the record of what was decided and done, and check that nobody has changed it.

It reads the file in the state folder itself, so it works while the gateway runs, and when it does not.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from quantmind.adapters.state_folder import StateFolder
from quantmind.cli.journal import source
from quantmind.cli.journal.export import run_export
from quantmind.cli.journal.show import run_show
from quantmind.cli.journal.tail import run_tail
from quantmind.cli.journal.verify import head, run_verify
from quantmind.cli.output import complain, leave_stdout
from quantmind.config import Config
from quantmind.errors import EXIT_UNAVAILABLE, JournalDown

WORK: Final[Mapping[str, Callable[[Path, argparse.Namespace], int]]] = {
    "tail": run_tail,
    "show": run_show,
    "export": run_export,
    "verify": run_verify,
}


def read_configured(config: Config, options: argparse.Namespace) -> int:
    """Read the journal in this configuration's state folder."""
    return read_journal(StateFolder(config.gateway.state_dir).journal, options)


def named_file(options: argparse.Namespace) -> Path | None:
    """The file that is named on the command line; None: the one of the state folder is meant."""
    named: Path | None = options.file or getattr(options, "copy", None)
    return named


def read_journal(path: Path, options: argparse.Namespace) -> int:
    """Read the journal in a file; the exit code."""
    try:
        return WORK[options.work](path, options)
    except JournalDown as error:
        complain(f"quantmind: {error}")
        return EXIT_UNAVAILABLE
    except OSError as error:
        return leave_stdout(error)


def add_journal(commands: Any, common: argparse.ArgumentParser) -> None:
    """The subcommands and their options."""
    parser = commands.add_parser("journal", help="read the record of what was decided and done, and check it")
    works = parser.add_subparsers(dest="work", required=True, metavar="WORK")
    file = argparse.ArgumentParser(add_help=False)
    file.add_argument("--file", type=Path, metavar="FILE", help="a journal elsewhere, such as a copy")
    parents = [common, file]

    tails = works.add_parser("tail", parents=parents, help="show the newest lines")
    tails.add_argument("-n", type=source.count, default=20, metavar="N", help="so many (default: 20)")
    tails.add_argument("--follow", "-f", action="store_true", help="go on with what comes, until Ctrl-C")
    _add_filters(tails)

    shows = works.add_parser("show", parents=parents, help="show a line, or all about an order or a command")
    shows.add_argument("seq", type=source.number, nargs="?", metavar="SEQ", help="the line of this number")
    shows.add_argument("--order", metavar="ID", help="all about this order (`order_id` of its answer)")
    shows.add_argument("--request", metavar="ID", help="all about the command with this request id")
    shows.add_argument("--ea", metavar="NAME", help="and of this EA")

    exports = works.add_parser("export", parents=parents, help="write lines to a file")
    exports.add_argument("target", metavar="TARGET", help="the file, or - for standard output")
    exports.add_argument("--format", choices=("jsonl", "csv"), default="jsonl", help="default: jsonl")
    exports.add_argument("--after", type=source.number, default=0, metavar="SEQ", help="lines after this one")
    exports.add_argument("--since", type=source.moment, metavar="TIME", help="as 2026-11-23T09:00:00Z")
    _add_filters(exports)

    verifies = works.add_parser("verify", parents=parents, help="check that it is as it was written")
    verifies.add_argument("copy", type=Path, nargs="?", metavar="FILE", help="a copy, or an export in JSON lines")
    verifies.add_argument(
        "--head", type=head, metavar="SEQ:HASH", help="as an earlier check printed it, and somebody noted it elsewhere"
    )
    verifies.add_argument("--selection", action="store_true", help="of this export lines were left out on purpose")


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kinds", type=source.kinds, metavar="KINDS", help="only these, as intent,outcome")
    parser.add_argument("--broker", metavar="NAME", help="only of this account")
    parser.add_argument("--ea", metavar="NAME", help="only of this EA")
    parser.add_argument("--request", metavar="ID", help="only with this request id")
    parser.add_argument("--order", metavar="ID", help="only of this order")
