"""What can go wrong between actors, told apart by what the caller may do next.

ActorError
  NotDelivered         nothing had the message: it may be sent again
  ReplyLost            a handler had it and ended without answering: the outcome is unknown
  StartFailed          a child did not become ready: a fault of the set-up, or a crash on a restart
  RestartLimitReached  a supervisor saw more restarts than its window allows
"""

from __future__ import annotations


class ActorError(Exception):
    """Base of everything this package raises on purpose."""


class NotDelivered(ActorError):
    """The message reached no handler, and no handler will ever see it. Sending it again is safe."""


class ReplyLost(ActorError):
    """A handler had the request and ended without answering. The outcome is unknown: reconcile, never resend."""


class StartFailed(ActorError):
    """An actor did not become ready. On the very first start this ends its supervisor."""


class RestartLimitReached(ActorError):
    """A supervisor saw more restarts than its window allows. What to do about it is its parent's problem."""
