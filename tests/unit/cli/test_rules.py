"""`quantmind rules`: what it prints, word for word, and what it says where it can't; `check` on what is looser.

The texts lie in `golden`; after a change that is meant, write them anew with QUANTMIND_GOLDEN=write.
"""

import json
import os
import time
from decimal import Decimal
from pathlib import Path

import pytest

from quantmind.cli import main
from quantmind.cli.rules.words import Money, reset_words, sentences
from quantmind.config.presets import preset_names
from quantmind.domain.risk.policy import (
    BestDay,
    Exposure,
    Margin,
    MaxLoss,
    OnTarget,
    ProfitTarget,
    QuadraticThrottle,
    Sessions,
    Symbols,
    Tiers,
    Trailing,
    Weekend,
)
from quantmind.domain.risk.resets import Reset

GOLDEN = Path(__file__).parent / "golden"
CONFIG = """\
brokers: {demo: {type: mt5_mock}, plain: {type: mt5_mock}, firm: {type: mt5_mock}}
risk:
  news_file: news.csv
  accounts:
    demo:
      preset: ftmo-2step-funded
      initial_capital: 10000
      on_breach: flatten
      reset: {time: "01:00", zone: Europe/Prague}
      rules:
        daily_loss: {percent: 6, inclusive: true}
        max_loss: {percent: 8, inclusive: true}
        weekend: null
        symbols: {allow: [EURUSD]}
        max_open_per_symbol: {limit: 2}
    firm: {preset: ftmo-1step, initial_capital: 25000}
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A configuration with a preset that is changed, one that is not, and none; relative, as its name is printed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.yaml").write_text(CONFIG)
    return "b.yaml"


def compare(name, text):
    """A text and the file of its name are the same."""
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("QUANTMIND_GOLDEN") == "write":
        file.write_text(text, encoding="utf-8", newline="\n")
    assert file.read_text(encoding="utf-8") == text


def run(capsys, *arguments):
    """What a command prints; it must have nothing to say against it."""
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def refused(capsys, *arguments):
    """What a command says against what it is asked."""
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


def test_list(capsys):
    """All presets, with how much of each is verified."""
    compare("rules_list", run(capsys, "rules", "list"))


@pytest.mark.parametrize("name", preset_names())
def test_explain(capsys, name):
    """Each rule of each preset in sentences, with amounts for 10,000 USD, or for the plan's own capital."""
    compare(f"rules_explain_{name}", run(capsys, "rules", "explain", name))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ftmo-2step", "ftmo-1step"),
        ("ftmo-2step", "ftmo-2step-funded"),
        ("ftmo-2step", "topstep-50k"),
        ("fundednext-stellar-lite", "fundednext-stellar-1step"),
        ("the5ers-high-stakes", "alpha-capital"),
    ],
)
def test_diff(capsys, before, after):
    """What the second has otherwise, and whether it is stricter."""
    compare(f"rules_diff_{before}_{after}", run(capsys, "rules", "diff", before, after))


def test_a_preset_is_itself(capsys):
    """Nothing differs."""
    assert run(capsys, "rules", "diff", "ftmo-1step", "ftmo-1step") == "ftmo-1step and ftmo-1step have the same rules\n"


@pytest.mark.parametrize("broker", ["demo", "plain", "firm"])
def test_explain_a_broker(capsys, config, broker):
    """What holds for it: the preset's rules, those that replace them, and what is looser by that."""
    compare(f"rules_broker_{broker}", run(capsys, "rules", "explain", "--broker", broker, "--config", config))


def test_amounts_are_of_the_capital_that_is_named(capsys):
    """And of its currency."""
    text = run(capsys, "rules", "explain", "ftmo-2step", "--capital", "200000", "--currency", "EUR")

    assert "less 10000.00 EUR (5 % of the initial capital)" in text
    assert "The floor is 180000.00 EUR and never moves." in text


def test_json(capsys, config):
    """The same as values, with exact amounts as texts."""
    listed = json.loads(run(capsys, "rules", "list", "--json"))["presets"]
    explained = json.loads(run(capsys, "rules", "explain", "ftmo-1step", "--json"))
    changes = json.loads(run(capsys, "rules", "diff", "ftmo-2step", "topstep-50k", "--json"))
    broker = json.loads(run(capsys, "rules", "explain", "--broker", "demo", "--config", config, "--json"))

    assert [each["name"] for each in listed] == list(preset_names())
    assert (explained["date"], explained["verified"], explained["parameters"]) == ("2026-11-23", 4, 13)
    assert explained["rules"][0]["rule"] == "daily_loss"
    assert explained["rules"][0]["unverified"]["percent"] == "unverified"
    assert explained["rules"][0]["parameters"]["percent"] == 3
    assert changes["capital"] == "50000"
    assert changes["changes"][1]["differences"][0] == {
        "parameter": "loss",
        "before": "5 % of the initial capital",
        "after": "1000 in money",
        "strictness": "stricter",
    }
    assert broker["preset"]["name"] == "ftmo-2step-funded"
    assert {rule["rule"]: rule["from"] for rule in broker["rules"]} == {
        "daily_loss": "configuration",
        "max_loss": "configuration",
        "max_open_per_symbol": "configuration",
        "symbols": "configuration",
        "news": "ftmo-2step-funded",
    }
    assert broker["turned_off"] == [{"rule": "weekend", "strictness": "looser"}]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("explain", "ftmo-2stp"), 'there is no preset "ftmo-2stp"; did you mean "ftmo-2step"?'),
        (("diff", "ftmo-2step", "ftmo-3step"), 'there is no preset "ftmo-3step"; did you mean "ftmo-2step"?'),
        (("explain",), "name a preset, as `quantmind rules list` shows them, or a broker with --broker"),
        (
            ("explain", "topstep-50k", "--capital", "10000"),
            "--capital 10000: topstep-50k is for 50000; leave it out, or take another preset",
        ),
        (
            ("explain", "topstep-50k", "--currency", "EUR"),
            "--currency EUR: topstep-50k is for USD; leave it out, or take another preset",
        ),
    ],
)
def test_what_can_not_be_shown(capsys, arguments, expected):
    """The message has the value and the way out."""
    assert refused(capsys, "rules", *arguments) == f"quantmind: {expected}\n"


def test_what_can_not_be_shown_of_a_broker(capsys, config):
    """Capital and currency are the configuration's."""
    here = ("--config", config)
    assert refused(capsys, "rules", "explain", "--broker", "dmo", *here) == (
        'quantmind: b.yaml has no broker "dmo"; did you mean "demo"?\n'
    )
    assert refused(capsys, "rules", "explain", "--broker", "demo", "--capital", "1", *here) == (
        "quantmind: --capital is not for --broker, whose configuration says it; leave one of them out\n"
    )
    assert refused(capsys, "rules", "explain", "ftmo-2step", "--broker", "demo", *here) == (
        "quantmind: PRESET is not for --broker, whose configuration says it; leave one of them out\n"
    )


@pytest.mark.parametrize("option", [("--capital", "0"), ("--capital", "ten"), ("--currency", "usd")])
def test_options_that_are_none(capsys, option):
    """Refused with what may be written."""
    with pytest.raises(SystemExit) as left:
        main(["rules", "explain", "ftmo-2step", *option])

    assert left.value.code == 2
    assert repr(option[1]) in capsys.readouterr().err


def test_presets_need_no_configuration(capsys, tmp_path, monkeypatch):
    """Not even one that is right: none is looked for."""
    (tmp_path / "brokers.yaml").write_text("brokers: [")
    monkeypatch.chdir(tmp_path)

    assert run(capsys, "rules", "list")


# --- check ---------------------------------------------------------------------------------------------------------


def test_check_warns_of_what_is_looser(capsys, config, tmp_path):
    """And of what may be; what is stricter is nothing to warn of."""
    compare("rules_check", run(capsys, "check", "--config", config).replace(f"{tmp_path}{os.sep}", ""))


@pytest.mark.parametrize(
    ("text", "days_old", "said"),
    [
        (None, 0, "it can't be read (No such file or directory); until it can be read demo can open nothing"),
        ("time,currency,impact\n2090-01-01T00:00Z,USD,hgh\n", 0, "line 2, impact: 'hgh' is none"),
        ("time,currency,impact\n2090-01-01T00:00Z,USD,high\n", 3, "was last written 72 h ago: demo can open nothing"),
        ("time,currency,impact\n2001-01-01T00:00Z,USD,high\n", 0, "has no event that is still to come"),
        ("time,currency,impact\n2090-01-01T00:00Z,USD,high\n", 0, None),
    ],
)
def test_check_looks_at_the_calendar(capsys, config, tmp_path, text, days_old, said):
    """An account that needs it opens nothing without: better heard of before the start than at the first order."""
    if text is not None:
        file = tmp_path / "news.csv"
        file.write_text(text)
        then = time.time() - days_old * 86_400
        os.utime(file, (then, then))
    told = run(capsys, "check", "--config", config)
    news = json.loads(run(capsys, "check", "--json", "--config", config))["news"]

    assert [line for line in told.splitlines() if "WARNING: risk.news_file" in line and (said or "") in line] == [
        f"    WARNING: {line}" for line in news["warnings"]
    ]
    assert bool(news["warnings"]) is (said is not None)


def test_check_warns_of_a_silence_that_is_none(capsys, config, tmp_path):
    """An EA that sends its heartbeats as the replies ask for them would be closed between two of them."""
    fast = "fast: {broker: demo, dead_man_s: 5, on_dead_man: flatten}"
    slow = "slow: {broker: demo, dead_man_s: 15, on_dead_man: block}"
    (tmp_path / config).write_text(f"{CONFIG}eas: {{{fast}, {slow}}}\n")

    (line,) = [line for line in run(capsys, "check", "--config", config).splitlines() if "dead_man_s" in line]
    assert "WARNING: eas.fast.dead_man_s is 5" in line
    assert json.loads(run(capsys, "check", "--json", "--config", config))["warnings"] == [line[len("  WARNING: ") :]]


def test_check_takes_an_account_that_is_kept(capsys, config, tmp_path):
    """It is the gateway that keeps it; to check needs no file of it."""
    (tmp_path / config).write_text(CONFIG.replace("type: mt5_mock", "type: mt5_mock, persist: true"))

    assert "no faults" in run(capsys, "check", "--config", config)


def test_check_says_it_as_json_too(capsys, config):
    """For programs, by broker."""
    found = json.loads(run(capsys, "check", "--json", "--config", config))["presets"]

    assert list(found) == ["demo", "firm"]
    assert (found["firm"]["name"], found["firm"]["looser"]) == ("ftmo-1step", [])
    assert "weekend is turned off: LOOSER than ftmo-2step-funded" in found["demo"]["looser"]


def test_check_warns_of_rules_that_are_only_observed(capsys, config, tmp_path):
    """Nothing would be looser than that."""
    text = CONFIG.replace("risk:\n", "risk:\n  observe_only: true\n")
    (tmp_path / config).write_text(text)

    assert "WARNING: risk.observe_only is true: its rules are judged and refuse nothing" in run(
        capsys, "check", "--config", config
    )


# --- sentences that no preset has ----------------------------------------------------------------------------------

MONEY = Money(None)
ABOVE_THE_HIGHEST = (
    "The equity must stay at or above the higher of the initial capital and the highest equity at any time, less "
    "5 % of the initial capital."
)


@pytest.mark.parametrize(
    ("name", "rule", "expected"),
    [
        (
            "max_loss",
            MaxLoss(percent=Decimal(5), trailing=Trailing.INTRADAY),
            [
                ABOVE_THE_HIGHEST,
                "The floor only rises.",
                "Exactly at the floor it is not broken yet (strict).",
            ],
        ),
        (
            "profit_target",
            ProfitTarget(percent=Decimal(8), on_target=OnTarget.HALT),
            [
                "The target is a profit of 8 % of the initial capital.",
                "Once it is reached nothing new is opened.",
            ],
        ),
        (
            "best_day",
            BestDay(percent=Decimal(40), refuse=True),
            [
                "The best day may have made 40 % of all profit at most.",
                "While today is above that nothing new is opened.",
            ],
        ),
        ("max_trades_per_day", 1, ["Between two resets at most 1 position may be opened."]),
        ("max_orders_per_minute", 5, ["Within a minute at most 5 orders may be approved."]),
        (
            "exposure",
            Exposure(currency_percent=Decimal(500)),
            ["Net exposure of one currency is at most 500 % of the equity of the account's group."],
        ),
        (
            "margin",
            Margin(free_percent=Decimal(50)),
            ["After an order 50 % of the equity or more must be free of margin."],
        ),
        ("symbols", Symbols(deny=("EURTRY", "USD*")), ["EURTRY, USD* may not be traded."]),
        (
            "sessions",
            Sessions(hours=((480, 720), (1320, 1440)), zone="Europe/London"),
            ["Positions are opened only in the hours 08:00-12:00, 22:00-24:00 Europe/London."],
        ),
        (
            "weekend",
            Weekend(),
            [
                "From 60 min before Friday 22:00 until Sunday 22:00 UTC nothing new is opened.",
                "What is open then stays.",
            ],
        ),
        ("stop_required", True, ["An order must have a stop, and keep it."]),
        ("min_stop_distance", True, ["A stop must be as far from the price as the broker asks for."]),
        (
            "quadratic_throttle",
            QuadraticThrottle(hard_stop_buffer=Decimal(50)),
            ["Volumes are multiplied by 1 - (loss / limit)², with the loss of the day and its limit less 50.00."],
        ),
        (
            "tiers",
            Tiers(scaling=Decimal(100), guardian=Decimal(200)),
            [
                "An equity below 100.00 is growth, from 200.00 on guardian, between scaling.",
                "The throttle applies from the tier guardian on.",
            ],
        ),
    ],
)
def test_sentences(name, rule, expected):
    """One for each thing that a rule does; without a capital there are no amounts."""
    assert sentences(name, rule, MONEY) == expected


@pytest.mark.parametrize(
    ("reset", "expected"),
    [
        (Reset(), "00:00 UTC (UTC+0 all year)"),
        (Reset(0, "Etc/GMT-3"), "00:00 Etc/GMT-3 (UTC+3 all year)"),
        (Reset(1020, "America/Chicago"), "17:00 America/Chicago (UTC-6 in January, UTC-5 in July)"),
        (Reset(0, "Asia/Kolkata"), "00:00 Asia/Kolkata (UTC+5:30 all year)"),
        (Reset(0, "America/St_Johns"), "00:00 America/St_Johns (UTC-3:30 in January, UTC-2:30 in July)"),
    ],
)
def test_when_a_day_ends(reset, expected):
    """With what the clocks of the zone are ahead of UTC."""
    assert reset_words(reset, 2026) == expected
