"""Whether a request may do what it asks for: its key, its time, its signature. Written from Binance's documents."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote

import attrs
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from quantmind.testing.binance.engine import ApiFault, wanted

USUAL_WINDOW_MS: Final = Decimal(5000)
LONGEST_WINDOW_MS: Final = Decimal(60_000)
AHEAD_MS: Final = 1000
_SIGNATURE: Final = re.compile(r"(?:^|&)signature=([^&]*)$")
# What percent-encoding leaves as it is, in any of its customs, and what it makes of the rest.
_ENCODED: Final = re.compile(r"(?:[A-Za-z0-9\-._~!'()*+&=]|%[0-9A-Fa-f]{2})*")
_WINDOW: Final = re.compile(r"[0-9]{1,5}(\.[0-9]{1,3})?")
_TIME: Final = re.compile(r"[0-9]{1,16}")
_LEAST_MICROSECONDS: Final = 10**15


def _public_key(pem: str | bytes | None) -> Ed25519PublicKey | None:
    if pem is None:
        return None
    key = load_pem_public_key(pem.encode() if isinstance(pem, str) else pem)
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"the public key must be an Ed25519 key, was {type(key).__name__}")
    return key


@attrs.frozen
class Keys:
    """An account's API key, with an HMAC secret or with a public Ed25519 key in PEM.

    Raises:
        ValueError: it has neither, or both, or what was given is no such key.
    """

    api_key: str
    secret: str | None = attrs.field(default=None, repr=False)
    public_key: Any = attrs.field(default=None, converter=_public_key, repr=False)

    def __attrs_post_init__(self) -> None:
        if (self.secret is None) == (self.public_key is None):
            raise ValueError("an API key has a secret or a public key, and not both")

    @property
    def can_log_on(self) -> bool:
        """Whether `session.logon` takes it: HMAC keys can't."""
        return self.public_key is not None

    def check_key(self, said: str | None) -> None:
        """Raises ApiFault -2014 or -2015: the key is missing, or not this one."""
        if not said:
            raise ApiFault(401, -2014, "API-key format invalid.")
        if not hmac.compare_digest(said.encode(), self.api_key.encode()):
            raise ApiFault(401, -2015, "Invalid API-key, IP, or permissions for action.")

    def check_signature(self, payload: str, signature: str) -> None:
        """Raises ApiFault -1022: it is not that of the payload under this key."""
        if not self._is_right(payload.encode(), signature):
            raise ApiFault(400, -1022, "Signature for this request is not valid.")

    # HMAC in hexadecimal digits of either case; Ed25519 in base64, which has but one.
    def _is_right(self, payload: bytes, signature: str) -> bool:
        if self.secret is not None:
            right = hmac.new(self.secret.encode(), payload, hashlib.sha256).hexdigest()
            return hmac.compare_digest(right.encode(), signature.lower().encode())
        try:
            self.public_key.verify(base64.b64decode(signature, validate=True), payload)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def check_time(params: Mapping[str, str], now_ms: float) -> None:
    """Whether a request is of now: below `now + 1000 ms`, and not older than its `recvWindow`.

    Raises:
        ApiFault: -1102, -1105, -1131 or -1021.
    """
    said = wanted(params, "timestamp")
    if _TIME.fullmatch(said) is None:
        raise ApiFault(400, -1100, "Illegal characters found in parameter 'timestamp'; legal range is '^[0-9]{1,20}$'.")
    window = _window_of(params)
    time_ms = int(said) / 1000 if int(said) >= _LEAST_MICROSECONDS else int(said)
    if time_ms >= now_ms + AHEAD_MS:
        raise ApiFault(400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if time_ms < now_ms - float(window):
        raise ApiFault(400, -1021, "Timestamp for this request is outside of the recvWindow.")


def _window_of(params: Mapping[str, str]) -> Decimal:
    if "recvWindow" not in params:
        return USUAL_WINDOW_MS
    said = wanted(params, "recvWindow")
    if _WINDOW.fullmatch(said) is None or Decimal(said) > LONGEST_WINDOW_MS:
        raise ApiFault(400, -1131, "recvWindow must be less than 60000.")
    return Decimal(said)


def check_request(keys: Keys, query: str, form: str) -> None:
    """Check the signature of a REST request, which is that of the text as it came over the wire.

    Args:
        query: what follows the question mark.
        form: the body. The payload is both of them joined, without the signature, which ends one of them.

    Raises:
        ApiFault: -1102 without a signature; -1022 with a wrong one, or where something is not percent-encoded.
    """
    in_query, in_form = _SIGNATURE.search(query), _SIGNATURE.search(form)
    found = in_form if in_query is None else in_query
    if found is None:
        if "signature=" in query + form:
            raise ApiFault(400, -1022, "Signature for this request is not valid.")
        raise ApiFault(400, -1102, "Mandatory parameter 'signature' was not sent, was empty/null, or malformed.")
    payload = query[: found.start()] + form if found is in_query else query + form[: found.start()]
    if _ENCODED.fullmatch(payload) is None:
        raise ApiFault(400, -1022, "Signature for this request is not valid.")
    keys.check_signature(payload, unquote(found[1]))


def check_call(keys: Keys, params: Mapping[str, str]) -> None:
    """Check the signature of a WebSocket API request: that of `name=value&...`, by name, not percent-encoded.

    Raises:
        ApiFault: -1102 without a signature, -1022 with a wrong one.
    """
    signature = wanted(params, "signature")
    keys.check_signature("&".join(f"{n}={params[n]}" for n in sorted(params) if n != "signature"), signature)
