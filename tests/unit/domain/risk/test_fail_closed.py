"""Whatever is missing, old or no number: an open is refused, and the rule that needed it is named."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from risk_all_rules import PROPOSAL, everything, spans
from risk_world import D

from quantmind.domain.risk import Approved, Denied, Situation, judge
from quantmind.domain.risk.rules import ADDING

NAN, INF = D("NaN"), D("Infinity")
FULL = everything()


def judged(at: Situation, proposal: Any = PROPOSAL) -> Approved | Denied:
    return judge(proposal, at, approval_id="x", deadline=105.0)


def deep(at: Any, path: str, value: Any) -> Any:
    """A copy with one thing changed, by its dotted name; a number picks from a tuple."""
    name, _, rest = path.partition(".")
    if isinstance(at, tuple):
        which = int(name)
        return (*at[:which], deep(at[which], rest, value) if rest else value, *at[which + 1 :])
    return attrs.evolve(at, **{name: deep(getattr(at, name), rest, value) if rest else value})


MONEY = ("daily_loss", "max_loss")
CASES: list[tuple[str, Any, tuple[str, ...]]] = [
    # the account
    ("sample", None, ("equity_fresh", *MONEY, "margin", "best_day")),
    ("sample.taken_at", 90.0, ("equity_fresh",)),
    ("sample.taken_at", float("nan"), ("equity_fresh",)),
    ("sample.taken_at", float("inf"), ("equity_fresh",)),
    ("now", float("nan"), ("equity_fresh",)),
    ("sample.account.equity", NAN, ("daily_loss", "margin")),
    ("sample.account.equity", INF, ("daily_loss", "margin")),
    ("sample.account.balance", NAN, (*MONEY, "best_day")),
    ("sample.account.balance", INF, MONEY),
    ("sample.account.profit", NAN, MONEY),
    ("sample.account.margin_free", NAN, ("margin",)),
    ("sample.account.margin_free", INF, ("margin",)),
    ("sample.account.leverage", 0, ("margin",)),
    # what outlives a restart
    ("book", None, ("baseline_known", *MONEY, "best_day")),
    ("book.day", 0.0, ("baseline_known", "daily_loss", "best_day")),
    ("book.baseline", None, ("baseline_known", "daily_loss", "best_day")),
    ("book.baseline.day", 0.0, ("baseline_known", "daily_loss", "best_day")),
    ("book.baseline.equity", None, ("baseline_known", "daily_loss")),
    ("book.baseline.equity", NAN, ("daily_loss",)),
    ("book.baseline.balance", NAN, ("daily_loss", "best_day")),
    ("book.baseline.balance", INF, ("daily_loss",)),
    ("book.highest_balance", None, ("baseline_known", "max_loss")),
    ("book.highest_balance", NAN, ("max_loss",)),
    ("book.best_day", NAN, ("best_day",)),
    ("book.profit_days", NAN, ("best_day",)),
    # the worst case
    ("worst", None, (*MONEY, "margin")),
    ("worst.cash", NAN, MONEY),
    ("worst.cash", INF, MONEY),
    ("worst.at_stops", NAN, MONEY),
    ("worst.losses", NAN, MONEY),
    ("worst.orders", NAN, MONEY),
    ("worst.unknown", ("position 5 on X has no stop",), MONEY),
    ("worst.waiting", None, ("margin",)),
    ("worst.waiting", NAN, ("margin",)),
    # promises
    ("reservations.0.worst", None, MONEY),
    ("reservations.0.worst", NAN, MONEY),
    ("reservations.0.margin", None, ("margin",)),
    ("reservations.0.margin", NAN, ("margin",)),
    ("reservations.0.volume", NAN, ("max_open_positions", "max_open_per_symbol", "max_trades_per_day", "ea_limits")),
    # the market
    ("market.spec", None, ("symbols", "min_stop_distance")),
    ("market.spec.volume_step", D(0), ("volume_step",)),
    ("market.spec.volume_step", NAN, ("volume_step",)),
    ("market.spec.volume_min", NAN, ("volume_step",)),
    ("market.spec.volume_max", NAN, ("max_volume",)),
    ("market.bid", None, ("price_fresh", *MONEY, "min_stop_distance")),
    ("market.ask", None, ("price_fresh", *MONEY, "min_stop_distance")),
    ("market.bid", NAN, ("price_fresh", *MONEY, "min_stop_distance")),
    ("market.ask", NAN, ("price_fresh", *MONEY)),
    ("market.ask", INF, ("price_fresh",)),
    ("market.age_s", None, ("price_fresh",)),
    ("market.age_s", 6.0, ("price_fresh",)),
    ("market.age_s", float("nan"), ("price_fresh",)),
    # what a lot is worth
    ("market.worth", None, (*MONEY, "exposure", "margin")),
    ("market.worth.profit.age_s", 6.0, MONEY),
    ("market.worth.profit.age_s", float("nan"), MONEY),
    ("market.worth.profit.high", NAN, MONEY),
    ("market.worth.profit.high", INF, MONEY),
    ("market.worth.profit.high", D(0), MONEY),
    ("market.worth.contract_size", NAN, (*MONEY, "exposure", "margin")),
    ("market.worth.contract_size", D(0), ("exposure", "margin")),
    ("market.worth.base", None, ("exposure",)),
    ("market.worth.base.age_s", 6.0, ("exposure",)),
    ("market.worth.base.age_s", float("nan"), ("exposure",)),
    ("market.worth.base.high", NAN, ("exposure",)),
    ("market.worth.margin", None, ("margin",)),
    ("market.worth.margin.age_s", 6.0, ("margin",)),
    ("market.worth.margin.age_s", float("nan"), ("margin",)),
    ("market.worth.margin.high", NAN, ("margin",)),
    ("market.worth.margin.high", D(0), ("margin",)),
    # counts
    ("counts.trades_today", None, ("max_trades_per_day",)),
    ("counts.orders_last_minute", None, ("max_orders_per_minute",)),
    ("symbol_counts", None, ("max_open_per_symbol",)),
    ("ea_silent_s", None, ("ea_limits",)),
    ("ea_silent_s", float("nan"), ("ea_limits",)),
    # the group
    ("group", None, ("exposure",)),
    ("group.unknown", ("equity of other",), ("exposure",)),
    ("group.equity", NAN, ("exposure",)),
    ("group.equity", D(0), ("exposure",)),
    ("group.currencies", spans("NaN"), ("exposure",)),
    ("group.symbols", spans("NaN"), ("exposure",)),
    ("group.symbols", spans("Infinity"), ("exposure",)),
    # policy and EA
    ("policy.initial_capital", None, (*MONEY, "profit_target")),
    ("policy.initial_capital", NAN, (*MONEY, "profit_target")),
    ("policy.max_volume", NAN, ("max_volume",)),
    ("policy.rules.daily_loss.percent", None, ("daily_loss",)),
    ("policy.rules.daily_loss.percent", NAN, ("daily_loss",)),
    ("policy.rules.max_loss.percent", None, ("max_loss",)),
    ("policy.rules.max_loss.lock_at", NAN, ("max_loss",)),
    ("policy.rules.exposure.symbol_percent", NAN, ("exposure",)),
    ("policy.rules.margin.free_percent", NAN, ("margin",)),
    ("policy.allowances.slippage_points", NAN, MONEY),
    ("policy.allowances.commission_per_lot", NAN, MONEY),
    ("policy.equity_fresh_s", float("nan"), ("equity_fresh",)),
    ("policy.price_fresh_s", float("nan"), ("price_fresh", *MONEY, "exposure", "margin")),
    ("ea.room_percent", NAN, MONEY),
    ("ea.max_volume", NAN, ("max_volume",)),
    ("ea.multiplier", NAN, ("risk_multiplier",)),
    ("mandate.max_multiplier", NAN, ("mandate",)),
    ("policy.rules.quadratic_throttle.hard_stop_buffer", NAN, ("quadratic_throttle",)),
    ("policy.rules.quadratic_throttle.hard_stop_buffer", D(10**6), ("quadratic_throttle",)),
    ("blocked", "it is full", ("journal",)),
    ("unwatched", "it crashed", ("watch",)),
    ("sample.unprotected", {"BTCUSDT": "its price is too far away"}, ("stops_missing",)),
    ("broken", "its circuit breaker is open", ("breaker",)),
    # the calendar and the clock
    ("news", None, ("news",)),
    ("news.refreshed_at", None, ("news",)),
    ("news.refreshed_at", float("nan"), ("news",)),
    ("news.refreshed_at", 1.0, ("news",)),
    ("wall", float("nan"), ("baseline_known", "news", "sessions", "weekend")),
    ("wall", 0.0, ("news", "sessions", "weekend")),
    ("wall", FULL.wall + 86_400, ("baseline_known",)),
]


def test_with_everything_there_it_passes() -> None:
    """Else the cases below would show nothing."""
    assert isinstance(judged(FULL), Approved)


@pytest.mark.parametrize(("path", "value", "rules"), CASES, ids=[f"{path}={value}"[:60] for path, value, _ in CASES])
def test_what_is_missing_refuses_by_name(path: str, value: Any, rules: tuple[str, ...]) -> None:
    """Each input of a decision in turn: gone, too old, or no number."""
    verdict = judged(deep(FULL, path, value))
    assert isinstance(verdict, Denied)
    spoke = {reason.rule for reason in verdict.terms.reasons}
    assert set(rules) & spoke
    if not {"risk_multiplier", "mandate", "quadratic_throttle", "volume_step"} & set(rules):
        assert set(rules) <= spoke, "each of the rules that need it says so"


def test_every_input_is_taken_away() -> None:
    """A new field of a situation must stand in the table, or in this list of those that mean nothing by being empty."""
    harmless = {
        "incarnation", "state", "state_cause", "positions", "orders", "closings", "unknowns",
        "unread",  # words for a sample that is too old
    }  # fmt: skip
    taken = {path.partition(".")[0] for path, _, _ in CASES}
    fields = {field.name for field in attrs.fields(Situation) if field.init}
    assert fields == taken | harmless


@pytest.mark.parametrize("field", ["volume", "sl", "price"])
@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_a_proposal_with_a_number_that_is_none_is_refused(field: str, value: Any) -> None:
    """Edges refuse these before; the judge does not depend on them."""
    proposal = attrs.evolve(PROPOSAL, **{field: value})
    if field == "price":
        return_limit = attrs.evolve(proposal, order_type=proposal.order_type.LIMIT)
        assert isinstance(judged(FULL, return_limit), Denied)
        return
    assert isinstance(judged(FULL, proposal), Denied)
    plain = attrs.evolve(FULL, policy=attrs.evolve(FULL.policy, rules=type(FULL.policy.rules)()))
    assert isinstance(judged(plain, proposal), Denied if field == "volume" else Approved)


@pytest.mark.parametrize("rule", ADDING, ids=lambda rule: rule.__name__)
def test_any_rule_that_breaks_refuses(rule: Any) -> None:
    """Each of them, with all of the others in place."""

    def broken(*_: object) -> Any:
        raise LookupError("a bug")

    rules = [broken if each is rule else each for each in ADDING]
    verdict = judge(PROPOSAL, FULL, approval_id="x", deadline=1.0, rules=rules)
    assert isinstance(verdict, Denied)
    assert "broken" in {reason.rule for reason in verdict.terms.reasons}
