"""Reading right files: what the model then holds."""

import os
import pickle
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from quantmind.config import (
    AccountRisk,
    Config,
    ConfigError,
    GatewayConfig,
    MockBrokerConfig,
    RandomWalkFeed,
    ReplayFeed,
    SymbolOverrides,
    load,
    loads,
)
from quantmind.config.kinds import Refused
from quantmind.config.model import default_state_dir
from quantmind.config.settings import Maybe, settings_of, walk

ROOT = Path(__file__).parents[3]


def test_the_example_runs_as_it_stands():
    """config/brokers.yaml needs no environment and enables exactly the paper account."""
    config = load(ROOT / "config" / "brokers.yaml", {})

    assert list(config.enabled_brokers) == ["demo"]
    demo = config.brokers["demo"]
    assert isinstance(demo, MockBrokerConfig)
    assert list(demo.symbols) == ["EURUSD", "GBPUSD", "USDJPY", "XAUUSD"]
    assert RandomWalkFeed(seed=1) == demo.feed


def test_the_example_shows_the_defaults():
    """config/brokers.yaml writes defaults in its risk block, so reading it tells what happens without it."""
    assert AccountRisk() == load(ROOT / "config" / "brokers.yaml", {}).risk.account_for("demo")


def test_the_replay_example_takes_its_file_from_the_environment(tmp_path):
    """config/replay.yaml replays what QUANTMIND_REPLAY names."""
    ticks = tmp_path / "ticks.zip"
    ticks.touch()

    config = load(ROOT / "config" / "replay.yaml", {"QUANTMIND_REPLAY": str(ticks)})

    feed = config.brokers["replay"].feed
    assert ReplayFeed(path=ticks, symbol="EURUSD", start="first_subscriber") == feed


def test_a_file_without_a_gateway_block_has_every_default(read):
    """A configuration is complete with one broker."""
    config = read("")

    assert GatewayConfig() == config.gateway
    assert (
        config.gateway.websocket.port,
        config.gateway.commands.port,
        config.gateway.data.publish_port,
        config.gateway.rest.port,
    ) == (8765, 5555, 5557, 5005)
    assert config.gateway.rest.hosts == ("localhost", "127.0.0.1")
    assert {"EURUSD": SymbolOverrides()} == config.brokers["demo"].symbols


@pytest.mark.parametrize(
    "empty", ["gateway:", "gateway: {}", "gateway: null", "gateway: {websocket: , rest: {}}", "eas:"]
)
def test_an_empty_section_is_as_one_left_out(read, empty):
    """A section whose keys are all commented out has its defaults."""
    assert read("") == read(empty)


def test_every_key_of_the_gateway_can_be_set(read, tmp_path):
    """Each implemented key of `gateway` reaches the model with its type."""
    config = read(
        f"""
        gateway:
          state_dir: {tmp_path}
          poll_interval_ms: 50
          account_interval_ms: 250
          latency_warning_ms: 2.5
          websocket: {{host: localhost, port: 0, heartbeat_interval_s: 5, max_clients: 2, max_symbols_per_client: 3,
                       rate_limit_per_s: 4, max_message_bytes: 2048, slow_client_timeout_s: 0.5,
                       origins: ["https://desk.example", "http://[::1]:3000"], auth: required}}
          commands: {{host: "::1", port: 0, command_ttl_s: 1, approval_ttl_s: 2, max_in_flight: 3,
                      auth: required, secure: []}}
          data: {{host: 127.0.0.2, publish_port: 0, secure: []}}
          rest: {{host: 127.0.0.1, port: 0, max_body_bytes: 1024, origins: [], hosts: [desk]}}
          journal: {{durable: false}}
          tls: {{certificate: null, key: ~}}
        """
    )

    gateway = config.gateway
    assert (tmp_path, 50, 250, 2.5) == (
        gateway.state_dir,
        gateway.poll_interval_ms,
        gateway.account_interval_ms,
        gateway.latency_warning_ms,
    )
    assert (attrs.astuple(gateway.websocket)) == (
        "localhost",
        0,
        5.0,
        2,
        3,
        4,
        2048,
        0.5,
        ("https://desk.example", "http://[::1]:3000"),
        "required",
    )
    assert attrs.astuple(gateway.commands) == ("::1", 0, 5006, 1.0, 2.0, 3, "required", ())
    assert gateway.rest.hosts == ("desk",)
    assert gateway.journal.durable is False


def test_every_key_of_the_mock_broker_can_be_set(read):
    """Each implemented key of `mt5_mock` reaches the model with its type, in file order."""
    config = read(
        """
        brokers:
          second: {type: mt5_mock, enabled: false}
          first:
            type: mt5_mock
            description: "yes"
            account_id: 0123
            server: Demo 1
            login: 5012345
            initial_balance: 2500.10
            currency: EUR
            leverage: 30
            margin_mode: hedging
            symbols:
              EURUSD: {digits: 5, contract_size: 100000, tick_size: 0.00001, volume_min: 0.10, volume_max: 50,
                       volume_step: 0.1, stops_level: 20, currency_base: EUR, currency_profit: USD,
                       start_price: 1.08500, spread: 12}
              "US500.cash": {}
            feed: {type: random_walk, seed: 7, volatility: 0.2, ticks_per_s: 4}
            commission_per_lot: 0.0
            persist: no
        """
    )

    broker = config.brokers["first"]
    assert list(config.brokers) == ["second", "first"]
    assert list(config.enabled_brokers) == ["first"]
    assert (
        broker.name,
        broker.type,
        broker.enabled,
        broker.description,
        broker.account_id,
        broker.server,
        broker.login,
    ) == ("first", "mt5_mock", True, "yes", "0123", "Demo 1", 5012345)
    assert Decimal("0.10") == broker.symbols["EURUSD"].volume_min
    assert str(broker.symbols["EURUSD"].start_price) == "1.08500"
    assert str(broker.initial_balance) == "2500.10"
    assert RandomWalkFeed(seed=7, volatility=0.2, ticks_per_s=4.0) == broker.feed


def test_amounts_stay_as_written(read):
    """A Decimal comes from the text, not from a float on the way."""
    config = read("risk: {accounts: {default: {max_volume: 0.1}}}")

    assert str(config.risk.accounts["default"].max_volume) == "0.1"


def test_paths_count_from_the_folder_of_the_file(tmp_path):
    """A relative path means the same wherever the gateway is started."""
    (tmp_path / "ticks.zip").touch()
    file = tmp_path / "b.yaml"
    file.write_text(
        "gateway: {state_dir: state}\nbrokers: {d: {type: mt5_mock, feed: {type: replay, path: ticks.zip}}}"
    )

    config = load(file, {})

    assert tmp_path / "state" == config.gateway.state_dir
    assert tmp_path / "ticks.zip" == config.brokers["d"].feed.path
    assert file == config.path


def test_home_is_understood_in_paths(read):
    """`~` is the home folder."""
    assert Path.home() / "qm" == read("gateway: {state_dir: ~/qm}").gateway.state_dir


def test_the_state_folder_is_that_of_the_platform_unless_set(read):
    """`state_dir: null` is the same as leaving it out."""
    assert default_state_dir() == read("gateway: {state_dir: null}").gateway.state_dir
    assert default_state_dir().is_absolute()


def test_limits_fall_back_to_default_and_then_to_the_built_in_ones(read):
    """A named broker has its own limits, unmixed; others have those of `default`, else the built-in ones."""
    text = "brokers: {a: {type: mt5_mock}, b: {type: mt5_mock}}\nrisk: {accounts: {a: {max_open_positions: 3}%s}}"

    without = read(text % "").risk
    both = read(text % ", default: {max_volume: 0.5}").risk

    assert AccountRisk(max_open_positions=3) == without.account_for("a") == both.account_for("a")
    assert AccountRisk() == without.account_for("b")
    assert AccountRisk(max_volume=Decimal("0.5")) == both.account_for("b")


def test_eas_map_to_brokers(read):
    """`eas` names the broker and the largest volume of an EA."""
    config = read('eas: {"My EA v1.2": {broker: demo, max_volume: 0.5}, Other: {}}')

    assert ("demo", Decimal("0.5")) == (config.eas["My EA v1.2"].broker, config.eas["My EA v1.2"].max_volume)
    assert config.eas["Other"].broker is None


@pytest.mark.parametrize("kind", ["mt5", "mt5_socket", "binance_spot", "binance_futures"])
def test_a_disabled_broker_may_be_of_a_type_that_is_not_there_yet(read, kind):
    """An example of a later broker may stand in the file as long as it is disabled."""
    config = read(f"brokers: {{demo: {{type: mt5_mock}}, later: {{type: {kind}, enabled: false}}}}")

    assert kind == config.brokers["later"].type
    assert list(config.enabled_brokers) == ["demo"]


def test_describe_is_json_and_has_every_key(read):
    """`describe()` fills in defaults and holds only what JSON has."""
    import json

    described = read("risk: {accounts: {default: {max_volume: 0.1}}}").describe()

    assert described == json.loads(json.dumps(described))
    assert described["risk"]["accounts"]["default"]["max_volume"] == 0.1
    assert described["brokers"]["demo"]["initial_balance"] == 10000
    assert {"path", "gateway", "brokers", "eas", "tokens", "risk"} == set(described)


def test_a_configuration_can_be_sent_to_another_process(read):
    """A worker process receives its broker's settings by pickle."""
    config = read("")

    assert config == pickle.loads(pickle.dumps(config))


def test_a_configuration_cannot_be_changed(read):
    """What was checked stays as it was checked."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        read("").gateway.poll_interval_ms = 5


def test_a_byte_order_mark_is_no_fault():
    """Windows editors begin UTF-8 files with one."""
    assert loads("\ufeffbrokers: {d: {type: mt5_mock}}".encode(), name="b.yaml", environ={}).brokers


def test_windows_line_ends_are_no_fault(report):
    """Lines end with CR LF on Windows, and line numbers count as ever."""
    assert report("brokers: {d: {type: mt5_mock}}\r\nfoo: 1\r\n") == [
        "2: foo: unknown key; the keys here are brokers, eas, gateway, risk, tokens"
    ]


def test_anchors_and_aliases_work(read):
    """A trader may write the same symbols once."""
    config = read("brokers: {a: {type: mt5_mock, symbols: &s {EURUSD: {digits: 5}}}, b: {type: mt5_mock, symbols: *s}}")

    assert config.brokers["a"].symbols == config.brokers["b"].symbols


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path / "absent.yaml", "no such file or directory"),
        (lambda path: path, "is a directory"),
        (lambda path: path / "\0", "not a path"),
        (lambda path: path / ("x" * 5000), "file name too long"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="the words are those of POSIX systems")
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, make, why):
    """A missing file is a fault like others, not a traceback."""
    path = make(tmp_path)

    with pytest.raises(ConfigError) as caught:
        load(path, {})

    assert f"{path}: cannot be read: {why}; check the name after --config" == str(caught.value)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a device without end")
def test_a_file_without_end_is_not_read_to_its_end():
    """Only a byte more than the limit is read."""
    with pytest.raises(ConfigError, match="at most 1048576 are read"):
        load(Path("/dev/zero"), {})


def test_every_default_is_a_value_that_could_be_written():
    """A default that its own kind refuses would be a trap for who copies it from the documentation."""
    from quantmind.config.describe import described
    from quantmind.config.document import _yaml
    from quantmind.config.settings import ListOf
    from quantmind.config.tree import Scalar

    for path, _, setting in walk(Config):
        kind = setting.kind.kind if isinstance(setting.kind, Maybe) else setting.kind
        default = described(setting.default_value()) if not setting.required else None
        if default is None or isinstance(kind, ListOf) or not hasattr(kind, "parse") or setting.default_text:
            continue
        text = _yaml(default)
        try:
            parsed = kind.parse(Scalar("", 1, plain=False) if text == '""' else Scalar(text, 1))
        except Refused as refused:
            pytest.fail(f"{path}: {default!r} {refused}")
        assert described(parsed) == default, path


def test_the_table_of_keys_is_the_model():
    """Each attribute of the model is a key, but for the name and the path, which are given."""
    models = {model for _, model, _ in walk(Config)}

    for model in models:
        given = {field.name for field in attrs.fields(model)} - set(settings_of(model))
        assert given <= {"name", "path"}, model
