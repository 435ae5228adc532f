"""Verdicts. An `Approved` is the only thing that a broker's port takes, and only this package can make one."""

from __future__ import annotations

from decimal import Decimal

import attrs

from quantmind.domain.orders import Proposal

_SEAL = object()


@attrs.frozen
class Reason:
    """One rule that spoke: what it saw, what it allows, and in words what would change it."""

    rule: str
    message: str
    limit: Decimal | float | int | None = None
    value: Decimal | float | int | None = None
    observed: bool = False
    """It refuses nothing: the policy is only observed."""


@attrs.frozen
class Terms:
    """What every verdict says: the multiplier (0 to 1), the largest volume that would pass, and the reasons."""

    risk_multiplier: Decimal
    max_volume: Decimal | None
    reasons: tuple[Reason, ...] = ()


@attrs.frozen
class Denied:
    """The governor said no."""

    proposal: Proposal
    terms: Terms


@attrs.frozen
class Approved:
    """Proof that the governor let this proposal through, exactly as it stands.

    `incarnation` is the governor's that judged it, `deadline` (monotonic seconds) when the promise ends,
    `reduces` that it was proved to take risk away.

    Raises:
        TypeError: somebody other than `quantmind.domain.risk` tried to make one.
    """

    approval_id: str
    proposal: Proposal
    terms: Terms
    incarnation: int
    deadline: float
    reduces: bool
    _seal: object = attrs.field(repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if self._seal is not _SEAL:
            raise TypeError("only quantmind.domain.risk.judge makes an Approved")


Verdict = Approved | Denied


def approve(
    proposal: Proposal, terms: Terms, *, approval_id: str, incarnation: int, deadline: float, reduces: bool
) -> Approved:
    """Make the proof. For `judge` alone."""
    return Approved(approval_id, proposal, terms, incarnation, deadline, reduces, _SEAL)
