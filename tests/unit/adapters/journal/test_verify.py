"""The check of a journal: a clean one passes whatever its past, and any single edit of it is found."""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest
from channel_records import day, flattening, hold, mandate
from examples import examples
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from unit.adapters.journal.random_journal import (
    PAST,
    START,
    WHOLE,
    Later,
    Past,
    Prune,
    changed,
    content,
    editing,
)

from quantmind.adapters.journal import schema
from quantmind.adapters.journal.audit import Report, verify_journal
from quantmind.adapters.journal.chain import START as BEFORE_THE_FIRST
from quantmind.adapters.journal.chain import digest
from quantmind.adapters.journal.faults import MOST
from quantmind.adapters.journal.verify import Noted
from quantmind.errors import JournalDown
from quantmind.records import Decision, Entry, Event, Holding, Released, Setting

EXAMPLES = examples(100, 40)
BRIEF = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
NUMBERS = itertools.count()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def lived(folder: Path, steps: list[Any]) -> Past:
    past = Past(folder / f"{next(NUMBERS)}.sqlite3")
    past.live(steps)
    return past


def verified(past: Past, **more: Any) -> Report:
    return verify_journal(past.path, now=past.now + 1.0, **more)


def found(report: Report) -> str:
    assert not report.ok, "nothing was found"
    return "\n".join(map(str, report.faults))


# --- what is clean passes --------------------------------------------------------------------------------------------


@BRIEF
@given(steps=PAST)
def test_a_clean_journal_passes(folder, steps):
    """Whatever was written, pruned and reopened: no fault, and the head is the last line."""
    past = lived(folder, steps)
    report = verified(past)
    assert report.faults == ()
    log = content(past.path)["log"]
    assert report.last is not None
    assert report.first is not None
    assert (report.lines, report.first.seq, report.last.seq) == (len(log), log[0][0], log[-1][0])


@BRIEF
@given(
    steps=st.lists(st.one_of(WHOLE.map(lambda steps: steps[0]), st.floats(-500_000, 500_000).map(Later)), max_size=20)
)
def test_a_clock_that_goes_back_is_no_fault(folder, steps):
    """It is noted, and nothing is taken for a fault because of it."""
    past = lived(folder, steps)
    report = verified(past)
    assert report.faults == ()
    times = [row[1] for row in content(past.path)["log"]]
    steps_back = sum(after < before - 60_000_000 for before, after in itertools.pairwise(times))
    assert report.note_count >= min(steps_back, 1)


@BRIEF
@given(before=WHOLE, after=PAST)
def test_a_migrated_journal_passes(folder, before, after):
    """What an earlier version left, and its rows have no lines, is taken over and no fault."""
    old = lived(folder, before)
    kept = content(old.path)
    past = Past(folder / f"{next(NUMBERS)}.sqlite3", now=old.now + 5, intents=old.intents, decisions=old.decisions)
    with closing(sqlite3.connect(past.path, isolation_level=None)) as connection:
        connection.executescript(schema._VERSION_1 + "PRAGMA user_version = 1;")
        for table in ("keys", "decisions", "settings"):
            for row in kept[table]:
                connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        for row in kept["intents"]:
            connection.execute("INSERT INTO intents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row[:12])
    past.live([[Event("began", None, {}, 0.0)], *after])
    assert verified(past).faults == ()


def test_what_of_a_book_has_no_line_is_no_fault(folder):
    """What an account was seen with last changes all the time; its day and its baseline do not without a line."""
    began = day(at=START)
    past = lived(folder, [[began], [day(at=START + 400, logged=False)]])
    assert verified(past).faults == ()
    with editing(past.path) as connection:
        connection.execute("UPDATE settings SET value = replace(value, '10000.00', '11000.00')")
    assert "settings risk:demo" in found(verified(past))


@pytest.mark.parametrize("record", [hold(at=START), flattening(at=START), mandate(at=START)])
def test_a_hold_without_its_line_is_found(folder, record):
    """Nobody slips in, or out, what holds an account."""
    past = lived(folder, [[record]])
    with editing(past.path) as connection:
        connection.execute("UPDATE settings SET key = key || 'x'")
    assert record.key in found(verified(past))


def test_rows_that_were_slipped_in_beside_those_taken_over(folder):
    """Rows older than the log are no more than it began with."""
    past = Past(folder / "j.sqlite3")
    with closing(sqlite3.connect(past.path, isolation_level=None)) as connection:
        connection.executescript(schema._VERSION_1 + "PRAGMA user_version = 1;")
        connection.execute("INSERT INTO settings VALUES ('state:demo', '{}', ?)", (START - 9,))
    past.live([])
    assert verified(past).ok
    with editing(past.path) as connection:
        connection.execute("INSERT INTO settings VALUES ('state:live', '{}', ?)", (START - 9,))
    assert "2 rows are older than the log" in found(verified(past))


# --- edits of the log are found --------------------------------------------------------------------------------------

COLUMNS = ("at_us", "kind", "broker", "ea_name", "request_id", "order_id", "body", "hash")


@BRIEF
@given(steps=PAST, line=st.integers(0, 10**6), column=st.sampled_from(COLUMNS), how=st.integers(0, 10**4))
def test_an_edit_of_a_line_is_found(folder, steps, line, column, how):
    """Any column of any line, by one bit or letter."""
    past = lived(folder, steps)
    log = content(past.path)["log"]
    row = log[line % len(log)]
    value = changed(row[COLUMNS.index(column) + 1], how)
    with editing(past.path) as connection:
        connection.execute(f"UPDATE log SET {column} = ? WHERE seq = ?", (value, row[0]))
    assert f"line {row[0]}" in found(verified(past)) or "head" in found(verified(past))


@BRIEF
@given(steps=PAST, lines=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**4)), min_size=1, max_size=4))
def test_lines_that_cannot_be_read_are_found_and_nothing_breaks(folder, steps, lines):
    """Bodies that are no JSON any more, also of what has no row."""
    past = lived(folder, steps)
    log = content(past.path)["log"]
    with editing(past.path) as connection:
        for line, how in lines:
            row = log[line % len(log)]
            body = row[COLUMNS.index("body") + 1]
            connection.execute("UPDATE log SET body = ? WHERE seq = ?", (body[: how % len(body)], row[0]))
            connection.execute("DELETE FROM decisions WHERE decision_id = ?", (row[6],))
            connection.execute("DELETE FROM intents WHERE order_id = ?", (row[6],))
            connection.execute("DELETE FROM keys WHERE record_id = ?", (row[6],))
    text = found(verified(past))
    for line, _ in lines:
        seq = log[line % len(log)][0]
        assert f"line {seq}: " in text


@BRIEF
@given(steps=PAST, line=st.integers(0, 10**6), column=st.sampled_from(COLUMNS[1:]))
def test_a_value_of_another_type_is_found(folder, steps, line, column):
    """A text that has become bytes or a number, even where its hash could be made to fit."""
    past = lived(folder, steps)
    log = content(past.path)["log"]
    row = log[line % len(log)]
    value = row[COLUMNS.index(column) + 1]
    with editing(past.path) as connection:
        other = b"q\xa9\xa8" if value is None or isinstance(value, str) else "text"
        connection.execute(f"UPDATE log SET {column} = ? WHERE seq = ?", (other, row[0]))
    assert f"line {row[0]}: " in found(verified(past))


def test_bytes_that_encode_as_the_text_are_found(folder):
    """Bytes whose base64 is the text that was hashed don't stand for it."""
    past = lived(folder, [[Event("e", "demo", {}, 0.0)]])
    with editing(past.path) as connection:
        connection.execute("UPDATE log SET broker = x'75e9a8' WHERE seq = 2")  # base64: demo
    assert "line 2: the name of its broker" in found(verified(past))


@BRIEF
@given(steps=PAST, ends=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)))
def test_missing_lines_are_found(folder, steps, ends):
    """Any line or range, at the beginning, in the middle, at the end, or all."""
    past = lived(folder, steps)
    log = content(past.path)["log"]
    first, last = sorted(log[end % len(log)][0] for end in ends)
    with editing(past.path) as connection:
        connection.execute("DELETE FROM log WHERE seq BETWEEN ? AND ?", (first, last))
    found(verified(past))


@BRIEF
@given(steps=PAST, ends=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)))
def test_swapped_lines_are_found(folder, steps, ends):
    """Two lines that have changed places, hashes and all."""
    past = lived(folder, steps)
    log = content(past.path)["log"]
    one, other = (log[end % len(log)] for end in ends)
    assume(one is not other)
    with editing(past.path) as connection:
        connection.execute("DELETE FROM log WHERE seq IN (?, ?)", (one[0], other[0]))
        for seq, row in ((one[0], other), (other[0], one)):
            connection.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (seq, *row[1:]))
    found(verified(past))


@BRIEF
@given(steps=PAST, after=st.integers(0, 10**6))
def test_a_forged_line_is_found(folder, steps, after):
    """A line `pruned` for what somebody took away, without the hashes that belong to it."""
    past = lived(folder, steps)
    log = content(past.path)["log"]
    last = log[after % len(log)][0]
    seq = log[-1][0] + 1
    body = f'{{"first":{log[0][0]},"through":{last},"lines":{last - log[0][0] + 1},"hash":"{"00" * 32}","why":"age"}}'
    with editing(past.path) as connection:
        connection.execute("DELETE FROM log WHERE seq <= ?", (last,))
        connection.execute(
            "INSERT INTO log VALUES (?, ?, 'pruned', NULL, NULL, NULL, NULL, ?, ?)",
            (seq, round(past.now * 1e6), body, bytes(32)),
        )
        connection.execute("UPDATE head SET seq = ?, hash = ?", (seq, bytes(32)))
    found(verified(past))


def rewrite(connection: sqlite3.Connection, through: int | None = None) -> None:
    """Make the whole chain anew, as somebody can who knows how."""
    before, last = BEFORE_THE_FIRST, 0
    for row in connection.execute("SELECT * FROM log ORDER BY seq").fetchall():
        if through is not None and row[0] > through:
            connection.execute("DELETE FROM log WHERE seq = ?", (row[0],))
            continue
        before, last = digest(before, Entry(*row)), row[0]
        connection.execute("UPDATE log SET hash = ? WHERE seq = ?", (before, last))
    connection.execute("UPDATE head SET seq = ?, hash = ?", (last, before))


@BRIEF
@given(steps=WHOLE, more=WHOLE, line=st.integers(0, 10**6))
def test_a_chain_made_anew_is_found_by_a_head_noted_elsewhere(folder, steps, more, line):
    """What is consistent in itself does not have the hash that somebody has noted, also when it has gone on since."""
    past = lived(folder, steps)
    last = content(past.path)["log"][-1]
    noted = Noted(last[0], last[8])
    past.live(more)
    assert verified(past, noted=noted).ok
    seq = 1 + line % noted.seq
    with editing(past.path) as connection:
        connection.execute("UPDATE log SET at_us = at_us - 1 WHERE seq = ?", (seq,))
        rewrite(connection)
    report = verified(past, noted=noted)
    assert f"line {noted.seq}: its hash is not the one that was noted" in found(report)


@BRIEF
@given(steps=WHOLE, more=WHOLE)
def test_an_end_cut_off_with_its_head_is_found_by_a_head_noted_elsewhere(folder, steps, more):
    """The line that was noted is not there any more."""
    past = lived(folder, steps)
    short = content(past.path)["log"][-1][0]
    past.live(more)
    last = content(past.path)["log"][-1]
    assume(last[0] > short)
    with editing(past.path) as connection:
        rewrite(connection, through=short)
    assert "lines were taken off its end" in found(verified(past, noted=Noted(last[0], last[8])))


def test_a_noted_head_that_was_pruned(folder):
    """One that is the last of what was pruned still can be compared; an older one can't, and that is told."""
    past = lived(folder, [[Event("e", None, {}, 0.0)] * 3, [Event("e", None, {}, 0.0)] * 17])
    log = content(past.path)["log"]
    past.live([Prune(small=True)])
    gone = content(past.path)["log"][0][0] - 1
    assert gone == 7
    assert verified(past, noted=Noted(gone, log[gone - 1][8])).ok
    assert "its hash is not" in found(verified(past, noted=Noted(gone, bytes(32))))
    assert "can't be proven any more" in found(verified(past, noted=Noted(3, log[2][8])))


# --- edits of the tables are found -----------------------------------------------------------------------------------


@BRIEF
@given(
    steps=WHOLE,
    table=st.sampled_from(["intents", "decisions", "keys", "settings", "holdings", "head"]),
    row=st.integers(0, 10**6),
    column=st.integers(0, 10**6),
    how=st.integers(0, 10**4),
)
def test_an_edit_of_a_table_is_found(folder, steps, table, row, column, how):
    """Any column of any row that has its lines."""
    past = lived(folder, steps)
    with editing(past.path) as connection:
        columns = [info[1] for info in connection.execute(f"PRAGMA table_info({table})")]
        given_rows = [each for each in content(past.path)[table] if each[0] != "router:ticks"]
        assume(given_rows)
        chosen = given_rows[row % len(given_rows)]
        name = columns[column % len(columns)]
        value = changed(chosen[columns.index(name)], how)
        same = " AND ".join(f"{each} IS ?" for each in columns)
        try:
            connection.execute(f"UPDATE {table} SET {name} = ? WHERE {same}", (value, *chosen))
        except sqlite3.IntegrityError:
            assume(False)
    found(verified(past))


@BRIEF
@given(
    steps=WHOLE,
    table=st.sampled_from(["intents", "decisions", "keys", "settings", "holdings", "head"]),
    row=st.integers(0, 10**6),
)
def test_a_row_taken_away_is_found(folder, steps, table, row):
    """Within the time that nothing is pruned in."""
    past = lived(folder, steps)
    rows = [each for each in content(past.path)[table] if each[0] != "router:ticks"]
    assume(rows)
    chosen = rows[row % len(rows)]
    with editing(past.path) as connection:
        columns = [info[1] for info in connection.execute(f"PRAGMA table_info({table})")]
        connection.execute(f"DELETE FROM {table} WHERE {' AND '.join(f'{each} IS ?' for each in columns)}", chosen)
    found(verified(past))


@pytest.mark.parametrize(
    ("kind", "says"),
    [("position", "line 3 tells of this row"), ("deal", "line 3 tells of this row")],
)
def test_a_holding_taken_away_is_found_however_old(folder, kind, says):
    """Positions are never pruned, and deals only beyond 10,000."""
    holding = Holding("demo", kind, 7, {"volume": 1}, 0.0)
    past = lived(folder, [[Event("e", None, {}, 0.0), holding], Later(30 * 86_400.0), [Event("e", None, {}, 0.0)]])
    assert verified(past).ok
    with editing(past.path) as connection:
        connection.execute("DELETE FROM holdings")
    assert says in found(verified(past))


def test_a_promise_taken_away_is_found_however_old(folder):
    """What holds back room is never pruned before it is over."""
    common = {"broker": "demo", "ea_name": "a", "magic": 1, "symbol": "EURUSD", "fingerprint": "f", "approved": True}
    promise = Decision("d", request_id="r", body={}, reply={}, at=0.0, reservation={"volume": "1"}, **common)
    other = attrs.evolve(promise, request_id="r2")
    past = lived(folder, [[promise], [other], [Released("1", "over", 0.0)], Later(30 * 86_400.0)])
    past.live([[Event("e", None, {}, 0.0)]])
    assert verified(past).ok
    with editing(past.path) as connection:
        open_one, over = connection.execute(
            "SELECT decision_id, released_at IS NULL FROM decisions ORDER BY released_at IS NULL DESC"
        ).fetchall()
        assert (open_one[1], over[1]) == (1, 0)
        connection.execute("DELETE FROM decisions WHERE decision_id = ?", (over[0],))
        assert verified(past).ok
        connection.execute("DELETE FROM decisions")
    assert f"decisions {open_one[0]}" in found(verified(past))


def test_a_row_without_lines_is_found_after_a_prune(folder):
    """One that is younger than the first line that is kept."""
    past = lived(
        folder,
        [[Event("e", None, {}, 0.0)] * 10, Later(900.0), [Event("e", None, {}, 0.0)], Prune(small=True)],
    )
    assert content(past.path)["log"][0][0] == 8
    with editing(past.path) as connection:
        for ticket, at in ((1, START - 5), (2, past.now - 1.0)):
            connection.execute(
                "INSERT INTO holdings VALUES ('demo', 'position', ?, ?, NULL, '', '{}')", (str(ticket), at)
            )
    report = verified(past)
    assert [fault.where for fault in report.faults] == ["holdings demo position 2"]


# --- the file --------------------------------------------------------------------------------------------------------


@BRIEF
@given(place=st.integers(0, 10**9), bit=st.integers(0, 7))
@example(place=2175, bit=7)  # in the schema: SQLite's own message is no text then
def test_a_flipped_bit_of_the_file_is_found_or_changes_nothing(folder, place, bit):
    """Wherever it is: either it shows, or every row reads as before, except for what has no line."""
    past = lived(folder, [])
    past.live(STEADY)
    before = content(past.path)
    raw = bytearray(past.path.read_bytes())
    raw[place % len(raw)] ^= 1 << bit
    other = past.path.with_name("flipped.sqlite3")
    for suffix in ("", "-wal", "-shm"):
        other.with_name(other.name + suffix).unlink(missing_ok=True)
    other.write_bytes(raw)
    try:
        report = verify_journal(other, now=past.now + 1)
    except JournalDown:
        return
    if report.ok:
        assert content(other) == before


STEADY = [
    [Event("e", "demo", {"n": number}, 0.0), Holding("demo", "deal", number, {"price": number}, 0.0)]
    for number in range(40)
] + [[Setting("state:demo", {"state": "halted"}, 0.0)]]


def test_a_changed_schema_is_found(folder):
    """A trigger or a missing index is not of a journal."""
    past = lived(folder, [])
    with editing(past.path) as connection:
        connection.execute("CREATE TRIGGER t AFTER INSERT ON log BEGIN DELETE FROM log WHERE seq = 1; END")
        connection.execute("DROP INDEX log_of_order")
    text = found(verified(past))
    assert "trigger t" in text
    assert "index log_of_order" in text


def test_many_faults_are_counted_and_not_all_told(folder):
    """However much is wrong, the report is bounded."""
    past = lived(folder, [[Event("e", None, {}, 0.0)] * 300])
    with editing(past.path) as connection:
        connection.execute("UPDATE log SET hash = zeroblob(32)")
    report = verified(past)
    assert report.fault_count >= 300
    assert len(report.faults) == MOST


def test_a_journal_that_is_written_meanwhile_passes(folder):
    """The check sees one moment, whatever is committed while it reads."""
    past = lived(folder, [[Event("e", None, {}, 0.0)] * 50])
    with closing(sqlite3.connect(past.path, isolation_level=None)) as writer:
        writing = Past(past.path, past.now)
        original = verify_journal.__globals__["_check_head"]

        def write_first(*given: Any) -> None:
            writing.write(writer, [Event("meanwhile", None, {}, 0.0)])
            original(*given)

        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(verify_journal.__globals__, "_check_head", write_first)
            report = verified(past)
    assert report.ok
    assert report.lines == 51
