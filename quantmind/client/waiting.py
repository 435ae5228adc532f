"""One command and the copies of it that went out: when its answers are its outcome. Without I/O."""

from __future__ import annotations

import attrs

from quantmind.client.outcomes import AnyOutcome, Failed, Unknown
from quantmind.client.replies import Reply, UnreadableReply, is_final, not_known, outcome_of, unreadable
from quantmind.client.requests import Command


@attrs.define(eq=False)
class Waiting:
    """A command in flight.

    The gateway answers each copy once, and a copy that was lost never. So an error that says only "this copy did
    nothing" is the outcome as soon as every copy is answered, and none before: another one may be carried out.

    Args:
        fresh: no copy went out before: the id is new.
    """

    command: Command
    fresh: bool = True
    sent: int = 0
    answered: int = 0
    outcome: AnyOutcome | None = None
    _fault: Failed | None = None

    def was_sent(self) -> None:
        """One more copy is on its way, or waits in a queue to be."""
        self.sent += 1

    def hear(self, reply: Reply) -> None:
        """Take an answer to one of the copies."""
        if self.outcome is not None:
            return
        self.answered += 1
        outcome = outcome_of(self.command, reply)
        if is_final(reply):
            self.outcome = outcome
            return
        assert isinstance(outcome, Failed)
        self._fault = outcome
        # `busy` is worth another try while there is time.
        if reply.code != "busy" and self._all_answered:
            self.outcome = outcome

    def hear_noise(self, noise: UnreadableReply) -> None:
        """Take an answer that makes no sense."""
        self.answered += 1
        self.outcome = unreadable(self.command, str(noise))

    def give_up(self, within_s: float) -> AnyOutcome:
        """The outcome when no more time is left, after `within_s` seconds."""
        if self.outcome is not None:
            return self.outcome
        if self.fresh and self.sent == 0:
            return Failed(
                self.command.request_id, "not_sent", "it did not leave this machine in time: too much was in flight"
            )
        if self._fault is not None and self._all_answered:
            return self._fault
        copies = "copy" if self.sent == 1 else "copies"
        last = "" if self._fault is None else f"; the last answer was {self._fault.code}: {self._fault.message}"
        return not_known(
            self.command,
            f"no answer within {within_s:.1f} s to {self.sent} {copies} of it{last}; is the gateway there?",
        )

    @property
    def _all_answered(self) -> bool:
        return self.fresh and self.answered >= self.sent


@attrs.define(eq=False)
class Question:
    """A question for an order whose outcome is unknown: the order itself, as one that expired long ago.

    The gateway can find it and never start it. So `expired` says that it does not have the order. That is final once
    it is said twice, the first time after the order's own end by the gateway's clock: a copy that came in time came
    before the second question, and would have been found.
    """

    unknown: Unknown
    sent: int = 0
    outcome: AnyOutcome | None = None
    _over: bool = False

    @property
    def command(self) -> Command:
        return self.unknown.command

    def was_sent(self) -> None:
        """The question was put."""
        self.sent += 1

    def hear(self, reply: Reply) -> None:
        """Take an answer; without an `outcome` then, ask again."""
        if self.outcome is not None:
            return
        if is_final(reply) and reply.code != "expired":
            self.outcome = outcome_of(self.command, reply)
        elif reply.code == "busy":
            return
        elif reply.code != "expired":
            self.outcome = self._still(f"the gateway did not say: {reply.code}: {reply.message}")
        elif self._over:
            message = "it did not reach the gateway before its time was over; nothing was done"
            self.outcome = Failed(self.command.request_id, "expired", message)
        elif self.command.expires_at is not None and reply.timestamp > self.command.expires_at:
            self._over = True
        else:
            self.outcome = self._still("the gateway does not have it, and it may still come until its time is over")

    def hear_noise(self, noise: UnreadableReply) -> None:
        """Take an answer that makes no sense."""
        self.outcome = self._still(f"the gateway's answer can't be read: {noise}")

    def give_up(self, within_s: float) -> AnyOutcome:
        """The outcome when no more time is left, after `within_s` seconds."""
        return self.outcome or self._still(f"the gateway has not answered within {within_s:.1f} s")

    def _still(self, reason: str) -> Unknown:
        return attrs.evolve(self.unknown, reason=f"{reason}; ask again later")
