"""Checks that look at several keys together, and values of each kind."""

from pathlib import Path

import pytest

ONE = "brokers: {demo: {type: mt5_mock, %s}}"
SYMBOL = "brokers: {demo: {type: mt5_mock, symbols: {%s}}}"
ALSO = "on 127.0.0.1 is also that of gateway"
VOLUMES = "volume_min (%s) must be at most volume_max (%s); correct one of them"
GOLDEN = Path(__file__).parent / "golden"
SHARED = "give each its own, or 0 for a free one"


@pytest.mark.parametrize(
    ("gateway", "expected"),
    [
        (
            "rest: {port: 9}, websocket: {port: 9}",
            f"rest.port: port 9 {ALSO}.websocket.port; {SHARED}",
        ),
        (
            "rest: {port: 9, host: localhost}, commands: {port: 9}",
            f"rest.port: port 9 {ALSO}.commands.port; {SHARED}",
        ),
        (
            "rest: {port: 5555}",
            f"rest.port: port 5555 {ALSO}.commands.port by default; {SHARED}",
        ),
        (
            "websocket: {port: 5005}",
            f"websocket.port: port 5005 {ALSO}.rest.port by default; {SHARED}",
        ),
    ],
)
def test_a_port_is_used_once(report, gateway, expected):
    """Two doors on one port: the fault names both, instead of an address in use at the start."""
    assert report(f"gateway: {{{gateway}}}") == [f"1: gateway.{expected}"]


@pytest.mark.parametrize(
    "gateway",
    [
        "rest: {port: 0}, websocket: {port: 0}",
        "rest: {port: 9, host: 127.0.0.2}, websocket: {port: 9}",
        'rest: {port: 9, host: "::1"}, websocket: {port: 9}',
        "rest: {port: 5006}, websocket: {port: 5556}",
    ],
)
def test_free_ports_other_addresses_and_doors_that_are_not_there_are_no_conflict(report, gateway):
    """0 picks a free port each time; the ports of what is not served yet are free."""
    assert report(f"gateway: {{{gateway}}}") == []


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "192.168.1.5", '"::"', "example.com", "127.0.0.1.evil.com", '"::ffff:7f00:1"']
)
@pytest.mark.parametrize("door", ["commands", "data"])
def test_doors_without_credentials_open_on_loopback_only(report, door, host):
    """Off loopback they would be open to whoever reaches them; the way out is an endpoint beside them."""
    (fault,) = report(f"gateway: {{{door}: {{host: {host}}}}}")

    assert fault.startswith(f"1: gateway.{door}.host: must be a loopback address")
    assert fault.endswith("endpoints that others may reach are listed under secure, beside it")


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "192.168.1.5", '"::"', "example.com", "127.0.0.1.evil.com", '"::ffff:7f00:1"']
)
@pytest.mark.parametrize("door", ["websocket", "rest"])
def test_doors_without_tls_open_on_loopback_only(report, door, host):
    """Tokens and orders would go in clear text."""
    (fault,) = report(f"gateway: {{{door}: {{host: {host}}}}}")

    assert fault.startswith(f"1: gateway.{door}.host: others reach ")
    assert fault.endswith("; set gateway.tls.certificate and gateway.tls.key, or 127.0.0.1 here")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("eas: {x: {broker: demoo}}", '1: eas.x.broker: no broker is called "demoo"; did you mean "demo"?'),
        ("eas: {x: {broker: zz}}", '1: eas.x.broker: no broker is called "zz"; the brokers are demo'),
        (
            "risk: {accounts: {defualt: {}}}",
            '1: risk.accounts.defualt: no broker is called "defualt"; did you mean "default"?',
        ),
        (
            "risk: {accounts: {zz: {}}}",
            '1: risk.accounts.zz: no broker is called "zz"; the names here are default, demo',
        ),
    ],
)
def test_brokers_that_are_named_exist(report, text, expected):
    """A misspelt broker would leave an EA or an account without its limits."""
    assert report(text) == [expected]


def test_an_ea_may_name_a_disabled_broker(report):
    """Disabling a broker for a day needs no other change."""
    assert report("brokers: {demo: {type: mt5_mock}, b: {type: mt5, enabled: false}}\neas: {x: {broker: b}}") == []


def test_one_broker_is_enabled(report):
    """A gateway with nothing to serve is a mistake."""
    assert report("\nbrokers: {demo: {type: mt5_mock, enabled: no}}") == [
        '2: brokers: no broker is enabled; set "enabled: true" for one'
    ]


@pytest.mark.parametrize(
    "text",
    [
        "brokers: {demo: {type: mt5_mok}}",
        "brokers: {demo: {type: mt5_mock, enabled: maybe}}",
        "brokers: [demo]",
        "brokers: {demo: }",
    ],
)
def test_a_broker_with_a_fault_is_not_also_called_missing(report, text):
    """One mistake gives one line."""
    assert len(report(text)) == 1


@pytest.mark.parametrize(
    ("symbols", "expected"),
    [
        (
            "EURUSD: {volume_min: 2, volume_max: 1}",
            f"EURUSD.volume_min: {VOLUMES % (2, 1)}",
        ),
        (
            "EURUSD: {volume_min: 200}",
            f"EURUSD.volume_min: {VOLUMES % (200, 100)}",
        ),
        (
            "EURUSD: {volume_max: 0.001}",
            f"EURUSD.volume_max: {VOLUMES % (0.01, 0.001)}",
        ),
        (
            "EURUSD: {tick_size: 0.000005}",
            (
                "EURUSD.tick_size: must be a whole number of points, which are 1e-5 with 5 digits, was 0.000005; "
                "correct it or write digits"
            ),
        ),
    ],
)
def test_the_sizes_of_a_symbol_fit_together(report, symbols, expected):
    """No order could ever pass otherwise."""
    assert report(SYMBOL % symbols) == [f"1: brokers.demo.symbols.{expected}"]


@pytest.mark.parametrize("name", ["EURUSD", "EURUSD.r", "#AAPL", "US500_cash", "BRK-B", "A&B", "NO", "1", "x" * 31])
def test_symbol_names_that_brokers_use_are_accepted(read, name):
    """A name is what stands there, also where YAML would read a boolean or a number."""
    assert list(read(SYMBOL % f'"{name}": {{}}').brokers["demo"].symbols) == [name]


@pytest.mark.parametrize("name", ["", "x" * 32, "EUR/USD", "EUR USD", "EURUSD@demo", "ÄÖÜ", "${X}", "a\\nb"])
def test_symbol_names_that_no_topic_could_carry_are_refused(report, name):
    """Names are part of addresses and topics."""
    (fault,) = report(SYMBOL % f'"{name}": {{}}')

    assert fault.endswith("the name of a symbol must be 1 to 31 letters, digits and . _ # & -")


@pytest.mark.parametrize("name", ["default", "a.b", "a@b", "a b", "", "x" * 33])
def test_broker_names_fit_into_topics_and_addresses(report, name):
    """`tick.BROKER.SYMBOL` and `SYMBOL@BROKER` must be read one way only."""
    (fault,) = report(f'brokers: {{demo: {{type: mt5_mock}}, "{name}": {{type: mt5_mock}}}}')

    assert fault.endswith('the name of a broker must be 1 to 32 letters, digits, _ and -, and not "default"')


def values():
    """The pairs of `golden/values.txt`: a key as it is written, and its fault."""
    lines = (GOLDEN / "values.txt").read_text(encoding="utf-8").splitlines()
    return [(lines[at - 1], line.strip()) for at, line in enumerate(lines) if line.startswith("  ")]


@pytest.mark.parametrize(("setting", "expected"), values())
def test_a_value_of_the_wrong_kind_says_what_it_must_be(report, setting, expected):
    """Each message has the key, the value and the way out."""
    assert report(ONE % setting) == [f"1: brokers.demo.{expected}"]


@pytest.mark.parametrize("path", [".", "x" * 5000, "~nobody_here/x", "a\\tb", "/proc/1/root/x/y", "no/such/file"])
def test_a_replay_needs_its_file(report, path):
    """A path that is a folder, too long or out of reach is a fault, not a crash."""
    faults = report(ONE % f'feed: {{type: replay, path: "{path}"}}')

    assert len(faults) == 1
    assert "brokers.demo.feed.path: must be the path of a file" in faults[0] or "no text" in faults[0]


def test_a_symbol_of_the_feed_is_one_of_the_broker(report, tmp_path):
    """Ticks of a symbol that the broker has not would go nowhere."""
    file = tmp_path / "t.zip"
    file.touch()

    assert report(ONE % f"feed: {{type: replay, path: {file}, symbol: EURUSE}}") == [
        '1: brokers.demo.feed.symbol: the broker has no symbol "EURUSE"; did you mean "EURUSD"?'
    ]
