"""MQL5 programs that hold what the language and its functions are."""

from __future__ import annotations

import signal
import struct
from pathlib import Path

import pytest
from mql5.build import build, require_gpp
from mql5.program import Program, run

PROGRAMS = Path(__file__).parent / "programs"

ENDS = {
    "dynamic": "array out of range in {file}:",
    "fixed": "array out of range in {file}:",
    "table": "array out of range in {file}:",
    "parameter": "array out of range in {file}:",
    "text": "string index out of range in {file}:",
    "pointer": "invalid pointer access in {file}:",
    "deleted": "invalid pointer access in {file}:",
    "twice": "delete of an invalid pointer in {file}:",
    "divide": "zero divide",
    "format wide": 'the format "%d" has %d, which needs an integer of 32 bits, and argument 1 is long',
    "format narrow": 'the format "%I64d" has %I64d, which needs a long or ulong, and argument 1 is int',
    "format real": 'the format "%f" has %f, which needs a double, and argument 1 is int',
    "format text": 'the format "%s" has %s, which needs a string, and argument 1 is int',
    "format bool": 'the format "%d" has %d, which needs an integer of 32 bits, and argument 1 is bool',
    "format few": 'the format "%d %d" has more places than arguments (1)',
    "format many": 'the format "%d" has 2 arguments, and 1 places',
}


@pytest.fixture(autouse=True)
def _compiler() -> None:
    require_gpp()


def held(name: str, folder: Path, *, sanitize: bool = False, **inputs: object) -> list[str]:
    done = run(build(PROGRAMS / f"{name}.mq5", sanitize=sanitize), inputs=inputs, folder=folder)
    assert done.exit_code == 0, done.errors
    assert done.lines[-1].startswith("held "), done.lines
    return done.lines


@pytest.mark.parametrize("sanitize", [False, True], ids=["plain", "sanitized"])
def test_the_language(tmp_path: Path, sanitize: bool) -> None:
    """Literals, macros, arrays, classes, pointers, functions, enums: each as MQL5 has it."""
    lines = held("language", tmp_path, sanitize=sanitize)
    assert lines[0] == "inputs 3 0.5 a b true FRUIT_PEAR 2026.01.02 03:04:05 255,0,0 PERIOD_H1 18446744073709551615"


def test_inputs_are_set_from_outside(tmp_path: Path) -> None:
    """Each kind of input, enums by name and by number."""
    program = build(PROGRAMS / "language.mq5")
    inputs = {
        "InpCount": -7,
        "InpRatio": 1.25,
        "InpText": "é, =",
        "InpOn": False,
        "InpFruit": "FRUIT_PEAR",
        "InpFrom": "2025.12.31 23:59",
        "InpColor": "0,0,255",
        "InpFrame": 16408,
        "InpBig": 9223372036854775808,
    }
    done = run(program, inputs=inputs, folder=tmp_path)
    assert (
        done.lines[0]
        == "inputs -7 1.25 é, = false FRUIT_PEAR 2025.12.31 23:59:00 0,0,255 PERIOD_D1 9223372036854775808"
    )


def test_an_input_that_can_not_be_is_told(tmp_path: Path) -> None:
    """A typing error in a test's input is no zero."""
    done = run(build(PROGRAMS / "language.mq5"), inputs={"InpCount": "many"}, folder=tmp_path)
    assert (done.exit_code, done.errors) == (70, 'critical error: the input InpCount can\'t be "many"\n')


@pytest.mark.parametrize("sanitize", [False, True], ids=["plain", "sanitized"])
def test_functions(tmp_path: Path, sanitize: bool) -> None:
    """Texts, bytes, arrays, numbers, formats, times."""
    held("functions", tmp_path, sanitize=sanitize)


def test_files_and_global_variables(tmp_path: Path) -> None:
    """Within the sandbox, and what one run leaves is there for the next."""
    held("files", tmp_path)
    held("files", tmp_path, InpSecond=True)
    assert {path.name for path in tmp_path.iterdir()} == {"MQL5", "Common", "globals.txt", "globals.txt.lock"}
    assert (tmp_path / "MQL5" / "Files" / "lines.txt").read_bytes() == b"first 1 2.5\r\nh\xe9\r\nlast\r\n"


@pytest.mark.parametrize("case", ENDS)
def test_a_mistake_ends_a_program(tmp_path: Path, case: str) -> None:
    """As a terminal unloads it: nothing is run any more, and the log says where."""
    source = PROGRAMS / "ends.mq5"
    done = run(build(source), inputs={"InpCase": case}, folder=tmp_path)
    assert (done.exit_code, done.lines) == (70, ["begins"])
    assert done.errors.startswith("critical error: " + ENDS[case].format(file=source)), done.errors
    if "{file}" in ENDS[case] and case != "parameter":
        line = int(done.errors.rsplit(":", 1)[1])
        assert f'"{case}"' in "".join(source.read_text().splitlines()[line - 6 : line])


def test_what_is_not_set_is_not_zero(tmp_path: Path) -> None:
    """Locals and items of a new array hold anything in MQL5, and here nothing that looks right."""
    done = run(build(PROGRAMS / "ends.mq5"), inputs={"InpCase": "unset"}, folder=tmp_path)
    assert done.lines == ["begins", "anything", "anything", "goes on"]


def life(folder: Path, environment: dict[str, str] | None = None, **inputs: object) -> Program:
    return Program(build(PROGRAMS / "life.mq5"), inputs=inputs, folder=folder, environment=environment)


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGTERM, 1), (signal.SIGINT, 1), (signal.SIGUSR1, 9)])
def test_an_ea_is_told_why_it_ends(tmp_path: Path, number: signal.Signals, reason: int) -> None:
    """OnDeinit has the reason, whatever ends it."""
    with life(tmp_path) as ea:
        ea.wait_for("first")
        ea.send(number)
        ea.wait_for(f"deinit {reason} {reason} stopped true")
        assert ea.wait() == 0


def test_an_ea_with_other_parameters_begins_again(tmp_path: Path) -> None:
    """Ended with reason 5, and begun with it to be read."""
    with life(tmp_path) as ea:
        ea.wait_for("first")
        ea.send(signal.SIGUSR2)
        ea.wait_for("deinit 5")
        ea.wait_for("init, timer true reason 5")
        ea.wait_for("first")
        assert ea.terminate() == 0


def test_an_ea_that_can_not_begin_is_ended(tmp_path: Path) -> None:
    """OnDeinit is called with reason 8 and the exit code says it."""
    with life(tmp_path, InpInit=1) as ea:
        ea.wait_for("deinit 8")
        assert ea.wait() == 1


def test_an_ea_may_remove_itself(tmp_path: Path) -> None:
    """ExpertRemove: the handler goes on to its end, and then OnDeinit has reason 0."""
    with life(tmp_path, InpRemoveAfter=3) as ea:
        ea.wait_for("deinit 0")
        assert ea.wait() == 0
        assert " timers 3 " in ea.lines[-1]


@pytest.mark.parametrize(
    ("inputs", "least_us"), [({"InpTimerMs": 1}, 10_000), ({"InpTimerMs": 10, "InpBusyMs": 40}, 49_000)]
)
def test_timers_are_no_faster_than_a_terminals(tmp_path: Path, inputs: dict[str, int], least_us: int) -> None:
    """At most once in 10 ms, and one that is late is not made up for."""
    with life(tmp_path, InpRemoveAfter=10, **inputs) as ea:
        words = ea.wait_for("deinit").split()
    assert int(words[words.index("each") + 1]) >= least_us


def test_hours_pass_at_once(tmp_path: Path) -> None:
    """A file shifts the clock and the ticks of a running program, each by its own seconds."""
    clock = tmp_path / "clock"
    clock.write_bytes(struct.pack("<dd", 0.0, 0.0))
    with life(tmp_path, environment={"MQL_CLOCK_FILE": str(clock)}, InpHour=True) as ea:
        ea.wait_for("first")
        clock.write_bytes(struct.pack("<dd", 3601.0, 7201.0))
        ea.wait_for("an hour, and by the ticks two")
        assert ea.terminate() == 0


def test_what_an_ea_tells_its_chart(tmp_path: Path) -> None:
    """An event of its own comes back to it, once."""
    with life(tmp_path, InpRemoveAfter=5) as ea:
        ea.wait_for("chart 1007 -1 2.5 told")
        ea.wait_for("deinit 0")
    assert sum(line.startswith("chart") for line in ea.lines) == 1
