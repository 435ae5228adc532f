"""Rules for whatever adds exposure: each looks at the situation and says nothing, no, or how much.

Source of the rules and their names: docs/risk.md. `ADDING` is all of them; most say nothing until their parameters are
set.
"""

from quantmind.domain.risk.rules import exposure, gates, limits, market, money
from quantmind.domain.risk.rules.finding import Cap as Cap
from quantmind.domain.risk.rules.finding import Finding as Finding
from quantmind.domain.risk.rules.finding import Refusal as Refusal
from quantmind.domain.risk.rules.finding import Rule as Rule

ADDING: tuple[Rule, ...] = (
    gates.recorded,
    gates.trading_state,
    gates.watched,
    gates.breaker,
    gates.mandate,
    gates.no_unknown,
    gates.symbol_known,
    gates.equity_fresh,
    gates.stops_missing,
    gates.price_fresh,
    money.baseline_known,
    money.daily_loss,
    money.max_loss,
    money.profit_target,
    money.best_day,
    limits.max_open_positions,
    limits.max_open_per_symbol,
    limits.max_trades_per_day,
    limits.max_orders_per_minute,
    limits.ea_limits,
    limits.max_volume,
    exposure.exposure,
    exposure.margin,
    exposure.stop_required,
    exposure.min_stop_distance,
    market.symbol_allowed,
    market.sessions,
    market.weekend,
    market.news,
)
"""Applied, all of them, to whatever adds exposure."""

UNLIMITED: frozenset[Rule] = frozenset(
    {
        gates.recorded,
        gates.trading_state,
        gates.breaker,
        gates.mandate,
        gates.no_unknown,
        gates.symbol_known,
        limits.max_volume,  # of a policy that sets none: what the symbol takes
    }
)
"""Those that refuse also while a policy is only observed: they guard the gateway's own promises, and the operator's."""
