"""Kill the gateway again and again on an exchange that misbehaves: nothing is lost, and nothing happens twice.

As `test_chaos`, and the broker is that of Binance spot over HTTP and WebSockets. A run is repeated with its seed:
QUANTMIND_CHAOS_SEED=123 pytest tests/faults/test_chaos_binance.py.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from faults.chaos.answers import Said
from faults.chaos.campaign import Outcome, where
from faults.chaos.kill_switch import ROOT
from faults.chaos.processes import environment
from faults.chaos_binance.aim import is_on_the_way
from faults.chaos_binance.campaign import ExchangeCampaign
from faults.chaos_binance.check import check
from faults.chaos_binance.evidence import Whole, answered, gathered
from faults.chaos_binance.story import BOUGHT, MOVE, REFUSED, TAKEN_BACK, WAITS, Story, clean, placed, row

from quantmind.adapters.binance.names import Role, client_id, tag_number

SEED = "QUANTMIND_CHAOS_SEED"


def seed() -> int:
    """The one that is given, else another one each time."""
    given = os.environ.get(SEED)
    return int(given) if given else secrets.randbelow(1_000_000)


async def checked(folder: Path) -> str:
    """What the checker, a program of its own, says of a run; it must have nothing against it."""
    result = await trio.run_process(
        [sys.executable, "-m", "faults.chaos_binance.check", str(folder)],
        capture_stdout=True,
        stderr=subprocess.STDOUT,
        check=False,
        cwd=ROOT,
        env=environment(),
    )
    said = result.stdout.decode()
    assert result.returncode == 0, said
    return said


LENIENT_UP_TO = 20


def check_that_it_showed_something(campaign: ExchangeCampaign, whole: Whole, rounds: int) -> None:
    """Kills on the order path, unknown orders, and each kind of trouble: else there was nothing to find."""
    outcome: Outcome = campaign.outcome
    at_sites = [kill["killed_at"] for kill in outcome.kills if kill["killed_at"] != "clock"]
    assert len(outcome.kills) == rounds + 1
    # A busy machine does a third of what a quiet one does in the same time; the long form has time enough.
    part = 1.0 if rounds > LENIENT_UP_TO else 0.3
    assert len(at_sites) >= rounds * 0.4 * part
    assert sum(is_on_the_way(site) for site in at_sites) >= rounds * 0.15 * part
    assert sum(bool(answered(asked, Said.UNKNOWN)) for asked in whole.gateway.asked.values()) >= rounds * 0.25 * part
    assert len(whole.exchange.trades) >= rounds * part
    done = Counter(asked.body["type"] for asked in whole.gateway.asked.values() if answered(asked, Said.DONE))
    kinds = [kind for kind in ("trade_open", "trade_close", "trade_modify", "trade_cancel") if done[kind]]
    assert len(kinds) >= 4 * part
    assert len(campaign.mischief) >= 12 * part


@pytest.mark.skipif(
    sys.platform == "win32",
    reason="there is no SIGKILL on Windows: a process can't end itself between two instructions",
)
@pytest.mark.parametrize("rounds", [pytest.param(11, id="12"), pytest.param(59, id="60", marks=pytest.mark.long)])
async def test_nothing_is_lost_and_nothing_happens_twice(rounds: int, tmp_path: Path, record_property: Any) -> None:
    """Killed on the way to an exchange that misbehaves, the gateway carries out each request once or not at all."""
    chosen = seed()
    print(f"{SEED}={chosen} folder={tmp_path}", flush=True)
    record_property("seed", chosen)
    campaign = ExchangeCampaign(tmp_path, rounds, chosen)
    outcome = await campaign.run()
    said = await checked(tmp_path)
    print(said, *where(outcome), f"exchange={dict(campaign.mischief)} network={dict(outcome.network)}", sep="\n")
    print(f"requests={outcome.requests} copies={outcome.copies} sites={outcome.sites} took_s={outcome.took_s:.0f}")
    record_property("seen", said)
    check_that_it_showed_something(campaign, gathered(tmp_path), rounds)


# --- the checker ----------------------------------------------------------------------------------------------------


def violated(story: Story, folder: Path) -> set[str]:
    """The rules that do not hold in a story."""
    story.write(folder)
    return {violation.rule for violation in check(gathered(folder))}


def test_a_clean_story_passes(tmp_path: Path) -> None:
    """Where everything is as it was said, nothing is found."""
    assert violated(clean(), tmp_path) == set()


def _moved(story: Story) -> None:
    ticket = tag_number(TAKEN_BACK)
    story.ask(
        MOVE,
        {"type": "trade_modify", "ticket": ticket, "new_price": 40001.0},
        {"ticket": ticket, "volume": 0, "ended": "cancelled"},
        "done",
    )


def test_an_order_may_be_moved_and_then_taken_back(tmp_path: Path) -> None:
    """Both requests are answered with how the order ended, and only one of them took it back."""
    story = clean()
    _moved(story)
    said = client_id(Role.ORDER, TAKEN_BACK, MOVE)
    story.ledger += [placed(said, 9), row(said, 9, "CANCELED", "0.03", price="40001")]
    assert violated(story, tmp_path) == set()


def _sent_twice(story: Story) -> None:
    said = client_id(Role.ORDER, BOUGHT)
    story.ledger += [placed(said, 9), row(said, 9, "FILLED", "0.01", executedQty="0.01", cummulativeQuoteQty="600")]


def _two_orders_of_a_request(story: Story) -> None:
    story.replies("r-b")[1]["order_id"] = BOUGHT


def _another_volume(story: Story) -> None:
    for reply in story.replies("r-a"):
        reply["volume"] = 0.02


def _another_price(story: Story) -> None:
    for reply in story.replies("r-a"):
        reply["price"] = 60001.0


def _never_placed(story: Story) -> None:
    for reply in story.replies("r-f"):
        reply.update(status="success", code=None, volume=0.04, price=60000.0)


def _more_taken_back(story: Story) -> None:
    story.order(3).update(executedQty="0.01", cummulativeQuoteQty="400")


def _no_stop_placed(story: Story) -> None:
    story.order(4)["stopPrice"] = "35001"


def _refused_and_filled(story: Story) -> None:
    said = client_id(Role.ORDER, REFUSED)
    story.ledger += [placed(said, 9), row(said, 9, "FILLED", "0.04", executedQty="0.04", cummulativeQuoteQty="2400")]


def _done_and_refused(story: Story) -> None:
    story.replies("r-f")[0].update(status="success", code=None, volume=0.0, price=None)


def _gone(story: Story) -> None:
    story.order(2)["status"] = "CANCELED"


def _nobody_s(story: Story) -> None:
    said = client_id(Role.ORDER, "9" * 16)
    story.ledger += [placed(said, 9), row(said, 9, "NEW", "0.05")]


def _two_stops(story: Story) -> None:
    story.ledger.append(row(client_id(Role.STOP_LOSS, WAITS), 9, "NEW", "0.01", side="SELL", stopPrice="34000"))


def _held_more(story: Story) -> None:
    next(line for line in story.ledger if line.get("asset") == "BTC")["free"] = "0.01"


def _less_money(story: Story) -> None:
    story.view["account"]["free_margin"] = 399.0


def _a_deal_too_many(story: Story) -> None:
    story.view["deals"].append({"ticket": 5, "volume": 0.01})


def _without_an_outcome(story: Story) -> None:
    story.record[1]["body"]["state"] = "unknown"


def _forged_outcome(story: Story) -> None:
    story.record[11]["body"]["state"] = "filled"


def _without_an_intent(story: Story) -> None:
    for line in story.record[:2]:
        line["order_id"] = "other"


def _by_another_order(story: Story) -> None:
    story.record[12]["order_id"] = WAITS


def _a_line_is_missing(story: Story) -> None:
    del story.record[4]


def _still_unknown(story: Story) -> None:
    story.replies("r-a")[1]["status"] = "unknown"


PLANTED: list[tuple[Callable[[Story], None], str]] = [
    (_sent_twice, "nothing_is_placed_twice"),
    (_two_orders_of_a_request, "nothing_is_placed_twice"),
    (_another_volume, "done_is_in_the_ledger"),
    (_another_price, "done_is_in_the_ledger"),
    (_never_placed, "done_is_in_the_ledger"),
    (_more_taken_back, "done_is_in_the_ledger"),
    (_no_stop_placed, "done_is_in_the_ledger"),
    (_refused_and_filled, "nothing_refused_is_in_the_ledger"),
    (_done_and_refused, "answers_do_not_change"),
    (_gone, "no_order_is_gone"),
    (_moved, "no_order_is_gone"),
    (_nobody_s, "every_order_is_known"),
    (_two_stops, "stops_never_stand_twice"),
    (_held_more, "the_account_agrees"),
    (_less_money, "the_account_agrees"),
    (_a_deal_too_many, "the_account_agrees"),
    (_without_an_outcome, "no_intent_is_without_an_outcome"),
    (_forged_outcome, "no_intent_is_without_an_outcome"),
    (_without_an_intent, "every_order_has_an_intent"),
    (_by_another_order, "every_order_has_an_intent"),
    (_a_line_is_missing, "the_record_is_whole"),
    (_still_unknown, "nothing_stays_unknown"),
]


@pytest.mark.parametrize(("plant", "rule"), PLANTED, ids=[plant.__name__.strip("_") for plant, _ in PLANTED])
def test_the_checker_finds_what_is_planted(plant: Callable[[Story], None], rule: str, tmp_path: Path) -> None:
    """A fault that is planted in a story breaks the rule that is there for it."""
    story = clean()
    plant(story)
    assert rule in violated(story, tmp_path)


def test_the_checker_is_a_program(tmp_path: Path) -> None:
    """It says what does not hold, and ends with 1."""
    story = clean()
    _sent_twice(story)
    story.write(tmp_path)
    command = [sys.executable, "-m", "faults.chaos_binance.check", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment(), timeout=60)
    assert ran.returncode == 1, ran.stderr
    assert "was placed 2 times" in ran.stdout
