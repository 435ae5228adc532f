"""Whom a client trusts: the authorities of the system, or one of its own."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Final

from quantmind.net.errors import NetError

CA_VARIABLE: Final = "QUANTMIND_CA"


def client_context(ca: str | Path | None = None) -> ssl.SSLContext:
    """Return what a client verifies certificates and names with; there is no way to leave that out.

    Args:
        ca: a PEM file with the authorities to trust, and no others; None: the file that QUANTMIND_CA names, else the
            system's authorities.

    Raises:
        NetError: the file can't be used.
    """
    named = ca if ca is not None else os.environ.get(CA_VARIABLE) or None
    if named is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=str(named))
    except ssl.SSLError as error:
        raise NetError(f"{named} holds no certificate in PEM; it is named by --ca or {CA_VARIABLE}") from error
    except OSError as error:
        raise NetError(
            f"{named} can't be read ({error.strerror}); it is named as the authority by --ca or {CA_VARIABLE}"
        ) from error


def distrust(url: str, error: ssl.SSLError) -> str:
    """Why a connection to `url` was not made, in words with the way out."""
    if isinstance(error, ssl.SSLCertVerificationError):
        message = error.verify_message.rstrip(".")
        return (
            f"the certificate of {url} is not trusted: {message}; name the file of its authority with --ca or "
            f"{CA_VARIABLE}, or use an address that is in the certificate"
        )
    if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"):
        return f"what answers at {url} speaks no TLS; is it http:// or ws:// there?"
    return f"no TLS with {url}: {error.reason or error}"
