"""The page about this suite says what the suite does."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from conformance.cases import all_cases, rule_of
from conformance.subject import Capability, needs_of
from conformance.subjects import SUBJECTS

PAGE = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text(encoding="utf-8")
CASES = all_cases()


def rows(first: str) -> list[list[str]]:
    """The cells of the table rows whose first cell looks like this."""
    found = re.findall(rf"^\| ({first}) \|(.*)\|$", PAGE, re.MULTILINE)
    return [[head, *(cell.strip() for cell in rest.split("|"))] for head, rest in found]


def test_the_table_is_that_of_the_cases() -> None:
    """Each case stands in it once, in order, with its rule and with what it needs."""
    expected = [
        [number, rule_of(case), ", ".join(f"`{each.name}`" for each in Capability if each in needs_of(case))]
        for number, case in CASES.items()
    ]
    assert rows(r"BC-\d{3}") == expected


def test_the_capabilities_are_those_of_the_suite() -> None:
    """Each stands in their table once, in order, with what it means."""
    assert rows(r"`[A-Z_]+`") == [[f"`{each.name}`", each.value] for each in Capability]


NONE = "\N{EN DASH}"
BROKERS = {
    "`mt5_mock`": ("mock-hedging", "mock-netting", "mock-hedging-kept", "mock-netting-kept"),
    "`mt5`": ("mt5-hedging", "mt5-netting"),
    "`mt5_socket` connect": ("mt5-socket-hedging", "mt5-socket-netting"),
    "`mt5_socket` listen": ("mt5-listen-hedging", "mt5-listen-netting"),
    "listen, bridge EA": ("mt5-ea-hedging", "mt5-ea-netting"),
    "`binance_spot`": ("binance-spot",),
    "`binance_futures`": ("binance-futures", "binance-futures-hedge"),
}


def passed_by(case: Callable[..., Any], names: Sequence[str]) -> str:
    """Of which accounts of a broker it is run: all, or those of a mode, or none."""
    kinds = [each for each in SUBJECTS if each.name in names]
    takers = [each.name for each in kinds if each.lacks(needs_of(case)) is None]
    if not any(mode in name for name in names for mode in ("hedging", "netting")):
        return "yes" if len(takers) == len(kinds) else "one-way" if takers else NONE
    modes = {mode for mode in ("hedging", "netting") if any(mode in name for name in takers)}
    return "yes" if len(modes) == 2 else next(iter(modes), NONE)


def test_the_table_says_which_broker_passes_what() -> None:
    """Each case with each broker: whether it is run with hedging and netting accounts, or what it lacks."""
    expected = [
        [f"{number}:", *(passed_by(case, names) for names in BROKERS.values())] for number, case in CASES.items()
    ]
    assert rows(r"BC-\d{3}:") == expected
    assert "| case | " + " | ".join(BROKERS) + " |" in PAGE


def test_each_case_is_run() -> None:
    """A case that no subject can take would never have been tried."""
    untried = [
        number
        for number, case in CASES.items()
        if not any(each.takes(needs_of(case)) and each.lacks(needs_of(case)) is None for each in SUBJECTS)
    ]
    assert untried == []


def test_each_capability_is_asked_for() -> None:
    """One that no case needs says nothing of an adapter."""
    asked = {each for case in CASES.values() for each in needs_of(case)}
    assert asked == set(Capability)


def test_a_skip_names_what_is_missing() -> None:
    """The reason has the subject's name, the capability's, and what that means."""
    netting = next(each for each in SUBJECTS if each.name == "mock-netting")
    reason = netting.lacks([Capability.CLOSE_BY, Capability.PENDING])
    assert reason == "mock-netting has no CLOSE_BY (two opposite positions close against each other)"
    assert netting.lacks([Capability.PENDING]) is None
