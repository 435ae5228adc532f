"""How long commands take, by type and stage; slow ones are counted and, not too often, logged."""

from __future__ import annotations

import logging
from bisect import bisect_left
from typing import Any

import attrs

from quantmind.domain.stopwatch import Stopwatch

logger = logging.getLogger("quantmind.latency")

BOUNDS_MS = (
    0.1,
    0.2,
    0.3,
    0.5,
    0.75,
    1.0,
    1.5,
    2.0,
    3.0,
    4.0,
    5.0,
    7.5,
    10.0,
    20.0,
    50.0,
    100.0,
    500.0,
    1000.0,
    5000.0,
)
"""Upper bounds of the histogram's buckets; the last bucket is open."""


@attrs.define(eq=False)
class Histogram:
    """Counts by upper bound in milliseconds."""

    counts: list[int] = attrs.field(factory=lambda: [0] * (len(BOUNDS_MS) + 1))
    total: int = 0
    sum_ms: float = 0.0
    max_ms: float = 0.0

    def add(self, ms: float) -> None:
        self.counts[bisect_left(BOUNDS_MS, ms)] += 1
        self.total += 1
        self.sum_ms += ms
        self.max_ms = max(self.max_ms, ms)

    def quantile_ms(self, q: float) -> float | None:
        """The upper bound of the bucket that holds the quantile; None without commands."""
        if self.total == 0:
            return None
        wanted, seen = q * self.total, 0
        for bound, count in zip((*BOUNDS_MS, self.max_ms), self.counts, strict=True):
            seen += count
            if seen >= wanted:
                return round(min(bound, self.max_ms), 3)
        return round(self.max_ms, 3)


BROKER_MS = 1000.0
"""A command for which the broker alone takes longer is slow, too."""


@attrs.define(eq=False)
class Latencies:
    """Per type of command, from receipt to answer, as the gateway sees it.

    `warning_ms`: those count as slow that take longer without the time that the broker takes to answer.
    """

    warning_ms: float
    log_every_s: float = 1.0
    warnings: int = 0
    _by_kind: dict[str, Histogram] = attrs.field(factory=dict, init=False)
    _logged_at: float = attrs.field(default=float("-inf"), init=False)
    _unlogged: int = attrs.field(default=0, init=False)

    def record(self, kind: str, watch: Stopwatch, now: float) -> None:
        ms = (now - watch.start) * 1000
        histogram = self._by_kind.get(kind)
        if histogram is None:
            histogram = self._by_kind[kind] = Histogram()
        histogram.add(ms)
        if ms <= min(self.warning_ms, BROKER_MS):
            return
        broker_ms = watch.spent_ms("broker")
        if ms - broker_ms <= self.warning_ms and broker_ms <= BROKER_MS:
            return
        self.warnings += 1
        self._unlogged += 1
        if now - self._logged_at >= self.log_every_s:
            stages = " ".join(f"{stage}={took}" for stage, took in watch.stages_ms().items())
            logger.warning(
                "slow.command type=%s took_ms=%.2f limit_ms=%g since_last=%d %s",
                kind,
                ms,
                self.warning_ms,
                self._unlogged,
                stages,
            )
            self._logged_at, self._unlogged = now, 0

    def snapshot(self) -> dict[str, Any]:
        """For /status."""
        return {
            "warning_ms": self.warning_ms,
            "warnings": self.warnings,
            "commands": {
                kind: {
                    "count": h.total,
                    "mean_ms": round(h.sum_ms / h.total, 3),
                    "p50_ms": h.quantile_ms(0.5),
                    "p99_ms": h.quantile_ms(0.99),
                    "max_ms": round(h.max_ms, 3),
                }
                for kind, h in self._by_kind.items()
            },
        }
