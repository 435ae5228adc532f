"""Lines outside of the journal: as they stand, provable by us and by anybody."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.adapters.journal.random_journal import PAST, WHOLE, Past, Prune, content, editing
from unit.adapters.journal.test_verify import found, lived

from quantmind.adapters.journal.audit import Report, verify_export
from quantmind.adapters.journal.exports import FIELDS, before_each, json_line
from quantmind.adapters.journal.lines import mend, tolerate
from quantmind.adapters.journal.pages import read_page
from quantmind.adapters.journal.readonly import open_to_read
from quantmind.adapters.journal.verify import Noted
from quantmind.ports import LogQuery
from quantmind.records import Event

BRIEF = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
PAGE = Path(__file__).parents[4] / "docs" / "journal.md"
(SNIPPET,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def exported(past: Past, **ask: Any) -> list[str]:
    with open_to_read(past.path) as connection:
        tolerate(connection)
        lines = read_page(connection, LogQuery(limit=10_000, **ask), made=mend).entries
        befores = before_each(connection, lines)
    return [json_line(line, before) for line, before in zip(lines, befores, strict=True)]


def verified(past: Past, lines: list[str], **how: Any) -> Report:
    return verify_export([f"{line}\n".encode() for line in lines], now=past.now, **how)


@BRIEF
@given(steps=PAST)
def test_an_export_is_proven(folder, steps):
    """Whole, or from some line on; and its head is that of the journal."""
    past = lived(folder, steps)
    lines = exported(past)
    seq, *_, hashed = content(past.path)["log"][-1]
    report = verified(past, lines, noted=Noted(seq, hashed))
    assert report.faults == ()
    assert report.lines == len(lines)
    assert report.last is not None
    assert (report.last.seq, report.last.hash) == (seq, hashed)
    for index in range(1, len(lines)):
        assert verified(past, lines[index:]).ok


@BRIEF
@given(steps=PAST)
def test_a_selection_is_proven_line_by_line(folder, steps):
    """What was left out on purpose is no gap, and each line that is there proves itself by `prev`."""
    past = lived(folder, steps)
    lines = exported(past, kinds=frozenset({"intent", "outcome", "deal"}))
    if lines:
        report = verified(past, lines, selection=True)
        assert report.faults == ()
        assert report.notes == ()


@BRIEF
@given(steps=WHOLE, line=st.integers(0, 10**6), field=st.sampled_from(FIELDS), how=st.integers(0, 10**6))
def test_an_edit_of_an_export_is_found(folder, steps, line, field, how):
    """Any field of any line; a letter of a body, too."""
    past = lived(folder, steps)
    lines = exported(past)
    index = line % len(lines)
    values = json.loads(lines[index])
    body = lines[index].split(',"body":', 1)[1][:-1]
    if field == "body":
        place = how % len(body)
        body = body[:place] + "7" + body[place + 1 :] if body[place] != "7" else body[:place] + body[place + 1 :]
    elif isinstance(values[field], int):
        values[field] += 1
    else:
        values[field] = values[field][:-1] if values[field] else "x"
    head = json.dumps({name: values[name] for name in FIELDS[:-1]}, ensure_ascii=False, separators=(",", ":"))
    lines[index] = f'{head[:-1]},"body":{body}}}'
    found(verified(past, lines))


@BRIEF
@given(steps=WHOLE, ends=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)))
def test_a_gap_or_a_swap_in_an_export_is_found(folder, steps, ends):
    """Between its first and its last line."""
    past = lived(folder, [*steps, [Event("e", None, {}, 0.0)] * 2])
    lines = exported(past)
    first, last = sorted(end % (len(lines) - 2) for end in ends)
    assert "missing" in found(verified(past, lines[: first + 1] + lines[last + 2 :]))
    swapped = list(lines)
    swapped[first], swapped[last + 1] = lines[last + 1], lines[first]
    found(verified(past, swapped))
    assert verified(past, lines[:first] + lines[last + 1 :], selection=True).ok


def test_what_an_export_does_not_know(folder):
    """A cut at its end shows only by a head that was noted; one in the middle of a line always."""
    past = lived(folder, [[Event("e", None, {}, 0.0)] * 3])
    lines = exported(past)
    seq, *_, hashed = content(past.path)["log"][-1]
    assert verified(past, lines[:-1]).ok
    assert "taken off its end" in found(verified(past, lines[:-1], noted=Noted(seq, hashed)))
    assert "row 4 of the export" in found(verified(past, [*lines[:-1], lines[-1][:-5]]))


def test_the_first_line_that_is_kept_says_what_was_before(folder):
    """After a prune by the line that tells of it, which the export has."""
    past = lived(folder, [[Event("e", None, {}, 0.0)] * 30])
    gone = content(past.path)["log"][6]
    past.live([Prune(small=True)])
    lines = exported(past)
    assert json.loads(lines[0])["prev"] == gone[8].hex()
    assert verified(past, lines).ok
    other = json.loads(lines[0]) | {"prev": "00" * 32}
    assert "says another hash before it" in found(verified(past, [json.dumps(other), *lines[1:]]))


def test_damaged_lines_are_exported_as_far_as_they_can_be_read(folder):
    """What is no body becomes a string, what is no text is replaced, and neither passes."""
    past = lived(folder, [[Event("e", "demo", {}, 0.0)] * 4])
    with editing(past.path) as connection:
        connection.execute("UPDATE log SET body = '{\"a\":' WHERE seq = 2")
        connection.execute("UPDATE log SET body = CAST(x'7b7dff' AS TEXT), at_us = 'then' WHERE seq = 3")
        connection.execute("UPDATE log SET broker = x'ff', kind = 5 WHERE seq = 4")
    lines = exported(past)
    told = [json.loads(line) for line in lines[1:4]]
    assert [each["body"] for each in told] == ['{"a":', "{}\ufffd", {"name": "e"}]
    assert [each["hash"] for each in told] == ["", "", ""]
    assert (told[1]["at_us"], told[2]["broker"], told[2]["kind"]) == (0, "\ufffd", "5")
    assert verified(past, lines).fault_count >= 3


# --- by anybody ----------------------------------------------------------------------------------------------------


@BRIEF
@given(steps=PAST)
def test_the_sums_of_the_page_are_ours(folder, steps):
    """What docs/journal.md shows, on whatever names and bodies hold."""
    past = lived(folder, steps)
    file = folder / "log.jsonl"
    file.write_text("".join(f"{line}\n" for line in exported(past)), encoding="utf-8", newline="")
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(sys, "argv", ["snippet", str(file)])
        exec(compile(SNIPPET, "snippet", "exec"), {})
    head = content(past.path)["log"][-1]
    assert said.getvalue() == f"all lines are as they were written; the head is {head[0]}:{head[8].hex()}\n"


def test_the_program_of_the_page_runs_and_finds_an_edit(folder):
    """As it stands, as somebody copies it."""
    past = lived(folder, [[Event("é\u2028", "demo", {"n": number}, 0.0)] for number in range(5)])
    file = folder / "log.jsonl"
    lines = exported(past)

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", SNIPPET, str(file)], capture_output=True, text=True, timeout=60, check=False
        )

    file.write_bytes("".join(f"{line}\n" for line in lines).encode())
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("all lines are as they were written; the head is 6:")
    file.write_bytes("".join(f"{line}\n" for line in lines).replace('"n":3', '"n":4').encode())
    done = run()
    assert (done.returncode, done.stdout) == (1, "")
    assert "line 5 is not as it was written" in done.stderr
