"""Signatures: what proves to the exchange that a request comes from who holds the key.

REST signs the query string as it goes over the wire, percent-encoded (Binance refuses anything else with -1022 since
2026-01-15). The WebSocket API signs `name=value&...` of the parameters sorted by name, not percent-encoded.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote

import attrs
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from quantmind.config import Secret
from quantmind.errors import EXIT_USAGE, StartError

MOST_KEY_BYTES: Final = 64 * 1024
"""A private key of 16,384 bits in PEM takes 13 kB."""
_OURS: Final = frozenset({"timestamp", "recvWindow", "signature", "apiKey"})
_MAKE_ONE: Final = "make one with: openssl genpkey -algorithm ed25519 -out FILE"


class Signer(Protocol):
    """An API key, and the secret that goes with it."""

    @property
    def key(self) -> str:
        """The API key, as it is sent with each request."""
        ...

    def sign(self, payload: bytes) -> str:
        """The signature of a payload, not percent-encoded."""
        ...


def _secret(text: str | Secret) -> Secret:
    return text if isinstance(text, Secret) else Secret(text)


@attrs.frozen
class HmacSigner:
    """Signs with a shared secret: HMAC-SHA-256, in hexadecimal digits."""

    key: str = attrs.field(repr=False)
    secret: Secret = attrs.field(converter=_secret, repr=False)

    def sign(self, payload: bytes) -> str:
        return hmac.new(self.secret.reveal().encode(), payload, hashlib.sha256).hexdigest()


@attrs.frozen(eq=False)
class Ed25519Signer:
    """Signs with an Ed25519 key, in base64. Binance lets only these log on to a session of the WebSocket API."""

    key: str = attrs.field(repr=False)
    private: Ed25519PrivateKey = attrs.field(repr=False)

    def sign(self, payload: bytes) -> str:
        return base64.b64encode(self.private.sign(payload)).decode()


@attrs.frozen(eq=False)
class RsaSigner:
    """Signs with an RSA key: RSASSA-PKCS1-v1_5 over SHA-256, in base64."""

    key: str = attrs.field(repr=False)
    private: RSAPrivateKey = attrs.field(repr=False)

    def sign(self, payload: bytes) -> str:
        return base64.b64encode(self.private.sign(payload, PKCS1v15(), hashes.SHA256())).decode()


def signer_of_broker(broker: str, key: str, path: Path) -> Ed25519Signer | RsaSigner:
    """`read_signer`, and what it raises names the setting."""
    try:
        return read_signer(key, path)
    except StartError as error:
        raise StartError(f"brokers.{broker}.private_key_path: {error}", error.exit_code) from None


def read_signer(key: str, path: Path) -> Ed25519Signer | RsaSigner:
    """A signer from a private key in PEM (PKCS #8), without a passphrase; the key says which kind it is.

    Raises:
        StartError: the file can't be read, or holds no such key.
    """
    try:
        with path.open("rb") as file:
            pem = file.read(MOST_KEY_BYTES + 1)
    except FileNotFoundError:
        raise StartError(f"the private key {path} is not there; name the file, or {_MAKE_ONE}", EXIT_USAGE) from None
    except OSError as error:
        raise StartError(f"the private key {path} can't be read ({error.strerror})", EXIT_USAGE) from None
    if len(pem) > MOST_KEY_BYTES:
        raise _unusable(path, f"is larger than {MOST_KEY_BYTES} bytes, and so no private key")
    return signer_of(key, pem, path)


def signer_of(key: str, pem: bytes, path: Path) -> Ed25519Signer | RsaSigner:
    """The same, of what the file `path` holds."""
    if b"PUBLIC KEY-----" in pem and b"PRIVATE KEY-----" not in pem:
        raise _unusable(path, "holds the public key, which is for Binance: name the file with the private one")
    try:
        private = load_pem_private_key(pem, None)
    except TypeError:  # it wants a passphrase
        text = "has a passphrase; take it off with: openssl pkcs8 -topk8 -nocrypt -in FILE -out NEW_FILE"
        raise _unusable(path, text) from None
    except (ValueError, UnsupportedAlgorithm):
        raise _unusable(path, f"holds no private key in PEM (PKCS #8); {_MAKE_ONE}") from None
    if isinstance(private, Ed25519PrivateKey):
        return Ed25519Signer(key, private)
    if isinstance(private, RSAPrivateKey):
        return RsaSigner(key, private)
    kind = type(private).__name__.strip("_").removesuffix("PrivateKey")
    raise _unusable(path, f"holds a key of type {kind}, and Binance takes Ed25519 and RSA; {_MAKE_ONE}")


def _unusable(path: Path, why: str) -> StartError:
    return StartError(f"the private key {path} {why}", EXIT_USAGE)


# --- what is signed --------------------------------------------------------------------------------------------------


def text_of(value: object) -> str:
    """A parameter as Binance reads it: decimals in plain notation, never with an exponent.

    Raises:
        TypeError: it is none of str, bool, int and Decimal.
        ValueError: the decimal is not finite.
    """
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal():
            if not value.is_finite():
                raise ValueError(f"{value} is no number that can be sent")
            return format(value, "f")
    raise TypeError(f"a parameter is str, bool, int or Decimal, and not {type(value).__name__}")


def query(params: Mapping[str, object]) -> str:
    """The parameters as a query string in their order, percent-encoded as UTF-8."""
    return "&".join(f"{quote(name, safe='')}={quote(text_of(value), safe='')}" for name, value in params.items())


def signed_query(signer: Signer, params: Mapping[str, object], timestamp_ms: int, recv_window_ms: int) -> str:
    """The query string with time, window and signature after it: what is signed is what stands before `&signature=`."""
    _free(params)
    payload = query({**params, "timestamp": timestamp_ms, "recvWindow": recv_window_ms})
    return f"{payload}&signature={quote(signer.sign(payload.encode()), safe='')}"


def signed_params(
    signer: Signer, params: Mapping[str, object], timestamp_ms: int, recv_window_ms: int
) -> dict[str, str | int | bool]:
    """Parameters of a request of the WebSocket API, with key, time, window and signature; numbers stay numbers."""
    _free(params)
    every = {**params, "apiKey": signer.key, "timestamp": timestamp_ms, "recvWindow": recv_window_ms}
    payload = "&".join(f"{name}={text_of(every[name])}" for name in sorted(every))
    sent = {name: value if isinstance(value, int) else text_of(value) for name, value in every.items()}
    return {**sent, "signature": signer.sign(payload.encode())}


def _free(params: Mapping[str, object]) -> None:
    taken = _OURS & params.keys()
    if taken:
        raise ValueError(f"{', '.join(sorted(taken))}: added when it is signed, so it is no parameter")
