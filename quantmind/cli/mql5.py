"""`quantmind mql5`: put the MQL5 programs that this package brings into terminals, and see where they are.

Needs neither a gateway nor a configuration.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import attrs

from quantmind import __version__
from quantmind.cli.gateway import as_json
from quantmind.cli.mql5_list import about, damage, list_all, plain
from quantmind.cli.output import complain, counted, say
from quantmind.domain.clock import iso
from quantmind.errors import EXIT_REFUSED, EXIT_UNAVAILABLE, EXIT_USAGE, StartError
from quantmind.mql5.install import Done, Seen, carry_out, look, refused
from quantmind.mql5.manifest import is_newer
from quantmind.mql5.plan import Kind, Plan, plan
from quantmind.mql5.sources import Shipped, read_shipped, source_folder
from quantmind.mql5.terminals import Machine, Terminal, at, find

CHECK: Final = "Scripts/QuantMind/CheckSetup.mq5"
_HASH_SHOWN: Final = 4
"""So many characters of a data folder's name are enough for --to, if no other one begins so."""
_DONE: Final[dict[Kind, str]] = {
    "write": "wrote {path}",
    "replace": "replaced {path}",
    "back_up": "{path} was edited by you: copied to {backup}, then replaced",
    "keep": "{path} was edited by you and is kept; this version has another one",
    "remove": "removed {path}, which is no longer shipped",
    "leave": "{path} is no longer shipped, but was edited by you: it stays",
}
_WOULD: Final[dict[Kind, str]] = {
    "write": "would write {path}",
    "replace": "would replace {path}",
    "back_up": "{path} was edited by you: would copy it beside itself, then replace it",
    "keep": "{path} was edited by you and would be kept",
    "remove": "would remove {path}, which is no longer shipped",
    "leave": "{path} is no longer shipped, but was edited by you: it would stay",
}


def mql5(options: argparse.Namespace) -> int:
    """Install or list; the exit code.

    Raises:
        StartError: there is no terminal, or several and none was chosen, or the first thing can't be read.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a user's name may have what a console does not
    shipped = read_shipped(source_folder(), __version__)
    try:
        return list_all(shipped, options) if options.action == "list" else _install(shipped, options)
    except KeyboardInterrupt:
        complain("quantmind: interrupted; what was written is whole, and running it again does the rest")
        return EXIT_UNAVAILABLE


# --- install ---------------------------------------------------------------------------------------------------------


def _install(shipped: Shipped, options: argparse.Namespace) -> int:
    terminals = _chosen(options, Machine.this())
    code, views = 0, []
    for terminal in terminals:
        view = {**about(terminal), "status": "done", "actions": [], "compile": [], "trouble": []}
        try:
            _install_one(terminal, shipped, options, view)
        except StartError as error:
            view["status"] = "refused" if error.exit_code == EXIT_REFUSED else "failed"
            view["trouble"].append(plain(str(error)))
            complain(f"quantmind: {error}")
            code = code or error.exit_code
        views.append(view)
    steps = _next(shipped) if any(view["status"] == "done" for view in views) else []
    if options.json:
        say(as_json({"version": shipped.version, "dry_run": options.dry_run, "terminals": views, "next": steps}))
    elif steps and not options.dry_run:
        say("what is next:")
        for number, step in enumerate(steps, 1):
            say(f"  {number}. {step}")
    return code


def _install_one(terminal: Terminal, shipped: Shipped, options: argparse.Namespace, view: dict[str, Any]) -> None:
    def tell(text: str) -> None:
        if not options.json:
            say(text)

    tell(f"{terminal.name}: {plain(terminal.mql5)}")
    seen = look(terminal.mql5, shipped)
    made = plan(shipped.hashes, shipped.version, seen.manifest, seen.disk, now=_now(), keep_edited=options.keep_edited)
    _refuse(terminal, shipped, seen, made, downgrade=options.downgrade)
    if seen.damage is not None:
        view["trouble"].append(damage(seen))
        tell(f"  {damage(seen)}")
    words = _WOULD if options.dry_run else _DONE
    planned = [Done(step.kind, step.path) for step in made.steps]
    done: list[Done] = []
    for each in planned if options.dry_run else carry_out(made, terminal.mql5, shipped):
        done.append(each)
        view["actions"].append({key: value for key, value in attrs.asdict(each).items() if value is not None})
        if options.dry_run or each.kind not in ("write", "replace"):
            tell("  " + words[each.kind].format(path=each.path, backup=each.backup))
    tell(f"  {_summary(done, shipped, dry_run=options.dry_run)}")
    if not options.dry_run:
        view["compile"] = list(look(terminal.mql5, shipped).stale)
        for program in view["compile"]:
            tell(f"  {program} is older than its source: the terminal runs the old one until it is compiled again")


def _refuse(terminal: Terminal, shipped: Shipped, seen: Seen, made: Plan, *, downgrade: bool) -> None:
    troubles = refused(made, terminal.mql5, seen.refusals)
    if troubles:
        lines = "".join(f"\n  {path}: {why}" for path, why in troubles.items())
        raise StartError(f"nothing was written to {plain(terminal.mql5)}:{lines}", EXIT_REFUSED)
    if seen.manifest is not None and is_newer(seen.manifest.version, shipped.version) and not downgrade:
        message = (
            f"{plain(terminal.mql5)} has version {seen.manifest.version}, which is newer than {shipped.version}: "
            "update this package, or go back on purpose with --downgrade; nothing was written"
        )
        raise StartError(message, EXIT_REFUSED)


def _summary(done: Sequence[Done], shipped: Shipped, *, dry_run: bool) -> str:
    parts = [
        f"{counted(sum(each.kind in kinds for each in done), 'file')} {word}"
        for kinds, word in ((("write",), "new"), (("replace", "back_up"), "replaced"), (("remove",), "removed"))
        if any(each.kind in kinds for each in done)
    ]
    if not parts:
        return f"nothing to write: version {shipped.version} is there"
    return f"version {shipped.version}{' would be' if dry_run else ''}: {', '.join(parts)}"


def _next(shipped: Shipped) -> list[str]:
    """What the user does now, in the words of the terminal's menus."""
    programs = [path for path in shipped.programs if path != CHECK]
    compiled = ", ".join([*programs, *(path for path in shipped.programs if path == CHECK)])
    steps = [
        "open MetaEditor (F4 in the terminal), or choose Refresh in its Navigator if it is open",
        f"open each of these there and compile it with F7: {compiled}" if compiled else "",
        'in the terminal, Tools > Options > Expert Advisors: tick "Allow WebRequest for listed URL" and add 127.0.0.1',
        f"drag {CHECK.removesuffix('.mq5')} from the Navigator to a chart: it says whether the gateway is reached"
        if CHECK in shipped.files
        else "",
    ]
    return [step for step in steps if step]


def _now() -> str:
    return iso(datetime.now(UTC).timestamp())


# --- which terminals -------------------------------------------------------------------------------------------------


def _chosen(options: argparse.Namespace, machine: Machine) -> Sequence[Terminal]:
    """The terminals that are meant.

    Raises:
        StartError: none is there, or which one is meant is not said.
    """
    if options.terminal:
        return list({each.data: each for each in (at(path, machine) for path in options.terminal)}.values())
    found = find(machine)
    for line in found.skipped:
        complain(f"quantmind: {line}")
    if not found.terminals:
        message = (
            "no terminal was found; name its data folder with --terminal (the menu File, Open Data Folder shows it), "
            "and start a terminal once after it was installed"
        )
        raise StartError(message, EXIT_UNAVAILABLE)
    if options.to:
        chosen = {each.data: each for name in options.to for each in [_named(name, found.terminals)]}
        return list(chosen.values())
    if len(found.terminals) > 1 and not options.all:
        message = "there are several terminals; name those that you mean with --to NAME, or take all with --all"
        raise StartError(f"{message}:\n{_names(found.terminals)}", EXIT_USAGE)
    return found.terminals


def _named(name: str, terminals: Sequence[Terminal]) -> Terminal:
    wanted = name.casefold()
    fits = [each for each in terminals if each.name.casefold() == wanted]
    if not fits and len(wanted) >= _HASH_SHOWN:
        fits = [each for each in terminals if each.data.name.casefold().startswith(wanted)]
    if len(fits) == 1:
        return fits[0]
    if not fits:
        raise StartError(f"no terminal is called {name!r}; there are:\n{_names(terminals)}", EXIT_USAGE)
    message = f"{len(fits)} terminals are called {name!r}; name one by how its data folder begins, or with --terminal"
    raise StartError(f"{message}:\n{_names(fits)}", EXIT_USAGE)


def _names(terminals: Sequence[Terminal]) -> str:
    width = max(len(each.name) for each in terminals)
    return "\n".join(f"  {each.name:{width}}  {plain(each.data)}" for each in terminals)


# --- the command line ------------------------------------------------------------------------------------------------


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """The subcommands and their options."""
    text = "put the MQL5 programs (the bridge EA and its libraries) into MetaTrader 5 terminals; see where they are"
    parser = commands.add_parser("mql5", help=text, description=text)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    lists = actions.add_parser("list", parents=[common], help="terminals, what is installed there, what is shipped")
    _add_terminal(lists, "look at this terminal instead of those that are found: its data folder, MQL5 or program")
    text = "copy the programs into a terminal; a file that you edited is copied to a backup before it is replaced"
    installs = actions.add_parser("install", parents=[common], help=text, description=text)
    which = installs.add_mutually_exclusive_group()
    _add_terminal(which, "a terminal's data folder, its MQL5, or the folder of terminal64.exe; may be repeated")
    which.add_argument("--to", nargs="+", metavar="NAME", help="terminals as `mql5 list` names them")
    which.add_argument("--all", action="store_true", help="all terminals that are found")
    installs.add_argument("--keep-edited", action="store_true", help="leave files alone that you edited")
    installs.add_argument("--downgrade", action="store_true", help="also where a newer version is installed")
    installs.add_argument("--dry-run", action="store_true", help="say what would be done, and write nothing")


def _add_terminal(to: Any, text: str) -> None:
    to.add_argument("--terminal", action="append", type=Path, default=[], metavar="PATH", help=text)
