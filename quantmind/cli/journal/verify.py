"""`quantmind journal verify`: whether a journal, or an export of one, is as it was written."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import attrs

from quantmind.adapters.journal.audit import Report, verify_export, verify_journal
from quantmind.adapters.journal.exports import time_of
from quantmind.adapters.journal.lines import HASH_BYTES
from quantmind.adapters.journal.verify import Noted
from quantmind.cli.gateway import as_json
from quantmind.cli.output import complain, printable
from quantmind.domain.clock import iso_from_msc
from quantmind.errors import EXIT_REFUSED, EXIT_USAGE
from quantmind.records import Entry

SQLITE: Final = b"SQLite format 3\0"
LONGEST: Final = 64 * 1024 * 1024
"""A line of an export that is longer is none."""


def run_verify(path: Path, options: argparse.Namespace) -> int:
    """Check and say what was found; 0 if it is as it was written, else 1."""
    try:
        begins = _beginning(path)
        if begins is None or begins == SQLITE:
            if options.selection:
                complain("quantmind: --selection is for an export; a journal has all of its lines")
                return EXIT_USAGE
            report = verify_journal(path, now=time.time(), noted=options.head)
        elif begins.startswith(b"{"):
            with path.open("rb") as file:
                lines = _lines(file)
                report = verify_export(lines, now=time.time(), noted=options.head, selection=options.selection)
        else:
            complain(
                f"quantmind: {path} is no journal, and no export of one in JSON lines (of CSV nothing can be proven)"
            )
            return EXIT_USAGE
    except KeyboardInterrupt:
        complain("quantmind: interrupted; nothing is proven")
        return EXIT_REFUSED
    except OSError as error:
        complain(f"quantmind: {path} can't be read: {error.strerror or error}")
        return EXIT_REFUSED
    print(as_json(_as_dict(report)) if options.json else _in_words(path, report), flush=True)
    return 0 if report.ok else EXIT_REFUSED


def head(text: str) -> Noted:
    """A head as it was printed: SEQ:HASH."""
    seq, _, hashed = text.partition(":")
    try:
        found = Noted(int(seq), bytes.fromhex(hashed))
    except ValueError:
        found = None
    if found is None or found.seq < 1 or len(found.hash) != HASH_BYTES:
        message = f"{text[:100]!r} is no head; it is as `quantmind journal verify` prints it, SEQ:HASH"
        raise argparse.ArgumentTypeError(message)
    return found


def _beginning(path: Path) -> bytes | None:
    """The first bytes; None if there is no such file. Closed before SQLite opens it, whose locks would go with it."""
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE)) or None
    except FileNotFoundError:
        return None


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(LONGEST):
        yield line


def _in_words(path: Path, report: Report) -> str:
    told = [("journal", str(path)), ("lines", f"{report.lines}")]
    told += [(name, f"{line.seq}  {time_of(line)}") for name, line in _ends(report) if line.kind]
    if report.pruned is not None and report.pruned_at_us is not None:
        at = iso_from_msc(report.pruned_at_us // 1000)
        told.append(("pruned", f"1 to {report.pruned.through}, last at {at} ({report.pruned.why})"))
    if report.last is not None:
        told.append(("head", f"{report.last.seq}:{report.last.hash.hex()}"))
    told += [("note", note) for note in report.notes]
    if report.note_count > len(report.notes):
        told.append(("note", f"and {report.note_count - len(report.notes)} more like these"))
    told += [("FAULT", str(fault)) for fault in report.faults]
    if report.fault_count > len(report.faults):
        told.append(("FAULT", f"and {report.fault_count - len(report.faults)} more"))
    verdict = "no fault found" if report.ok else f"NOT as it was written: {report.fault_count} faults"
    return "\n".join(f"{name:<8} {printable(text)}" for name, text in [*told, ("verdict", verdict)])


def _ends(report: Report) -> list[tuple[str, Entry]]:
    return [(name, line) for name, line in (("first", report.first), ("last", report.last)) if line is not None]


def _as_dict(report: Report) -> dict[str, Any]:
    pruned = None
    if report.pruned is not None and report.pruned_at_us is not None:
        pruned = {
            "through": report.pruned.through,
            "time": iso_from_msc(report.pruned_at_us // 1000),
            "why": report.pruned.why,
        }
    ends = dict(_ends(report))
    return {
        "ok": report.ok,
        "lines": report.lines,
        **{name: {"seq": line.seq, "time": time_of(line)} for name, line in ends.items()},
        "pruned": pruned,
        "head": f"{ends['last'].seq}:{ends['last'].hash.hex()}" if "last" in ends else None,
        "fault_count": report.fault_count,
        "faults": [attrs.asdict(fault) for fault in report.faults],
        "note_count": report.note_count,
        "notes": list(report.notes),
    }
