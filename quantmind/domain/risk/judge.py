"""`judge`: one proposal, one situation, one verdict."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import attrs

from quantmind.domain.accounts import net_lots
from quantmind.domain.orders import Cancel, Close, Modify, Open, OrderType, Proposal, Side
from quantmind.domain.risk.approval import Denied, Reason, Terms, Verdict, approve
from quantmind.domain.risk.rules import ADDING, Cap, Refusal, Rule
from quantmind.domain.risk.state import Situation, TradingState

_ONE = Decimal(1)


def judge(
    proposal: Proposal,
    situation: Situation,
    *,
    approval_id: str,
    deadline: float,
    rules: Sequence[Rule] = ADDING,
) -> Verdict:
    """Decide. Every rule that speaks stands in the verdict; a rule that raises is a refusal that names it.

    What is proved to reduce risk passes whatever the rules say. An `Open` is approved for exactly the volume
    asked for, or, with `reduce`, for the largest that passes.

    Args:
        approval_id: what the approval will be known by.
        deadline: monotonic seconds at which the promise ends.
    """
    reduces = is_reduction(proposal, situation)
    if reduces:
        terms = Terms(_multiplier(situation), proposal.volume if isinstance(proposal, Open) else None)
        return approve(
            proposal,
            terms,
            approval_id=approval_id,
            incarnation=situation.incarnation,
            deadline=deadline,
            reduces=True,
        )
    refusals: list[Reason] = []
    caps: list[Cap] = []
    for rule in rules:
        # A rule that breaks must refuse, whatever broke in it: this is the one place where fail-closed is made.
        try:
            finding = rule(situation, proposal)
        except Exception as exc:  # noqa: BLE001
            refusals.append(_as_no(rule, f"failed: {exc!r}"))
            continue
        if isinstance(finding, Refusal):
            refusals.append(finding.reason)
        elif isinstance(finding, Cap) and finding.volume.is_finite():
            caps.append(finding)
        elif finding is not None:
            refusals.append(_as_no(rule, f"said {finding!r}"))
    multiplier = _multiplier(situation)
    if not isinstance(proposal, Open):
        terms = Terms(multiplier, None, tuple(refusals))
        if refusals:
            return Denied(proposal, terms)
        return approve(
            proposal,
            terms,
            approval_id=approval_id,
            incarnation=situation.incarnation,
            deadline=deadline,
            reduces=False,
        )
    return _judge_open(proposal, situation, refusals, caps, multiplier, approval_id, deadline)


def _as_no(rule: Rule, what: str) -> Reason:
    name = getattr(rule, "__name__", type(rule).__name__)
    return Reason(name, f"the rule {name} {what}; it counts as no")


def _judge_open(
    proposal: Open,
    situation: Situation,
    refusals: list[Reason],
    caps: list[Cap],
    multiplier: Decimal,
    approval_id: str,
    deadline: float,
) -> Verdict:
    spec = situation.market.spec
    if spec is None or refusals or not caps:
        # No cap is no permission: with no rule that says how much, nothing passes.
        reasons = tuple(refusals) or (Reason("max_volume", "no rule says how much may be traded"),)
        return Denied(proposal, Terms(multiplier, Decimal(0), reasons))
    allowed = min(cap.volume for cap in caps)
    largest = spec.floor_volume(multiplier * allowed)
    reasons_for_less: list[Reason] = []
    if proposal.volume > largest:
        reasons_for_less += [cap.reason for cap in caps if cap.volume < proposal.volume]
        if multiplier < _ONE and proposal.volume > spec.floor_volume(multiplier * proposal.volume):
            reasons_for_less.append(
                Reason(
                    "risk_multiplier",
                    f"the risk multiplier is {multiplier}: at most {largest} lots may be traded, "
                    f"{proposal.volume} were asked for",
                    multiplier,
                    proposal.volume,
                )
            )
    if not spec.on_volume_grid(proposal.volume) and proposal.volume <= spec.volume_max:
        reasons_for_less.append(
            Reason(
                "volume_step",
                f"{proposal.volume} lots can't be traded: {proposal.symbol} takes {spec.volume_min} to "
                f"{spec.volume_max} in steps of {spec.volume_step}",
                spec.volume_step,
                proposal.volume,
            )
        )
    volume = proposal.volume
    if reasons_for_less or volume > largest:
        volume = spec.floor_volume(min(volume, largest)) if proposal.reduce else Decimal(0)
    terms = Terms(multiplier, largest, tuple(reasons_for_less))
    if volume <= 0:
        if not reasons_for_less:
            reason = Reason("max_volume", f"at most {largest} lots may be traded", largest, proposal.volume)
            terms = attrs.evolve(terms, reasons=(reason,))
        return Denied(proposal, terms)
    return approve(
        proposal if volume == proposal.volume else attrs.evolve(proposal, volume=volume),
        terms,
        approval_id=approval_id,
        incarnation=situation.incarnation,
        deadline=deadline,
        reduces=False,
    )


def is_reduction(proposal: Proposal, situation: Situation) -> bool:
    """Whether the proposal is proved to take risk away, or is a close of something we can't see.

    A close counts when the symbol's net exposure falls (closing one leg of a hedge does not), whatever becomes of the
    closes that are on their way, or when two opposite positions close by each other. An open counts where it closes a
    part of a netting account's position, as a fresh sample shows that. A change of stops counts when the stop comes
    nearer or stays; taking back a pending order always does. A ticket that is not ours to see (the EA trades by
    itself): its close passes, a change of its stops passes only while trading is active.
    """
    match proposal:
        case Open():
            return _nets(proposal, situation)
        case Cancel():
            return True
        case Close():
            return _closes(proposal, situation)
        case Modify():
            return _tightens(proposal, situation)


def _nets(proposal: Open, situation: Situation) -> bool:
    """Whether a market order without stops of its own closes at most what a netting account holds of the symbol.

    What the same side has in flight or in the book is counted as filled, and so are closes by ticket: two orders that
    each close the position would together turn it round. Nor does an old sample prove anything: unlike a close, which
    names its ticket, the order opens a position where a stop has taken the old one away meanwhile.
    """
    side = proposal.side
    if not situation.netting or side is None or proposal.order_type is not OrderType.MARKET:
        return False
    if proposal.sl is not None or proposal.tp is not None:
        return False
    age_s = situation.sample_age_s
    if age_s is None or age_s > situation.policy.equity_fresh_s:
        return False
    held = -net_lots(list(situation.positions.values()), proposal.symbol) * side.sign
    closing = [
        lots for ticket, lots in _closing(situation).items() if situation.positions[ticket].symbol == proposal.symbol
    ]
    on_its_way = [
        item.volume
        for item in situation.reservations
        if item.symbol == proposal.symbol and item.side is not side.opposite
    ]
    waiting = [
        item.volume for item in situation.orders.values() if item.symbol == proposal.symbol and item.side is side
    ]
    return proposal.volume + sum(on_its_way) + sum(waiting) + sum(closing) <= held


def _closes(proposal: Close, situation: Situation) -> bool:
    position = situation.positions.get(proposal.ticket)
    if position is None:
        return True
    if proposal.by is not None:
        other = situation.positions.get(proposal.by)
        return other is not None and other.symbol == position.symbol and other.side is position.side.opposite
    side, going = position.side, _closing(situation)
    # The worst that the others on their way can do is to take away what this one would close against.
    net = net_lots(list(situation.positions.values()), position.symbol) * side.sign
    for ticket, lots in going.items():
        other = situation.positions[ticket]
        if ticket != position.ticket and (other.symbol, other.side) == (position.symbol, side):
            net -= lots
    return all(
        _falls(net - gone, position.volume - gone, proposal.volume)
        for gone in {Decimal(0), going.get(position.ticket, Decimal(0))}
    )


def _falls(net: Decimal, held: Decimal, asked: Decimal | None) -> bool:
    closed = held if asked is None else min(asked, held)
    return closed == 0 or abs(net - closed) < abs(net)


def _closing(situation: Situation) -> dict[int, Decimal]:
    """Lots that closes on their way may take, by the ticket of an open position."""
    going: dict[int, Decimal] = {}
    for item in situation.closings:
        for ticket, lots in item.lots.items():
            position = situation.positions.get(ticket)
            if position is not None:
                taken = position.volume if lots is None else lots
                going[ticket] = min(position.volume, going.get(ticket, Decimal(0)) + taken)
    return going


def _tightens(proposal: Modify, situation: Situation) -> bool:
    item = situation.positions.get(proposal.ticket) or situation.orders.get(proposal.ticket)
    if item is None:
        return situation.state is TradingState.ACTIVE
    if proposal.new_price is not None or proposal.new_expiration is not None:
        return False
    return not _loosens(proposal, item.sl, item.side)


def _loosens(proposal: Modify, current: Decimal | None, side: Side) -> bool:
    new = proposal.new_sl
    if new is None or current is None or new == current:
        return False
    if new == 0:
        return True
    return new < current if side is Side.BUY else new > current


def _multiplier(situation: Situation) -> Decimal:
    multiplier = situation.ea.multiplier
    if not multiplier.is_finite() or multiplier < 0:
        return Decimal(0)
    return min(multiplier, _ONE)
