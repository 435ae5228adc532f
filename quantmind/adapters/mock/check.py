"""What a trade would come to, without carrying it out."""

from __future__ import annotations

from decimal import Decimal

import attrs

from quantmind.domain.accounts import Account
from quantmind.domain.orders import Placed, Refused


@attrs.frozen
class TradeCheck:
    """MetaTrader 5's MqlTradeCheckResult: the account as it would be after the request.

    `retcode` is 0 when it would be carried out. Otherwise it is the code of the refusal, and the account is as it
    stands now. `margin_level` is in percent, None without margin (a terminal shows 0).
    """

    retcode: int
    balance: Decimal
    equity: Decimal
    profit: Decimal
    margin: Decimal
    margin_free: Decimal
    margin_level: Decimal | None
    comment: str


def check_of(outcome: Placed | Refused, account: Account) -> TradeCheck:
    """The check that an outcome on trial, and the account after it, come to."""
    return TradeCheck(
        retcode=outcome.retcode if isinstance(outcome, Refused) else 0,
        balance=account.balance,
        equity=account.equity,
        profit=account.profit,
        margin=account.margin,
        margin_free=account.margin_free,
        margin_level=account.margin_level,
        comment=outcome.comment if isinstance(outcome, Refused) else "Done",
    )
