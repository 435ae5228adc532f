"""Several recordings as one: by time, each tick once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_recordings import SPECS, START_MSC

from quantmind.adapters.mock import Recording, Replay, ReplayError
from quantmind.adapters.mock.recordings import Merged
from quantmind.adapters.mock.recordings.merge import MOST_FILES
from quantmind.domain.quotes import Quote

DAY_MS = 86_400_000


def day(
    folder: Path, symbol: str, times: list[int], date: str = "20140508", crossed: frozenset[int] = frozenset()
) -> Path:
    path = folder / f"{date}_{symbol}_tick_quote.csv"
    lines = [f"{ms},{1.3 if n in crossed else 1.1},1.2\n" for n, ms in enumerate(times)]
    path.write_text("".join(lines), encoding="ascii", newline="\n")
    return path


def opened(*paths: Path) -> Merged:
    return Merged([Recording(path).open(SPECS) for path in paths])


def read_all(merged: Merged, limit: int = 7) -> tuple[list[Quote], int]:
    quotes: list[Quote] = []
    crossed = 0
    for _ in range(100_000):
        more, dropped = merged.take(limit)
        assert len(more) <= limit
        quotes += more
        crossed += dropped
        if merged.ended or merged.error is not None:
            return quotes, crossed
    raise AssertionError("it does not end")


def test_ticks_come_in_order_of_time(tmp_path: Path) -> None:
    """At the same time the file that began earlier comes first."""
    merged = opened(day(tmp_path, "nzdusd", [1, 5, 9]), day(tmp_path, "eurusd", [0, 5, 6, 20]))
    quotes, _ = read_all(merged)
    assert [(q.symbol[:3], q.time_msc - START_MSC) for q in quotes] == [
        ("EUR", 0),
        ("NZD", 1),
        ("EUR", 5),
        ("NZD", 5),
        ("EUR", 6),
        ("NZD", 9),
        ("EUR", 20),
    ]


@given(
    first=st.lists(st.integers(0, 500), min_size=1, max_size=200).map(sorted),
    second=st.lists(st.integers(0, 500), min_size=1, max_size=200).map(sorted),
    crossed=st.frozensets(st.integers(0, 200), max_size=150),
    limit=st.integers(1, 100),
)
@settings(max_examples=100, deadline=None)
def test_nothing_is_lost_or_doubled(
    tmp_path_factory: pytest.TempPathFactory, first: list[int], second: list[int], crossed: frozenset[int], limit: int
) -> None:
    """However many are taken at a time, and with stretches of crossed quotes in one of them."""
    folder = tmp_path_factory.mktemp("m")
    merged = opened(day(folder, "eurusd", first, crossed=crossed), day(folder, "nzdusd", second))
    quotes, dropped = read_all(merged, limit)
    kept = [ms for n, ms in enumerate(first) if n not in crossed]
    assert [q.time_msc - START_MSC for q in quotes] == sorted(kept + second)
    assert [q.time_msc - START_MSC for q in quotes if q.symbol == "EURUSD"] == kept
    assert dropped == len(first) - len(kept)


def test_day_after_day_of_a_symbol(tmp_path: Path) -> None:
    """In whichever order the files are named."""
    days = [day(tmp_path, "eurusd", [0, 1], "20140509"), day(tmp_path, "eurusd", [5, DAY_MS], "20140508")]
    quotes, _ = read_all(opened(*days))
    assert [q.time_msc - START_MSC for q in quotes] == [5, DAY_MS, DAY_MS, DAY_MS + 1]


def test_two_recordings_of_a_symbol_at_the_same_time_are_a_fault(tmp_path: Path) -> None:
    """Nobody could say which price was the broker's."""
    (tmp_path / "b").mkdir()
    merged = opened(day(tmp_path, "eurusd", [0, 5, 9]), day(tmp_path / "b", "eurusd", [2, 6, 7]))
    quotes, _ = read_all(merged)
    assert len(quotes) == 2
    assert "both have EURUSD" in str(merged.error)


def test_a_bad_line_stops_all_after_what_is_older(tmp_path: Path) -> None:
    """And is named."""
    bad = day(tmp_path, "eurusd", [0, 5])
    with bad.open("a", encoding="ascii") as file:
        file.write("hello\n")
    merged = opened(bad, day(tmp_path, "nzdusd", [1, 6, 7]))
    quotes, _ = read_all(merged)
    assert [q.time_msc - START_MSC for q in quotes] == [0, 1, 5]
    assert f"{bad}, line 3" in str(merged.error)
    assert merged.take(5) == ([], 0)


def test_the_number_of_files_is_bounded() -> None:
    """Each is open."""
    with pytest.raises(ReplayError, match="401 recordings at once"):
        Merged([None] * (MOST_FILES + 1))  # type: ignore[list-item]


def test_a_replay_of_several_files_keeps_the_recorded_gaps(tmp_path: Path) -> None:
    """Between the files, too; and it lets all of them go when one can't be opened."""
    paths = [day(tmp_path, "eurusd", [0, 2000]), day(tmp_path, "nzdusd", [1000, 3000])]
    feed = Replay(paths[0], more_paths=paths[1:], specs=SPECS)
    feed.open()
    seen = [[quote.time_msc - START_MSC for quote in feed.advance(10.0 + at).quotes] for at in (0, 1, 2, 3.5)]
    assert seen == [[0], [1000], [2000], [3000]]
    assert feed.advance(20.0).ended
    feed.close()
    missing = Replay(paths[0], more_paths=[tmp_path / "20140508_usdjpy_tick_quote.csv"], specs=SPECS)
    with pytest.raises(ReplayError, match=r"usdjpy.*no such file"):
        missing.open()


def test_a_zone_that_is_none_is_refused_at_once(tmp_path: Path) -> None:
    """Before anything is opened."""
    with pytest.raises(ValueError, match="zone 'Mars/Olympus' is not known"):
        Replay(tmp_path / "x", specs=SPECS, zone="Mars/Olympus")
