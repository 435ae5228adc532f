"""What happens to children, told to one hook, and how it is logged when nobody hooks in."""

from __future__ import annotations

import logging
from collections.abc import Callable

import attrs

_log = logging.getLogger("actors.runtime")


@attrs.frozen
class LifecycleEvent:
    """Something that happened to one node of the tree."""

    path: str
    """Such as "execution/governor"; for the root its name."""
    at: float
    """On Trio's clock."""


@attrs.frozen
class Started(LifecycleEvent):
    """An incarnation became ready."""

    incarnation: int
    took_s: float
    """Seconds from being made to being ready."""


@attrs.frozen
class Crashed(LifecycleEvent):
    """An incarnation ended by an exception."""

    incarnation: int
    error: Exception


@attrs.frozen
class Restarting(LifecycleEvent):
    """It will be started again."""

    in_s: float
    """The wait before, in seconds; with siblings that start first it may take longer."""


@attrs.frozen
class Parked(LifecycleEvent):
    """It crashed too often, refuses messages, and will be tried again."""

    retry_in_s: float


@attrs.frozen
class Stopped(LifecycleEvent):
    """An incarnation ended without an error."""

    incarnation: int


@attrs.frozen
class GaveUp(LifecycleEvent):
    """A supervisor ended because a child failed beyond what it may repair."""

    error: Exception


Hook = Callable[[LifecycleEvent], None]


def log_event(event: LifecycleEvent) -> None:
    """Log under "actors.runtime": the hook of a root that was given none, and the only place that logs crashes."""
    match event:
        case Started():
            _log.info("start.actor path=%s incarnation=%d took_s=%.3f", event.path, event.incarnation, event.took_s)
        case Crashed():
            _log.error(
                "crash.actor path=%s incarnation=%d error=%r",
                event.path,
                event.incarnation,
                event.error,
                exc_info=event.error,
            )
        case Restarting():
            _log.warning("restart.actor path=%s in_s=%.3f", event.path, event.in_s)
        case Parked():
            _log.error("park.actor path=%s retry_in_s=%.3f", event.path, event.retry_in_s)
        case Stopped():
            _log.info("stop.actor path=%s incarnation=%d", event.path, event.incarnation)
        case GaveUp():
            _log.error("fail.supervisor path=%s error=%r", event.path, event.error)
        case _:
            _log.info("note.actor %r", event)


def describe(error: BaseException) -> str:
    """An error in one line; a group with one member reads as that member."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
