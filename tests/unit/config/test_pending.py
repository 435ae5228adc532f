"""What is refused because this version does not do it yet."""

import tomllib
from pathlib import Path

import pytest

from quantmind.config import Config
from quantmind.config.pending import _VERSION, PENDING
from quantmind.config.settings import walk

ROOT = Path(__file__).parents[3]


def test_each_line_of_the_table_names_a_key_that_exists():
    """A renamed key would otherwise slip out of the table and be ignored."""
    paths = {path for path, _, _ in walk(Config)}

    assert [pending.path for pending in PENDING if pending.path not in paths] == []


def test_the_version_in_the_message_is_that_of_the_project():
    """The message says which version it speaks of."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["version"] == _VERSION


@pytest.mark.parametrize(
    "text",
    [
        "gateway: {commands: {secure: []}, data: {secure: []}, tls: {certificate: null, key: null}}",
        "eas: {x: {dead_man_s: null, on_dead_man: none}}",
        "tokens: {}",
        "risk: {observe_only: false, news_file: null}",
        "risk: {accounts: {default: {preset: none, initial_capital: null, group: null, on_breach: halt, rules: {}}}}",
    ],
)
def test_defaults_of_what_is_not_there_yet_may_be_written(report, text):
    """A file that spells out the defaults asks for nothing that is missing."""
    assert report(text) == []


def test_a_disabled_broker_may_use_what_is_not_there_yet(report):
    """Its keys are checked for spelling and kind only."""
    text = "brokers: {demo: {type: mt5_mock}, b: {type: mt5_mock, enabled: false, %s}}"

    assert report(text % "margin_mode: netting, persist: true, feed: {type: ingest}") == []
    assert report(text % "margin_mode: neting, persits: true") == [
        '1: brokers.b.persits: unknown key; did you mean "persist"?',
        '1: brokers.b.margin_mode: must be hedging or netting, was "neting"; did you mean "netting"?',
    ]
