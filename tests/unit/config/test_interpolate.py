"""Values from the environment."""

import pytest

ONE = "brokers: {demo: {type: mt5_mock, %s}}"


@pytest.mark.parametrize(
    ("written", "environ", "expected"),
    [
        ("${PORT}", {"PORT": "1234"}, 1234),
        ("${PORT}", {"PORT": " 1234\n"}, 1234),
        ("${PORT:-1234}", {}, 1234),
        ("${PORT:-1234}", {"PORT": ""}, 1234),
        ("${PORT:-1234}", {"PORT": "4321"}, 4321),
        ("1${A}${B}4", {"A": "2", "B": "3"}, 1234),
    ],
)
def test_a_number_from_the_environment_is_a_number(read, written, environ, expected):
    """The result is what YAML would read in its place."""
    assert expected == read(f"gateway:\n  rest:\n    port: {written}", environ).gateway.rest.port


@pytest.mark.parametrize(
    ("written", "environ", "expected"),
    [
        ('"a ${X} b"', {"X": "mid"}, "a mid b"),
        ('"${X}"', {"X": "  12  "}, "  12  "),
        ('"$${X}"', {"X": "mid"}, "${X}"),
        ('"$$$$"', {}, "$$"),
        ('"5$ and $x"', {}, "5$ and $x"),
        ('"${X}"', {"X": "${Y} $$ {a: 1} # b, - c: &d *e"}, "${Y} $$ {a: 1} # b, - c: &d *e"),
        ("${X}", {"X": "{enabled: false}"}, "{enabled: false}"),
        ("${X}", {"X": "*alias"}, "*alias"),
        ("${X}", {"X": "NO"}, "NO"),
        ("${X:-}", {"X": "text"}, "text"),
    ],
)
def test_a_text_from_the_environment_is_taken_as_it_is(read, written, environ, expected):
    """A variable is one value: it adds no structure, is not expanded again, and is a text where one belongs."""
    text = f"brokers:\n  demo:\n    type: mt5_mock\n    description: {written}"

    assert expected == read(text, environ).brokers["demo"].description


@pytest.mark.parametrize("written", ["${", "${}", "${1A}", "${A-b}", "${A:?b}", "${A:-${B}}", "${A b}", "x${A"])
def test_a_reference_that_cannot_be_read_is_a_fault(report, written):
    """A typing error in a reference must not become part of a value."""
    assert report(ONE % f'server: "{written}"', {"A": "1", "B": "2"}) == [
        '1: brokers.demo.server: "${" must go on as ${NAME} or ${NAME:-default}; write $${ for the two signs themselves'
    ]


def test_a_variable_that_is_not_set_names_the_variable_the_broker_and_the_line(report):
    """Whoever starts the gateway sees what to set."""
    assert report(ONE % 'server: "${ABSENT}"') == [
        (
            '1: brokers.demo.server: environment variable ABSENT is not set (broker "demo" needs it); '
            "set it or write ${ABSENT:-default}"
        )
    ]


def test_a_disabled_broker_needs_no_variables(read):
    """Examples may stand in the file before their passwords exist."""
    config = read(
        """
        brokers:
          demo: {type: mt5_mock}
          a:
            {type: mt5, enabled: false, login: "${A}", server: "${A}", path: "${A}", timeout_ms: "${A}"}
          b:
            type: mt5_socket
            enabled: ${ON:-false}
            vps_host: ${A}
          c: {type: mt5_mock, enabled: false, feed: {type: replay, path: "${A}"}, symbols: {EURUSD: {digits: "${A}"}}}
          d: {type: binance_spot, enabled: false, symbols: ["${A}", BTCUSDT], base_url: "${A}"}
        """
    )

    a = config.brokers["a"]
    assert (a.login, a.server, a.timeout_ms) == (None, "${A}", 60_000)
    assert config.brokers["c"].feed.path.name == "${A}"


def test_enabled_may_come_from_the_environment(read, report):
    """Whether a broker is enabled can be decided outside, and is then decided before its other values."""
    text = (
        "brokers:\n  demo: {type: mt5_mock}\n  b:\n    type: mt5_mock\n    enabled: ${ON:-false}\n    server: ${ABSENT}"
    )

    assert list(read(text).enabled_brokers) == ["demo"]
    assert list(read(text, {"ON": "off", "ABSENT": "x"}).enabled_brokers) == ["demo"]
    assert list(read(text, {"ON": "true", "ABSENT": "x"}).enabled_brokers) == ["demo", "b"]
    assert report(text, {"ON": "true"}) == [
        (
            '6: brokers.b.server: environment variable ABSENT is not set (broker "b" needs it); '
            "set it or write ${ABSENT:-default}"
        )
    ]


def test_enabled_itself_needs_its_variable(report):
    """Not knowing whether a broker is enabled is a fault."""
    text = "brokers:\n  demo: {type: mt5_mock}\n  b:\n    type: mt5_mock\n    enabled: ${ON}\n    server: ${ABSENT}"

    assert report(text) == [
        '5: brokers.b.enabled: environment variable ON is not set (broker "b" needs it); set it or write ${ON:-default}'
    ]


def test_a_variable_with_characters_that_are_no_text_is_a_fault(report):
    """Bytes that are not UTF-8 come out of the environment as lone surrogates, which nothing can print."""
    assert report(ONE % 'server: "${X}"', {"X": "\udcff"}) == [
        "1: brokers.demo.server: the environment variable X holds a character that is no text; set it anew"
    ]


def test_keys_are_taken_as_written(report):
    """Only values come from the environment."""
    faults = report("brokers: {demo: {type: mt5_mock}, '${X}': {type: mt5_mock}}", {"X": "y"})

    assert faults == [
        '1: brokers."${X}": the name of a broker must be 1 to 32 letters, digits, _ and -, and not "default"'
    ]
