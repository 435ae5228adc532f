"""What an installation does to each file: decided from hashes alone, and carried out elsewhere.

A file whose hash is the one in the manifest is as we wrote it and may be replaced. Every other file that is not what
is shipped is somebody's own work, and is never lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import attrs

from quantmind.mql5.manifest import Manifest, is_newer

State = Literal["missing", "current", "older", "newer", "edited", "withdrawn", "withdrawn_edited"]
"""Of a file in a terminal: `older` and `newer` are as an earlier or later version wrote them; `withdrawn` is no longer
shipped."""

Kind = Literal["write", "replace", "back_up", "keep", "remove", "leave"]
"""`write` where nothing is, `replace` what is ours, `back_up` and then write, `keep` an edited file as was asked,
`remove` what is no longer shipped, `leave` such a file because it was edited."""

CHANGING: Final[frozenset[Kind]] = frozenset({"write", "replace", "back_up", "remove"})


@attrs.frozen
class Step:
    kind: Kind
    path: str
    seen: str | None
    """The hash that the file had when this was decided; None: it was not there."""


@attrs.frozen
class Plan:
    steps: tuple[Step, ...]
    """In the order in which they are done: first what goes, so that a name that changes only its case survives."""
    manifest: Manifest
    """Written when all of them are done."""
    label: str
    """What a backup is called by: the version that was edited, else the date."""
    noted: bool
    """The manifest in the terminal says this already."""

    @property
    def changes(self) -> bool:
        return not self.noted or any(step.kind in CHANGING for step in self.steps)


def states(
    shipped: Mapping[str, str], version: str, manifest: Manifest | None, disk: Mapping[str, str | None]
) -> dict[str, State]:
    """How each file stands.

    Args:
        shipped: the hash of each file that this version has.
        version: this version.
        manifest: what an earlier installation noted; None: nothing that can be relied on.
        disk: the hash of each file in the terminal that `shipped` or the manifest names; None: not there.
    """
    noted: Mapping[str, str] = {} if manifest is None else manifest.files
    ahead = manifest is not None and is_newer(manifest.version, version)
    found: dict[str, State] = {}
    for path, wanted in shipped.items():
        there = disk.get(path)
        if there is None:
            found[path] = "missing"
        elif there == wanted:
            found[path] = "current"
        elif there != noted.get(path):
            found[path] = "edited"
        else:
            found[path] = "newer" if ahead else "older"
    for path, was in noted.items():
        there = disk.get(path)
        if path not in shipped and there is not None:
            found[path] = "withdrawn" if there == was else "withdrawn_edited"
    return found


def plan(
    shipped: Mapping[str, str],
    version: str,
    manifest: Manifest | None,
    disk: Mapping[str, str | None],
    *,
    now: str,
    keep_edited: bool = False,
) -> Plan:
    """What to do so that the terminal has this version; arguments as in `states`, `now` in UTC (2026-11-28T…)."""
    kinds: Mapping[State, Kind] = {
        "missing": "write",
        "older": "replace",
        "newer": "replace",
        "edited": "keep" if keep_edited else "back_up",
        "withdrawn": "remove",
        "withdrawn_edited": "leave",
    }
    found = states(shipped, version, manifest, disk)
    steps = [Step(kinds[state], path, disk.get(path)) for path, state in found.items() if state in kinds]
    steps.sort(key=lambda step: step.path in shipped)
    noted: Mapping[str, str] = {} if manifest is None else manifest.files
    kept = {step.path for step in steps if step.kind == "keep"}
    # What is kept stays edited: it goes on being compared with what was written there, if anything was.
    files = {path: digest for path, digest in shipped.items() if path not in kept}
    files |= {path: noted[path] for path in kept if path in noted}
    same = manifest is not None and (manifest.version, dict(manifest.files)) == (version, files)
    label = now[:10].replace("-", "") if manifest is None else manifest.version
    return Plan(tuple(steps), Manifest(version, now, files), label, same)
