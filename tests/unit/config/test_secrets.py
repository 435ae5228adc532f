"""No secret is ever shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantmind.config import ConfigError, Secret, loads

MARK = "s3cr3t"
KEYS = ["password", "api_key", "api_secret", "token"]


def seen(text, environ):
    """Everything of a file that somebody could see: its report, or its description."""
    try:
        config = loads(text, name="b.yaml", environ=environ)
    except ConfigError as error:
        return f"{error} {error!r} {error.faults!r} {error.args!r}"
    return f"{config!r} {config} {config.describe()}"


def test_a_secret_shows_as_stars_and_is_revealed_on_request():
    """Only `reveal()` gives the text."""
    secret = Secret("hunter2")

    assert [repr(secret), str(secret), f"{secret}", f"{[secret]}"] == ["****", "****", "****", "[****]"]
    assert secret.reveal() == "hunter2"
    assert (secret, hash(secret)) == (Secret("hunter2"), hash(Secret("hunter2")))
    assert secret != Secret("other")
    assert secret != "hunter2"


def test_secrets_of_a_disabled_broker_are_read_and_masked(read):
    """The value is there for the adapter and nobody else."""
    config = read(
        "brokers: {d: {type: mt5_mock}, t: {type: mt5, enabled: false, password: '${PW} 2', login: 1}}",
        {"PW": "hunter"},
    )

    assert config.brokers["t"].password.reveal() == "hunter 2"
    assert config.describe()["brokers"]["t"]["password"] == "****"
    assert "hunter" not in repr(config) + str(config.describe())


@pytest.mark.parametrize("written", ["123456", "0123", "1e5", "a b", "'NO'", "'null'", "${PW}"])
def test_passwords_may_look_like_numbers_or_words(read, written):
    """A password is taken as it is written."""
    text = f"brokers: {{d: {{type: mt5_mock}}, t: {{type: mt5, enabled: false, password: {written}}}}}"
    text = text.replace("${PW}", "'${PW}'")

    assert read(text, {"PW": "off"}).brokers["t"].password.reveal() == (written.strip("'").replace("${PW}", "off"))


@pytest.mark.parametrize(
    "broker",
    [
        "type: mt5, password: [s3cr3t]",
        "type: mt5, password: {s3cr3t: s3cr3t, s3cr3t: 1}",
        "type: mt5, password: *s3cr3t",
        "type: mt5, password: !s3cr3t x",
        "type: mt5, password: %s3cr3t",
        'type: mt5, password: "s3cr3t\\q"',
        'type: mt5, password: "s3cr3t\\u0007"',
        'type: mt5, password: "s3cr3t\\0"',
        "type: mt5, password: 's3cr3t",
        "type: mt5, password: s3cr3t: x",
        "type: mt5, password: 's3cr3t ${'",
        "type: mt5, password: '${ABSENT:-s3cr3t}', login: x",
        "type: mt5, password: &a s3cr3t, login: *a, server: *a, timeout_ms: *a, enabled: *a",
        "type: mt5, login: &a s3cr3t, password: *a",
        "type: mt5, login: &a [{x: s3cr3t}], password: *a",
        "type: mt5, password: '${PW}', login: '${PW}', server: [x]",
        "type: mt5, login: '${MY_TOKEN}', server: [x]",
        "type: mt5, passwort: s3cr3t",
        "type: mt5, password: s3cr3t, password: s3cr3t",
        "type: binance_spot, api_key: s3cr3t, api_secret: s3cr3t, private_key_path: 1, testnet: 5",
        "type: mt5_socket, token: s3cr3t, mode: x",
        "type: mt5x, password: s3cr3t",
        "password: s3cr3t",
    ],
)
@pytest.mark.parametrize("enabled", ["true", "false"])
def test_a_report_has_no_secret(broker, enabled):
    """Whatever is wrong with a secret or around it, its text is in no message."""
    text = f"brokers: {{d: {{type: mt5_mock}}, t: {{{broker}, enabled: {enabled}}}}}"

    assert MARK not in seen(text, {"PW": MARK, "MY_TOKEN": MARK})


values = st.recursive(
    st.sampled_from(
        [f"'{MARK}'", MARK, f'"{MARK}"', "${PW}", "'${PW}'", f"'x{MARK} ${{ABSENT:-{MARK}}}'", f"&a {MARK}", "*a"]
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]"),
        inner.map(lambda item: f"{{{MARK}: {item}}}"),
    ),
    max_leaves=3,
)
others = st.sampled_from(
    [
        "login: x",
        "login: '${PW}'",
        "enabled: *a",
        "enabled: '${PW}'",
        "server: *a",
        "type: mt5x",
        "path: 1",
        "timeout_ms: -1",
    ]
)


@given(st.sampled_from(KEYS), values, st.lists(others, max_size=4), st.booleans())
def test_no_structure_brings_a_secret_out(key, value, rest, enabled):
    """Lists, mappings, anchors, aliases and variables under a secret key stay hidden, whatever stands around."""
    kind = {"password": "mt5", "token": "mt5_socket"}.get(key, "binance_spot")
    keys = ", ".join([f"type: {kind}", f"enabled: {str(enabled).lower()}", f"{key}: {value}", *rest])

    assert MARK not in seen(f"brokers: {{d: {{type: mt5_mock}}, t: {{{keys}}}}}", {"PW": MARK})
