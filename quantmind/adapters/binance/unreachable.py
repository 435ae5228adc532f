"""Why a host can't be reached, in words with what to check; the cause is looked for behind what libraries raise."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

from quantmind.net.trust import CA_VARIABLE


def why_unreachable(error: BaseException, host: str, where: str) -> str | None:
    """The words for a connection that was not made; None: what is behind the error says nothing.

    Args:
        where: host and port.
    """
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            return f"no address is found for {host}; check base_url and this machine's name server"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"the certificate of {where} is not trusted: {cause.verify_message.rstrip('.')}; check base_url and "
                f"this machine's clock, or name the file of its authority in {CA_VARIABLE}"
            )
        if isinstance(cause, ssl.SSLError):
            reason = getattr(cause, "reason", None)  # only those that OpenSSL itself has raised have one
            why = f" ({reason})" if reason else ""
            return f"no TLS with {where}{why}; check whether base_url is http:// or https://"
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return f"{where} refuses connections; check base_url, and whether what listens there runs"
    reasons = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    return f"no connection to {where} ({reasons[-1]}); check base_url and the network" if reasons else None


# The error, and all that it came from.
def _causes(error: BaseException) -> Iterator[BaseException]:
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        inner = each.exceptions if isinstance(each, BaseExceptionGroup) else ()
        waiting += [one for one in (each.__context__, each.__cause__, *inner) if one is not None]
