"""What became of a command: values to match on, never exceptions.

A verdict (`ask`) is `Approved`, `Rejected` or `Failed`. An order is `Filled`, `Placed` or `Done`; `Rejected` or
`Failed`, when nothing happened at the broker; or `Unknown`, when nobody can tell yet. `approved` is true only where
the gateway said so.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import ClassVar

import attrs

from quantmind.client.requests import Command


@attrs.frozen
class Approved:
    """You may trade this yourself, once, until `valid_until` (Unix seconds by the gateway's clock).

    `valid_for_ms` was left when the gateway answered. Of an open exactly `approved_volume` lots may be traded;
    `max_volume` is what would have been allowed. Tell what you did with `report_result`.
    """

    approved: ClassVar[bool] = True

    request_id: str
    approval_id: str | None = None
    approved_volume: Decimal | None = None
    max_volume: Decimal | None = None
    risk_multiplier: Decimal | None = None
    valid_until: float | None = None
    valid_for_ms: int | None = None


@attrs.frozen
class Filled:
    """The broker filled it: a market order, or a close. Volume in lots, profit in the account's currency."""

    approved: ClassVar[bool] = True

    request_id: str
    ticket: int | None = None
    order: int | None = None
    price: Decimal | None = None
    volume: Decimal | None = None
    profit: Decimal | None = None
    sl: Decimal | None = None
    tp: Decimal | None = None
    retcode: int | None = None
    retcode_text: str = ""
    order_id: str | None = None


@attrs.frozen
class Placed:
    """The order waits at the broker under `ticket` and will fill when its price comes."""

    approved: ClassVar[bool] = True

    request_id: str
    ticket: int | None = None
    order: int | None = None
    volume: Decimal | None = None
    sl: Decimal | None = None
    tp: Decimal | None = None
    retcode: int | None = None
    retcode_text: str = ""
    order_id: str | None = None


@attrs.frozen
class Done:
    """The position or order of `ticket` was changed, or the order was cancelled, as asked."""

    approved: ClassVar[bool] = True

    request_id: str
    ticket: int | None = None
    sl: Decimal | None = None
    tp: Decimal | None = None
    retcode: int | None = None
    retcode_text: str = ""
    order_id: str | None = None


@attrs.frozen
class Reason:
    """One rule that spoke; `limit` and `value` as the gateway wrote them."""

    rule: str
    message: str
    limit: Decimal | str | None = None
    value: Decimal | str | None = None


def would_pass(rules: Iterable[str], most: object) -> str:
    """What follows the reasons of a refusal by these rules: the largest volume that would pass, if it is of use.

    Whoever mistyped a hundredth of a coin is not told to buy a thousand.
    """
    return f"; {most} lots would pass" if most and "volume_step" not in rules else ""


@attrs.frozen
class Rejected:
    """The risk governor said no; nothing was sent to the broker."""

    approved: ClassVar[bool] = False

    request_id: str
    reasons: tuple[Reason, ...] = ()
    max_volume: Decimal | None = None
    risk_multiplier: Decimal | None = None

    def __str__(self) -> str:
        why = "; ".join(f"{reason.rule}: {reason.message}" for reason in self.reasons) or "rejected without a reason"
        return why + would_pass((reason.rule for reason in self.reasons), self.max_volume)


@attrs.frozen
class Ended:
    """The order waited at the broker and waits no more: it was not filled, and will not be.

    What a repeat hears of a limit or stop order by then. `ended` is cancelled, expired or rejected.
    """

    approved: ClassVar[bool] = True

    request_id: str
    ended: str
    ticket: int | None = None
    order: int | None = None
    retcode: int | None = None
    retcode_text: str = ""
    order_id: str | None = None


@attrs.frozen
class Failed:
    """It did not happen: the request was wrong, came too late, or the broker refused it.

    `code` is one of the protocol's, or of the client's own: `not_sent` (no copy left this machine in time),
    `no_answer` (of what is no order: whether it took effect is not known, and it may be sent again) and `unreadable`.
    """

    approved: ClassVar[bool] = False

    request_id: str
    code: str
    message: str
    retcode: int | None = None
    retcode_text: str = ""
    order_id: str | None = None


@attrs.frozen
class Unknown:
    """An order whose fate is not known: it may have been carried out, or not. Never send it again with a new id.

    `ask_again` of the client finds out, and never places it; `command` is all that it needs and can be kept over a
    restart (`Command.to_json`).
    """

    approved: ClassVar[bool] = False

    request_id: str
    reason: str
    command: Command
    order_id: str | None = None


OpenOutcome = Filled | Placed | Ended | Rejected | Failed | Unknown
CloseOutcome = Filled | Rejected | Failed | Unknown
ChangeOutcome = Done | Rejected | Failed | Unknown
OrderOutcome = Filled | Placed | Ended | Done | Rejected | Failed | Unknown
VerdictOutcome = Approved | Rejected | Failed


@attrs.frozen
class Beat:
    """The gateway's answer to a heartbeat. Floors and `next_reset` (Unix seconds) are None where no rule sets them."""

    request_id: str
    risk_multiplier: Decimal
    trading_state: str
    """`active`, `reduce_only` or `halted`."""
    next_heartbeat_s: float
    floor: Decimal | None = None
    next_floor: Decimal | None = None
    next_reset: float | None = None


@attrs.frozen
class Reported:
    """The result was taken; `reserved` lots of the approval are still held until the account shows them."""

    request_id: str
    approval_id: str
    reserved: Decimal


@attrs.frozen
class MultiplierSet:
    """The EA's risk multiplier as it now is."""

    request_id: str
    risk_multiplier: Decimal


AnyOutcome = Approved | Filled | Placed | Ended | Done | Rejected | Failed | Unknown | Beat | Reported | MultiplierSet
