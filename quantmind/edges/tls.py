"""Keeps the certificate of the WebSocket and HTTP doors as it is on disk."""

from __future__ import annotations

from typing import Any

import attrs

from actors.runtime import Inbox, run_until_stopping
from quantmind.net.certificates import Certificates


@attrs.define
class CertificateWatch:
    """The actor that looks for a renewed certificate. The one in use outlives it."""

    certificates: Certificates

    async def __call__(self, inbox: Inbox[Any]) -> None:
        inbox.ready()
        await run_until_stopping(inbox, self.certificates.watch)
