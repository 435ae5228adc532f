"""What a paper account is opened with."""

from __future__ import annotations

from decimal import Decimal

import attrs

from quantmind.adapters.mock.money import cents
from quantmind.adapters.mock.rollover import Rollover

MARGIN_CALL_PERCENT = Decimal(100)
STOP_OUT_PERCENT = Decimal(50)
"""What retail accounts usually have; in the European Union 50 is the rule (ESMA Decision (EU) 2018/796)."""
MAX_PENDING_ORDERS = 200
"""What demo servers usually allow (MetaTrader 5: ACCOUNT_LIMIT_ORDERS)."""


@attrs.frozen(kw_only=True)
class Terms:
    """What an account is opened with. Money in `currency`; `leverage` 100 stands for 1:100."""

    login: int = 1
    server: str = "QuantMind-Mock"
    currency: str = "USD"
    leverage: int = attrs.field(default=100, validator=attrs.validators.ge(1))
    initial_balance: Decimal = attrs.field(default=Decimal(10_000), converter=cents)
    margin_mode: str = attrs.field(default="hedging", validator=attrs.validators.in_(["hedging", "netting"]))
    first_ticket: int = attrs.field(default=1_000_001, validator=attrs.validators.ge(1))
    """Number of the first order, and so of the first position."""
    first_deal: int = attrs.field(default=5_000_001, validator=attrs.validators.ge(1))
    """Number of the first deal."""
    commission_per_lot: Decimal = attrs.field(default=Decimal(0), validator=attrs.validators.ge(Decimal(0)))
    """For each lot and each side of a deal, in the account currency."""
    margin_call_percent: Decimal = attrs.field(default=MARGIN_CALL_PERCENT, validator=attrs.validators.ge(Decimal(0)))
    """Below this margin level (equity / margin x 100) the account is warned."""
    stop_out_percent: Decimal = attrs.field(default=STOP_OUT_PERCENT, validator=attrs.validators.ge(Decimal(0)))
    """Below this margin level the server closes; at most `margin_call_percent`. 0 never does while equity lasts."""
    rollover: Rollover | None = None
    """When swap is charged; None: never."""
    max_pending_orders: int = attrs.field(default=MAX_PENDING_ORDERS, validator=attrs.validators.ge(0))
    """So many limit and stop orders may wait at once."""
    execution_seed: int = 1
    """The same seed and the same orders give the same slippage and requotes."""

    @stop_out_percent.validator
    def _check_stop_out(self, _attribute: object, value: Decimal) -> None:
        if value > self.margin_call_percent:
            raise ValueError(
                f"stop_out_percent {value} is above margin_call_percent {self.margin_call_percent}: "
                "the account would be closed before it is warned; lower it or raise the other"
            )
