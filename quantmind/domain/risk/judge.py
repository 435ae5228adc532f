"""`judge`: one proposal, one situation, one verdict."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import attrs

from quantmind.domain.accounts import net_lots
from quantmind.domain.orders import Cancel, Close, Modify, Open, OrderType, Proposal, Side
from quantmind.domain.risk.approval import Denied, Reason, Terms, Verdict, approve
from quantmind.domain.risk.policy import EaLimits, Policy
from quantmind.domain.risk.rules import ADDING, UNLIMITED, Cap, Refusal, Rule
from quantmind.domain.risk.rules.throttles import multiplier as multiplier_of
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
    asked for, or, with `reduce`, for the largest that passes. Where a policy is only observed, what its limits would
    have said stands in the verdict and refuses nothing.

    Args:
        approval_id: what the approval will be known by.
        deadline: monotonic seconds at which the promise ends.
    """
    promise = _Promise(approval_id, situation.incarnation, deadline)
    if _proved(proposal, situation):
        terms = Terms(_multiplier(situation)[0], proposal.volume if isinstance(proposal, Open) else None)
        return promise.made(proposal, terms, reduces=True)
    verdict = _decide(proposal, situation, rules, promise)
    if not situation.policy.observe_only:
        return verdict
    free = _decide(proposal, _unlimited(situation), [rule for rule in rules if rule in UNLIMITED], promise)
    seen = tuple(attrs.evolve(reason, observed=True) for reason in verdict.terms.reasons)
    hard = free.terms.reasons
    reasons = (*hard, *(reason for reason in seen if attrs.evolve(reason, observed=False) not in hard))
    return attrs.evolve(free, terms=attrs.evolve(free.terms, reasons=reasons))


def judge_flattening(proposal: Proposal, situation: Situation, *, approval_id: str, deadline: float) -> Verdict:
    """A step by which the gateway makes an account flat: it passes, since what it leads to has no risk at all.

    Taken by itself a step may raise the net exposure (one leg of a hedge), so nobody else may call it a reduction.
    """
    terms = Terms(_multiplier(situation)[0], None)
    if not isinstance(proposal, Close | Cancel):
        reason = Reason("trading_state", "only closes and cancellations make an account flat")
        return Denied(proposal, attrs.evolve(terms, reasons=(reason,)))
    return _Promise(approval_id, situation.incarnation, deadline).made(proposal, terms, reduces=True)


def _proved(proposal: Proposal, situation: Situation) -> bool:
    """What can't be reckoned (a size that is no number) proves nothing: then the rules decide."""
    try:
        return is_reduction(proposal, situation)
    except ArithmeticError:
        return False


@attrs.frozen
class _Promise:
    """What an approval is known by and how long it holds."""

    approval_id: str
    incarnation: int
    deadline: float

    def made(self, proposal: Proposal, terms: Terms, *, reduces: bool = False) -> Verdict:
        return approve(
            proposal,
            terms,
            approval_id=self.approval_id,
            incarnation=self.incarnation,
            deadline=self.deadline,
            reduces=reduces,
        )


def _unlimited(situation: Situation) -> Situation:
    """The same without the limits of a policy, but for what guards the gateway's own promises."""
    policy = situation.policy
    free = Policy(
        max_volume=Decimal("Infinity"),
        max_open_positions=policy.max_open_positions,
        unknown_grace_s=policy.unknown_grace_s,
    )
    return attrs.evolve(situation, policy=free, ea=EaLimits(multiplier=situation.ea.multiplier))


def _decide(proposal: Proposal, situation: Situation, rules: Sequence[Rule], promise: _Promise) -> Verdict:
    refusals: list[Reason] = []
    caps: list[Cap] = []
    for rule in rules:
        # A rule that breaks must refuse, whatever broke in it: this is the one place where fail-closed is made.
        try:
            finding = rule(situation, proposal)
        except Exception as exc:  # noqa: BLE001
            refusals.append(_as_no(rule, f"failed: {exc!r}"))
            continue
        if finding is None:
            continue
        if isinstance(finding, Cap) and finding.volume.is_finite():
            caps.append(finding)
        elif isinstance(finding, Refusal):
            refusals.append(finding.reason)
        else:
            refusals.append(_as_no(rule, f"said {finding!r}"))
    factor, whose = _multiplier(situation)
    if isinstance(proposal, Open):
        try:
            return _decide_open(proposal, situation, refusals, caps, (factor, whose), promise)
        except ArithmeticError as exc:
            # A size or a grid that is no number: as a rule that breaks, whatever the rules said.
            refusals.append(Reason("volume_step", f"what volume may be traded can't be told: {exc!r}"))
            return Denied(proposal, Terms(factor, Decimal(0), tuple(refusals)))
    terms = Terms(factor, None, tuple(refusals))
    return Denied(proposal, terms) if refusals else promise.made(proposal, terms)


def _as_no(rule: Rule, what: str) -> Reason:
    name = getattr(rule, "__name__", type(rule).__name__)
    return Reason(name, f"the rule {name} {what}; it counts as no")


def _decide_open(
    proposal: Open,
    situation: Situation,
    refusals: list[Reason],
    caps: list[Cap],
    throttle: tuple[Decimal, str],
    promise: _Promise,
) -> Verdict:
    spec, (factor, whose) = situation.market.spec, throttle
    if spec is None or refusals or not caps:
        # No cap is no permission: with no rule that says how much, nothing passes.
        reasons = tuple(refusals) or (Reason("max_volume", "no rule says how much may be traded"),)
        return Denied(proposal, Terms(factor, Decimal(0), reasons))
    allowed = min(cap.volume for cap in caps)
    largest = spec.floor_volume(factor * allowed)
    reasons_for_less: list[Reason] = []
    if proposal.volume > largest:
        reasons_for_less += [cap.reason for cap in caps if cap.volume < proposal.volume]
        if factor < _ONE and proposal.volume > spec.floor_volume(factor * proposal.volume):
            reasons_for_less.append(_less_by(factor, whose, largest, proposal, situation))
    if not spec.on_volume_grid(proposal.volume) and proposal.volume <= spec.volume_max:
        nearest = max(spec.floor_volume(proposal.volume), spec.volume_min)
        reasons_for_less.append(
            Reason(
                "volume_step",
                f"{proposal.volume} lots can't be traded: {proposal.symbol} takes {spec.volume_min} to "
                f"{spec.volume_max} in steps of {spec.volume_step}, as {nearest}",
                spec.volume_step,
                proposal.volume,
            )
        )
    volume = proposal.volume
    if reasons_for_less or volume > largest:
        volume = spec.floor_volume(min(volume, largest)) if proposal.reduce else Decimal(0)
    terms = Terms(factor, largest, tuple(reasons_for_less))
    if volume <= 0:
        if not reasons_for_less:
            reason = Reason("max_volume", f"at most {largest} lots may be traded", largest, proposal.volume)
            terms = attrs.evolve(terms, reasons=(reason,))
        return Denied(proposal, terms)
    return promise.made(proposal if volume == proposal.volume else attrs.evolve(proposal, volume=volume), terms)


def _less_by(factor: Decimal, whose: str, largest: Decimal, proposal: Open, situation: Situation) -> Reason:
    """The reason that names whose multiplier binds."""
    what = f"the risk mandate is {situation.mandate}" if whose == "mandate" else f"the risk multiplier is {factor}"
    if whose not in ("mandate", "risk_multiplier"):
        what += f" by the rule {whose}"
    message = f"{what}: at most {largest} lots may be traded, {proposal.volume} were asked for"
    return Reason(whose, message, factor, proposal.volume)


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
    closing = _closing(situation, proposal.symbol).values()
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
    side, going = position.side, _closing(situation, position.symbol)
    # The worst that the others on their way can do is to take away what this one would close against.
    net = net_lots(list(situation.positions.values()), position.symbol) * side.sign
    for ticket, lots in going.items():
        if ticket != position.ticket and situation.positions[ticket].side is side:
            net -= lots
    return all(
        _falls(net - gone, position.volume - gone, proposal.volume)
        for gone in {Decimal(0), going.get(position.ticket, Decimal(0))}
    )


def _falls(net: Decimal, held: Decimal, asked: Decimal | None) -> bool:
    closed = held if asked is None else min(asked, held)
    return closed == 0 or abs(net - closed) < abs(net)


def _closing(situation: Situation, symbol: str) -> dict[int, Decimal]:
    """Lots that closes on their way may take of a symbol, by the ticket of an open position."""
    going: dict[int, Decimal] = {}
    for item in situation.closings:
        for ticket, lots in item.lots.items():
            position = situation.positions.get(ticket)
            if position is not None and position.symbol == symbol:
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


def _multiplier(situation: Situation) -> tuple[Decimal, str]:
    try:
        return multiplier_of(situation)
    except Exception:  # noqa: BLE001  # as a rule that breaks: what can't be told multiplies by nothing
        return Decimal(0), "risk_multiplier"
