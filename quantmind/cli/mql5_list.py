"""`quantmind mql5 list`: which terminals there are, and how each of our files stands there."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from quantmind.cli.gateway import as_json
from quantmind.cli.output import counted, leave_stdout, print_tame
from quantmind.errors import StartError
from quantmind.mql5.install import Seen, look
from quantmind.mql5.plan import State, states
from quantmind.mql5.sources import Shipped
from quantmind.mql5.terminals import Found, Machine, Terminal, at, find

_STATES: Final[dict[State, str]] = {
    "missing": "missing",
    "older": "older, as it was installed",
    "newer": "newer, as it was installed",
    "edited": "edited by you",
    "withdrawn": "no longer shipped",
    "withdrawn_edited": "no longer shipped, and edited by you",
}


def list_all(shipped: Shipped, options: argparse.Namespace) -> int:
    """Show what is shipped and each terminal; the exit code."""
    machine = Machine.this()
    found = Found(tuple(at(path, machine) for path in options.terminal), ()) if options.terminal else find(machine)
    views = [_view(each, shipped) for each in found.terminals]
    try:
        if options.json:
            files = [{"path": path, "sha256": digest} for path, digest in shipped.hashes.items()]
            head = {"version": shipped.version, "folder": plain(shipped.folder), "files": files}
            print(as_json({**head, "terminals": views, "skipped": [plain(each) for each in found.skipped]}), flush=True)
        else:
            print_tame("\n".join(_list_lines(shipped, views, found.skipped)))
    except OSError as error:
        return leave_stdout(error)
    return 0


def _view(terminal: Terminal, shipped: Shipped) -> dict[str, Any]:
    view: dict[str, Any] = {**about(terminal), "installed": None, "state": "unreadable", "files": [], "compile": []}
    try:
        seen = look(terminal.mql5, shipped)
    except StartError as error:
        return {**view, "trouble": [plain(str(error))]}
    found = states(shipped.hashes, shipped.version, seen.manifest, seen.disk)
    files: list[dict[str, str]] = [{"path": path, "state": state} for path, state in found.items()]
    for each in files:
        if each["path"] in seen.refusals:
            each["state"] = "unusable"
    kinds = {each["state"] for each in files} | ({"unusable"} if seen.refusals else set())
    # The first that holds: what the user should know of first.
    order = ("unusable", "edited", "newer", "older", "withdrawn", "withdrawn_edited", "missing")
    state = "not installed" if kinds == {"missing"} else next((each for each in order if each in kinds), "current")
    return {
        **view,
        "installed": None if seen.manifest is None else seen.manifest.version,
        "state": "incomplete" if state == "missing" else state,
        "files": files,
        "compile": list(seen.stale),
        "trouble": _troubles(seen),
    }


def _list_lines(shipped: Shipped, views: Sequence[dict[str, Any]], skipped: Sequence[str]) -> list[str]:
    lines = [f"version {shipped.version} brings {counted(len(shipped.files), 'file')}, from {plain(shipped.folder)}"]
    lines += [f"  {path}" for path in shipped.files]
    if not views:
        lines.append("no terminal was found; name one with --terminal")
    for view in views:
        version = "" if view["installed"] is None else f", version {view['installed']}"
        lines += [f"{view['name']}: {_words(view['state'])}{version}", f"  {view['mql5']}"]
        if view["state"] != "not installed":
            lines += [
                f"  {each['path']}: {_STATES[each['state']]}" for each in view["files"] if each["state"] in _STATES
            ]
        lines += [f"  {each} is older than its source: compile it again" for each in view["compile"]]
        lines += [f"  {each}" for each in view["trouble"]]
    return [*lines, *skipped]


def _words(state: str) -> str:
    return {
        "edited": "installed, with files that were edited by you",
        "withdrawn": "installed, with files that are no longer shipped",
        "withdrawn_edited": "installed, with files that are no longer shipped",
        "unusable": "can't be used as it is",
        "unreadable": "can't be read",
    }.get(state, state)


def about(terminal: Terminal) -> dict[str, Any]:
    """What both commands say of a terminal in JSON."""
    return {
        "name": plain(terminal.name),
        "data": plain(terminal.data),
        "mql5": plain(terminal.mql5),
        "program": None if terminal.program is None else plain(terminal.program),
        "portable": terminal.portable,
    }


def _troubles(seen: Seen) -> list[str]:
    lines = [plain(f"{path}: {why}") for path, why in seen.refusals.items()]
    return lines if seen.damage is None else [*lines, damage(seen)]


def damage(seen: Seen) -> str:
    """What a damaged note means."""
    return (
        f"the note of what was installed can't be used ({seen.damage}): each file that differs is taken for edited, "
        "and what is no longer shipped stays"
    )


def plain(shown: Path | str) -> str:
    """A path, or a text that names one, as JSON can have it: bytes that are no UTF-8 are `?` there."""
    return str(shown).encode("utf-8", "replace").decode()
