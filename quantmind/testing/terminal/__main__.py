"""`python -m quantmind.testing.terminal`: a terminal to try programs against, with faults to order."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from quantmind.config.brokers import MockBrokerConfig, SymbolOverrides
from quantmind.testing.terminal.fake import FakeTerminal
from quantmind.testing.terminal.faults import Faults


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C."""
    options = _parser().parse_args(arguments)
    symbols = {symbol: SymbolOverrides() for symbol in options.symbols.split(",") if symbol}
    config = MockBrokerConfig(name="terminal", symbols=symbols, margin_mode=options.margin_mode, login=options.login)
    options.folder.mkdir(parents=True, exist_ok=True)
    with FakeTerminal(config, offset_s=round(options.server_offset_h * 3600)) as terminal:
        path = terminal.serve(options.folder)
        for name, value in options.fault:
            setattr(terminal.faults, name, value)
        terminal.run_walk(seed=options.seed)
        sys.stdout.write(
            f"a made-up terminal with login {options.login} and {', '.join(symbols)}; for brokers.yaml:\n\n"
            f"brokers:\n  demo:\n    type: mt5\n    module: quantmind.testing.mt5\n    path: {path}\n\n"
            "Ctrl-C ends it\n"
        )
        sys.stdout.flush()
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m quantmind.testing.terminal", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(), help="where the file that leads to it is written")
    parser.add_argument("--symbols", default="EURUSD,USDJPY,XAUUSD", help="with commas between them")
    parser.add_argument("--login", type=int, default=1)
    parser.add_argument("--margin-mode", choices=("hedging", "netting"), default="hedging")
    parser.add_argument("--server-offset-h", type=float, default=2.0, help="hours its clock is ahead of UTC")
    parser.add_argument("--seed", type=int, default=1, help="the same one makes the same prices")
    names = ", ".join(sorted(field.name for field in attrs.fields(Faults)))
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        type=_fault,
        metavar="NAME[=VALUE]",
        help=f"something that goes wrong; may be repeated: {names}",
    )
    return parser


def _fault(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    field = next((field for field in attrs.fields(Faults) if field.name == name), None)
    if field is None:
        raise argparse.ArgumentTypeError(f"there is no fault {name!r}")
    kind: Any = type(field.default)
    try:
        if kind is bool:
            return name, {"": True, "true": True, "false": False}[value]
        return name, kind(value)
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"{name} must be of the kind {kind.__name__}, was {value!r}") from None


if __name__ == "__main__":
    sys.exit(main())
