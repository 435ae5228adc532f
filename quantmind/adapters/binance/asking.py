"""Requests to the exchange as venues make them: a clock that is off is measured anew, and what was refused for it is
asked once more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import attrs

from quantmind.adapters.binance.budget import Limit
from quantmind.adapters.binance.errors import Refusal
from quantmind.adapters.binance.http import Api
from quantmind.adapters.binance.refusals import is_clock, says_absent
from quantmind.adapters.binance.venue import in_time

ANSWERS_WITHIN_S: Final = 10.0
"""A question to the exchange."""


@attrs.define(eq=False)
class Asking:
    """Of one account.

    Args:
        measure: measures the exchange's clock. Raises as `Api.call` does.
    """

    api: Api
    measure: Callable[[], Awaitable[None]]

    async def get(
        self, path: str, params: Mapping[str, Any], *, weight: int, signed: bool = False, reserve: bool = False
    ) -> bytes:
        """A question; `reserve`: it is about an order whose outcome nobody knows, or about a close."""
        return await self._ask("GET", path, params, signed=signed, weight=weight, reserve=reserve)

    async def look(self, path: str, params: Mapping[str, Any], *, weight: int) -> bytes | None:
        """A question about one order; None: the exchange does not know it (yet)."""
        try:
            return await self.get(path, params, weight=weight, signed=True, reserve=True)
        except Refusal as refusal:
            if says_absent(refusal):
                return None
            raise

    async def trade(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any],
        *,
        counts: bool = True,
        reserve: bool = True,
        weight: int = 1,
    ) -> bytes:
        """A request that changes orders or the account; `counts`: it is one of the orders that are limited, `reserve`:
        it may use those that are kept for closing.
        """
        return await self._ask(method, path, params, signed=True, weight=weight, order=counts, reserve=reserve)

    def limits(self, rate_limits: Iterable[Limit]) -> None:
        """What the exchange says of its limits."""
        self.api.budget.set_limits(rate_limits)

    # A request that was refused for its time was surely not carried out.
    async def _ask(self, method: str, path: str, params: Mapping[str, Any], **how: Any) -> bytes:
        try:
            return await self._call(method, path, params, **how)
        except Refusal as refusal:
            if not is_clock(refusal):
                raise
        await self.measure()
        return await self._call(method, path, params, **how)

    # Whoever changes something decides by himself how long he waits; a question has an end.
    async def _call(self, method: str, path: str, params: Mapping[str, Any], **how: Any) -> bytes:
        call = self.api.call(method, path, params, **how)
        if method != "GET":
            return await call
        return await in_time(call, ANSWERS_WITHIN_S, f" GET {path} at {self.api.where}")
