"""The file of tokens: what is written is read back, and any text at all gives tokens or a report."""

from __future__ import annotations

from datetime import timedelta

import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quantmind.config import ConfigError, Secret, TokenConfig, loads
from quantmind.config.cross_tokens import token_warnings
from quantmind.config.token_file import parse_tokens, text_of
from quantmind.domain.tokens import hash_of

fuzz = settings(
    max_examples=examples(1_000, 200),
    deadline=timedelta(seconds=5),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
_WORDS = ("yes", "no", "on", "off", "true", "false", "null", "y", "n", "~")
"""YAML reads them as something else than text; in quotes they are text, and refused all the same where one stands."""
NAMES = st.from_regex(r"\A[A-Za-z0-9._-]{1,48}\Z").filter(lambda name: name != "owner")
EAS = st.from_regex(r"\A[!-~]([ -~]{0,62}[!-~])?\Z").filter(lambda name: "$" not in name and name.lower() not in _WORDS)
HASH = hash_of("x")


@st.composite
def tokens(draw: st.DrawFn) -> dict[str, TokenConfig]:
    names = draw(st.lists(NAMES, unique=True, max_size=4))
    return {
        name: TokenConfig(
            hash=Secret(hash_of(name)) if draw(st.booleans()) else None,
            scopes=tuple(draw(st.lists(st.sampled_from(["read", "ea", "trade", "admin"]), min_size=1, unique=True))),
            eas=tuple(draw(st.lists(EAS, max_size=2))),
            brokers=tuple(draw(st.lists(st.sampled_from(["demo", "live-1"]), max_size=2))),
            expires=draw(st.sampled_from([None, "2027-01-31", "2027-01-31T18:00:00.000Z"])),
            rate_limit_per_s=draw(st.integers(1, 1_000_000)),
        )
        for name in names
    }


@fuzz
@given(tokens())
def test_round_trip(made: dict[str, TokenConfig]) -> None:
    """Every token comes back as it was written."""
    assert dict(parse_tokens(text_of(made), "tokens.yaml")) == made


def survives(text: str | bytes) -> None:
    wrong: ConfigError | None = None
    try:
        parse_tokens(text, "tokens.yaml")
    except ConfigError as error:
        wrong = error
    assert wrong is None or len(str(wrong).splitlines()) == len(wrong.faults) > 0


@fuzz
@given(st.one_of(st.text(), st.binary()))
def test_any_text_at_all(text: str | bytes) -> None:
    """Tokens or a report, and nothing else."""
    survives(text)


@fuzz
@given(st.data())
def test_a_file_that_is_cut_and_changed(data: st.DataObject) -> None:
    """As a disk that was full, or a hand, leaves it."""
    text = text_of({"desk": TokenConfig(hash=Secret(HASH)), "ea": TokenConfig(hash=Secret(hash_of("y")))})
    at = data.draw(st.integers(0, len(text)))
    survives(text[:at] + data.draw(st.text(max_size=5)) + text[data.draw(st.integers(at, len(text))) :])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tokens: {owner: {hash: %s}}", "the gateway's own token"),
        ("tokens: {a: {hash: %s, scopes: [bridge]}}", "needs brokers"),
        ("tokens: {a: {hash: %s, scopes: []}}", "no scope"),
        ("tokens: {a: {hash: %s}, b: {hash: %s}}", 'also the hash of "a"'),
        ("tokens: {a: {hash: s3cr3t}}", "sha256:"),
        ("tokens: {a: {hash: %s, expires: 2027-02-30}}", "such a day"),
        ("tokens: {a: {hash: %s, expires: soon}}", "a date"),
        ("tokens: {a: {hash: %s, scopes: [root]}}", "read, ea, bridge, trade or admin"),
        ("tokens: {a: {hash: %s, tokn: x}}", "unknown key"),
        ("tokens: {'a b': {hash: %s}}", "the name of a token"),
        ("gateway: {}", "unknown key"),
        ("tokens: {a: {hash: '${HOME}'}}", "HOME"),
    ],
)
def test_faults(text: str, says: str) -> None:
    """Each is said, and none shows what stood where a hash must stand."""
    with pytest.raises(ConfigError) as caught:
        parse_tokens(text.replace("%s", HASH), "tokens.yaml")
    report = str(caught.value)
    assert says in report
    assert "s3cr3t" not in report
    assert HASH not in report


def test_the_configuration_takes_them() -> None:
    """By the same rules, and brokers must be there."""
    text = "brokers: {demo: {type: mt5_mock, symbols: {EURUSD: {}}}}\ntokens: {a: {hash: '%s', brokers: [%s]}}\n"
    config = loads(text % (HASH, "demo"), name="b.yaml", environ={})
    assert config.tokens["a"].hash == Secret(HASH)
    assert HASH not in str(config.describe())
    assert HASH not in repr(config)
    with pytest.raises(ConfigError, match='no broker is called "dmo"; did you mean "demo"'):
        loads(text % (HASH, "dmo"), name="b.yaml", environ={})


def test_warnings() -> None:
    """What has ended, ends soon, opens nothing, or is admin for good."""
    now, hashed = 1_795_424_400.0, Secret(HASH)  # 2026-11-23
    said = {
        "ended": TokenConfig(hash=hashed, expires="2026-11-01"),
        "soon": TokenConfig(hash=hashed, expires="2026-11-30"),
        "empty": TokenConfig(),
        "root": TokenConfig(hash=hashed, scopes=("admin",)),
        "fine": TokenConfig(hash=hashed, expires="2027-11-30", scopes=("admin",)),
    }
    found = dict(token_warnings(said, now))
    assert found.keys() == {"ended", "soon", "empty", "root"}
    assert "has expired" in found["ended"]
    assert "expires in 7.6 days" in found["soon"]
    assert "no hash" in found["empty"]
    assert "never expires" in found["root"]
