"""Any text at all gives a configuration or a report, and soon.

With CI=true the five random tests try 13,000 inputs together, locally 1,000.
"""

from datetime import timedelta
from pathlib import Path

import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quantmind.config import Config, ConfigError, loads
from quantmind.config.policies import ea_limits, overrides, policies
from quantmind.config.rules import RulesConfig
from quantmind.config.settings import Maybe, Section, settings_of, walk

ROOT = Path(__file__).parents[3]
GOLDEN = Path(__file__).parent / "golden"
SEEDS = [
    *((ROOT / "config" / f"{name}.yaml").read_text(encoding="utf-8") for name in ("brokers", "replay")),
    *(path.read_text(encoding="utf-8") for path in sorted(GOLDEN.glob("*.yaml"))),
]
PASSWORD = "s3cr3t"

fuzz = settings(
    max_examples=examples(1_000, 200),
    deadline=timedelta(seconds=5),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

dear = settings(fuzz, max_examples=examples(1_000, 200))
"""For texts that take long to make."""


def survives(text):
    """Reads a text; anything but a Config or a ConfigError is a failure of the test."""
    environ = {"MT5_PASSWORD": PASSWORD, "PORT": "1", "WORD": "a: {b: [c"}
    try:
        config = loads(text, name="b.yaml", environ=environ)
    except ConfigError as error:
        wrong = error
    else:
        assert config.enabled_brokers
        str([config, config.describe()]).encode("utf-8")
        assert policies(config).keys() == config.enabled_brokers.keys()
        for account in config.risk.accounts.values():
            overrides(account)
        for ea in config.eas.values():
            ea_limits(ea)
        return
    report = str(wrong)
    assert len(report.splitlines()) == len(wrong.faults) > 0
    assert all(fault.message and fault.line >= 0 for fault in wrong.faults)
    assert PASSWORD not in report
    report.encode("utf-8")


@fuzz
@given(st.text(st.characters(codec=None), max_size=300))
def test_any_text(text):
    """Text of any characters, lone surrogates included."""
    survives(text)


@fuzz
@given(st.binary(max_size=300))
def test_any_bytes(data):
    """Bytes that may be no text."""
    survives(data)


PIECES = [
    ":",
    " ",
    "\n",
    "\t",
    "-",
    "{",
    "}",
    "[",
    "]",
    ",",
    "#",
    "&a ",
    "*a",
    "!x ",
    "|",
    ">",
    "'",
    '"',
    "\\",
    "%",
    "@",
    "`",
]
PIECES += [
    "${",
    "}",
    "${PORT}",
    "${X:-y}",
    "$$",
    "null",
    "yes",
    "NO",
    ".nan",
    "1e999",
    "-0",
    "0x1",
    "1_0",
    "\0",
    "\ufeff",
    "\x85",
]
PIECES += [
    "? ",
    "<<: *a",
    "---\n",
    "...\n",
    "\r\n",
    "\u2028",
    "é",
    "\U0001f600",
    "enabled: true\n",
    "type: mt5\n",
    "  ",
]


@st.composite
def mutations(draw):
    """A file that is right or nearly so, with some cuts, copies and insertions."""
    text = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(text)))
        until = min(len(text), at + draw(st.integers(0, 40)))
        match draw(st.sampled_from(["cut", "insert", "copy", "line"])):
            case "cut":
                text = text[:at] + text[until:]
            case "insert":
                text = text[:at] + draw(st.sampled_from(PIECES) | st.text(max_size=4)) + text[at:]
            case "copy":
                to = draw(st.integers(0, len(text)))
                text = text[:to] + text[at:until] + text[to:]
            case "line":
                lines = text.splitlines(keepends=True) or [""]
                line = draw(st.integers(0, len(lines) - 1))
                lines.insert(draw(st.integers(0, len(lines))), lines[line])
                text = "".join(lines)
    return text


@dear
@given(mutations())
def test_any_mutation_of_a_file(text):
    """Files with typing errors, as people make them."""
    survives(text)


NAMES = sorted({setting.name for _, _, setting in walk(Config)} | {"demo", "default", "EURUSD", "", "<<"})
WORDS = [
    "",
    "~",
    "yes",
    "NO",
    "0",
    "-1",
    "1.5",
    "1e13",
    "1E-13",
    "9" * 25,
    ".inf",
    "a",
    "'1'",
    '"\\ud800"',
    '"\\0"',
    "[]",
    "{}",
]
WORDS += [
    "mt5_mock",
    "mt5",
    "binance_spot",
    "random_walk",
    "replay",
    "ingest",
    "USD",
    "0.0.0.0",
    "127.0.0.1",
    "*a",
    "!!str 1",
]
WORDS += [
    "'${PORT}'",
    "'${MT5_PASSWORD}'",
    "'${ABSENT}'",
    "'${WORD}'",
    "'${'",
    "/",
    "'~x'",
    "true",
    "false",
    "netting",
    "1e-7",
]
nodes = st.recursive(
    st.sampled_from(WORDS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(st.sampled_from(NAMES), inner), max_size=6).map(
            lambda pairs: "{" + ", ".join(f'"{name}": {value}' for name, value in pairs) + "}"
        ),
    ),
    max_leaves=12,
)
VALUES = st.dictionaries(st.sampled_from(NAMES), nodes, max_size=8).map(
    lambda keys: ", ".join(f'"{name}": {value}' for name, value in keys.items())
)


@dear
@given(VALUES, VALUES, VALUES, st.sampled_from(["mt5_mock", "mt5", "mt5_socket", "binance_futures"]))
def test_any_values_under_known_keys(gateway, broker, symbol, kind):
    """Every key with every sort of value, so that each check meets what it does not expect."""
    survives(
        f'gateway: {{&a "rest": {{}}, {gateway}}}\n'
        f'brokers: {{demo: {{type: {kind}, "symbols": {{EURUSD: {{{symbol}}}}}, {broker}}}}}\n'
        f"risk: {{accounts: {{default: {{{symbol}}}}}, {gateway}}}\neas: {{demo: {{{broker}}}}}"
    )


PARAMETERS = {
    rule: list(settings_of(line.kind.kind.builds))
    for rule, line in settings_of(RulesConfig).items()
    if isinstance(line.kind, Maybe) and isinstance(line.kind.kind, Section)
}
GOOD = ["1", "5", "100", "0.5", "true", "false", "balance", "equity", "max", "initial", "end_of_day", "intraday"]
GOOD += ["halt", "preserve", "high", "low", "guardian", "growth", "[EURUSD]", '["EUR*"]', '["08:00-17:00"]', "null"]
GOOD += ['"Fri 22:00"', '"Sun 22:00"', "Europe/Prague", "UTC"]


@st.composite
def written_rules(draw):
    """Rules with known parameters, most of them of the right kind."""
    rules = []
    for rule in draw(st.lists(st.sampled_from(sorted(PARAMETERS)), max_size=5, unique=True)):
        names = draw(st.lists(st.sampled_from(PARAMETERS[rule]), max_size=4, unique=True))
        pairs = [f"{name}: {draw(st.sampled_from(GOOD) | st.sampled_from(WORDS))}" for name in names]
        rules.append(f"{rule}: {{{', '.join(pairs)}}}")
    return ", ".join(rules)


@dear
@given(written_rules(), st.sampled_from(["none", "ftmo-2step-funded", "topstep-50k", "x"]), st.booleans())
def test_any_rules(rules, preset, capital):
    """Every parameter of every rule, alone and over a preset; what is accepted makes a policy."""
    more = ", initial_capital: 50000" if capital else ""
    survives(
        "brokers: {demo: {type: mt5_mock}}\n"
        f"risk: {{news_file: n, accounts: {{demo: {{preset: {preset}, rules: {{{rules}}}{more}}}}}}}"
    )


def document(path, model, value):
    """A file in which one key has a value, with the `type` that makes it a key of its class."""
    *above, name = path.split(".")
    keys = {name: value}
    kind = settings_of(model).get("type")
    if kind is not None and name != "type":
        keys["type"] = kind.kind.options[0]
    text = ", ".join(f"{key}: {written}" for key, written in keys.items())
    for at in range(len(above) - 1, -1, -1):
        key = {"brokers": "demo", "symbols": "EURUSD", "accounts": "default"}.get(above[at - 1], "x")
        text = f"{above[at].replace('*', key)}: {{{text}}}"
        if above[at] == "*" and above[at - 1] == "brokers" and "type:" not in text.split("{")[1]:
            text = text.replace("{", "{type: mt5_mock, ", 1)
    return f"{{{text}}}"


@pytest.mark.parametrize(("path", "model"), [(path, model) for path, model, _ in walk(Config)])
def test_every_key_with_every_sort_of_value(path, model):
    """What random values may miss: each key of the table meets each word of the list."""
    for word in WORDS:
        survives(document(path, model, word))
