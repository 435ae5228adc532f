"""The schema and the tables of the documentation are those of the model and of the presets."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from quantmind.config import Config
from quantmind.config.document import with_tables
from quantmind.config.generate import generate
from quantmind.config.preset_table import with_presets
from quantmind.config.schema import schema, schema_text
from quantmind.config.settings import walk

ROOT = Path(__file__).parents[3]
OUTDATED = "run: python -m quantmind.config.generate"
VALIDATOR = jsonschema.Draft202012Validator(schema())


def test_the_schema_file_is_up_to_date():
    """config/brokers.schema.json is made from the model."""
    assert (ROOT / "config" / "brokers.schema.json").read_text(encoding="utf-8") == schema_text(), OUTDATED


def test_the_documentation_is_up_to_date():
    """The tables in docs/configuration.md are made from the model."""
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")

    assert page == with_tables(page), OUTDATED


def test_the_table_of_presets_is_up_to_date():
    """The table in docs/presets.md is made from the presets' files."""
    page = (ROOT / "docs" / "presets.md").read_text(encoding="utf-8")

    assert page == with_presets(page), OUTDATED


def test_generate_writes_all(tmp_path):
    """One command makes all of it anew, and a second run changes nothing."""
    (tmp_path / "config").mkdir()
    (tmp_path / "docs").mkdir()
    for name in ("configuration.md", "presets.md"):
        (tmp_path / "docs" / name).write_bytes((ROOT / "docs" / name).read_bytes())

    generate(tmp_path)

    for name in ("configuration.md", "presets.md"):
        assert (tmp_path / "docs" / name).read_bytes() == (ROOT / "docs" / name).read_bytes()
    assert (tmp_path / "config" / "brokers.schema.json").read_text(encoding="utf-8") == schema_text()


def test_every_key_is_documented():
    """Each key has a meaning, and a row of a table."""
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")

    for path, _, setting in walk(Config):
        assert setting.about.endswith("."), path
        assert f"| `{setting.name}` |" in page


def test_the_schema_is_a_schema():
    """The schema is valid by the meta-schema of its draft."""
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("name", ["brokers.yaml", "replay.yaml"])
def test_the_examples_fit_the_schema(name):
    """An editor shows no fault in the files that we ship."""
    VALIDATOR.validate(yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "text",
    [
        "brokers: {d: {type: mt5_mock, leverage: 0}}",
        "brokers: {d: {type: mt5_mock, leverage: a}}",
        "brokers: {d: {type: mt5_mock, levrage: 1}}",
        "brokers: {d: {type: mt5_mok}}",
        "brokers: {d: {leverage: 1}}",
        "brokers: {d.e: {type: mt5_mock}}",
        "brokers: {default: {type: mt5_mock}}",
        "brokers: {d: {type: mt5_mock, symbols: {}}}",
        "brokers: {d: {type: mt5_mock, symbols: {EUR/USD: {}}}}",
        "brokers: {d: {type: mt5_mock, symbols: {EURUSD: {digits: -1}}}}",
        "brokers: {d: {type: mt5_mock, currency: NO}}",
        "brokers: {d: {type: mt5_mock, feed: {type: replay}}}",
        "brokers: {d: {type: mt5_mock, feed: {type: random_walk, path: x}}}",
        "brokers: {d: {type: mt5, enabled: false, leverage: 1}}",
        "gateway: {rest: {port: 65536}}",
        "gateway: {rest: {origins: ['*']}}",
        "gateway: {journal: {durable: 1}}",
        "risk: {accounts: {default: {max_volume: 0}}}",
        "risk: {accounts: {default: {rules: {daily_los: {percent: 5}}}}}",
        "risk: {accounts: {default: {rules: {daily_loss: {percent: 101}}}}}",
        "risk: {accounts: {default: {rules: {max_open_per_symbol: 3}}}}",
        "risk: {accounts: {default: {rules: {stop_required: {}}}}}",
        "risk: {accounts: {default: {rules: {weekend: {close: Freitag}}}}}",
        "risk: {accounts: {default: {rules: {symbols: {allow: [EUR/USD]}}}}}",
        "risk: {accounts: {default: {rules: {profit_target: {}}}}}",
        "risk: {accounts: {default: {reset: {time: '24:00'}}}}",
        "eas: {x: {on_dead_man: explode}}",
        "brokerz: {}",
    ],
)
def test_what_the_schema_refuses_the_loader_refuses_too(report, text):
    """Schema and loader come from one table, so they agree on what is wrong with a value."""
    assert not VALIDATOR.is_valid(yaml.safe_load(text))
    assert report(text)


@pytest.mark.parametrize(
    "text",
    [
        "brokers: {d: {type: mt5_mock, leverage: '${LEVERAGE:-1}', symbols: {EURUSD: , GBPUSD: {digits: null}}}}",
        "brokers: {d: {type: mt5_mock, account_id: 123, description: ''}}",
        "gateway:\nrisk:\neas: {}\nbrokers: {d: {type: mt5_mock}}",
        "risk: {accounts: {d: {reset: , rules: {news: null, weekend: {}}}}}\nbrokers: {d: {type: mt5_mock}}",
    ],
)
def test_what_the_loader_takes_the_schema_takes_too(text):
    """Variables, numbers as texts and empty sections are fine in an editor."""
    VALIDATOR.validate(yaml.safe_load(text))


def test_the_schema_has_no_secrets():
    """Secret keys have neither default nor example."""
    for path, _, setting in walk(Config):
        if setting.name in ("password", "api_key", "api_secret", "token", "hash"):
            assert setting.default is None, path
