"""What a paper account is opened with."""

from __future__ import annotations

from decimal import Decimal

import attrs

from quantmind.adapters.mock.money import cents


@attrs.frozen(kw_only=True)
class Terms:
    """What an account is opened with. Money in `currency`; `leverage` 100 stands for 1:100."""

    login: int = 1
    server: str = "QuantMind-Mock"
    currency: str = "USD"
    leverage: int = attrs.field(default=100, validator=attrs.validators.ge(1))
    initial_balance: Decimal = attrs.field(default=Decimal(10_000), converter=cents)
    margin_mode: str = attrs.field(default="hedging", validator=attrs.validators.in_(["hedging"]))
    first_ticket: int = attrs.field(default=1_000_001, validator=attrs.validators.ge(1))
    """Number of the first order, and so of the first position."""
