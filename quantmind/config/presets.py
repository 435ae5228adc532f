"""The presets: rules of firms as data files of this package, each with its date, its sources and how sure they are."""

# ruff: noqa: RUF009 - `setting` gives an attrs field, as `attrs.field` does.

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import attrs

from quantmind.config.check import FAULTY, Checker
from quantmind.config.faults import ConfigError
from quantmind.config.kinds import Choice, Currency, Text
from quantmind.config.numbers import Amount, Whole
from quantmind.config.rules import ResetConfig, RulesConfig
from quantmind.config.settings import ListOf, MapOf, Maybe, Section, setting
from quantmind.config.source import parse

FIRMS_PAGE: Final = "firms_page"
SECOND_HAND: Final = "second_hand"
UNVERIFIED: Final = "unverified"

_FOLDER: Final = "presets"
_SUFFIX: Final = ".yaml"


@attrs.frozen(kw_only=True)
class Preset:
    """The rules of one plan of a firm in one phase, as they were read on a day."""

    name: str = setting(Text("a name in small letters", "[a-z0-9-]{1,64}"), "Its name, which is the file's.")
    firm: str = setting(Text(most=64), "The firm.")
    plan: str = setting(Text(most=64), "The plan.")
    phase: str = setting(Text(most=64), "The phase of the plan.")
    version: int = setting(Whole(1, 10_000), "Counts the changes of this file.")
    date: str = setting(Text("a date such as 2026-11-23", "[0-9]{4}-[0-9]{2}-[0-9]{2}"), "When the sources were read.")
    sources: tuple[str, ...] = setting(ListOf(Text(), "sources"), "Where it was read.")
    capital: Decimal | None = setting(
        Maybe(Amount(above=0)), "Size of the account that the amounts are of; null: any.", default=None
    )
    currency: str | None = setting(Maybe(Currency()), "Currency of the amounts; null: any.", default=None)
    reset: ResetConfig = setting(Section(ResetConfig), "When a day ends.")
    rules: RulesConfig = setting(Section(RulesConfig), "Rules with their parameters.")
    evidence: Mapping[str, str] = setting(
        MapOf(
            Text("a parameter such as daily_loss.percent", "[a-z_]+(\\.[a-z_]+)?"),
            Choice((FIRMS_PAGE, SECOND_HAND, UNVERIFIED)),
            "parameter",
        ),
        "How sure each parameter is.",
    )
    notes: tuple[str, ...] = setting(
        ListOf(Text(), "notes"), "What the firm asks for and no rule holds, and what is not known.", default=()
    )

    @property
    def unverified(self) -> tuple[str, ...]:
        """The parameters that were not read on the firm's own pages."""
        return tuple(name for name, strength in self.evidence.items() if strength != FIRMS_PAGE)


@cache
def preset_names() -> tuple[str, ...]:
    """Return the names of all presets, sorted."""
    folder = files("quantmind") / _FOLDER
    return tuple(sorted(file.name.removesuffix(_SUFFIX) for file in folder.iterdir() if file.name.endswith(_SUFFIX)))


@cache
def preset(name: str) -> Preset:
    """Return a preset by its name.

    Raises:
        KeyError: there is none of that name.
        ConfigError: its file has faults.
    """
    if name not in preset_names():
        raise KeyError(name)
    file = f"{name}{_SUFFIX}"
    tree, faults = parse((files("quantmind") / _FOLDER / file).read_bytes(), file)
    checker = Checker(file, Path(), {}, faults)
    found = checker.section(Preset, tree, (), {})
    if checker.faults or found is FAULTY:
        raise ConfigError(checker.faults)
    assert isinstance(found, Preset)
    return found
