"""The certificate of our doors: proved before it is used, and taken anew when it was renewed on disk."""

from __future__ import annotations

import logging
import os
import ssl
import stat
import time
from pathlib import Path
from typing import Any, Final, NoReturn, Self

import attrs
import trio

from quantmind.net.errors import NetError

logger: Final = logging.getLogger("quantmind.tls")

LOOK_EVERY_S: Final = 10.0
SOON_DAYS: Final = 14
"""So long before its end a certificate is warned of, once a day."""
DAY_S: Final = 86_400.0
_ROUNDS: Final = 10
_EXPIRED, _NOT_YET, _PURPOSE = 10, 9, 26
"""OpenSSL's numbers of what is wrong with a certificate."""

_Signature = tuple[tuple[int, int, int] | None, ...]


class CertificateTrouble(NetError):
    """A certificate or its key can't be used; the text names the file and says why."""


@attrs.frozen
class Certificate:
    """A certificate with its key, which have proved that they work. `not_after` in Unix seconds."""

    context: ssl.SSLContext = attrs.field(repr=False)
    not_after: float
    names: tuple[str, ...]
    """Whom it is for: host names and addresses."""
    warnings: tuple[str, ...] = ()


def load_certificate(certificate: Path, key: Path) -> Certificate:
    """Read a PEM chain and its key, and prove them by a handshake with ourselves.

    Raises:
        CertificateTrouble: a file is missing, is no PEM, is damaged, doesn't fit the other, or is out of date.
    """
    _must_have(certificate, "BEGIN CERTIFICATE", "certificate")
    _must_have(key, "PRIVATE KEY", "private key")
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        trusting.load_verify_locations(cafile=str(certificate))
    except (OSError, ssl.SSLError) as error:
        raise CertificateTrouble(f"{certificate} is damaged: its certificate can't be read ({_said(error)})") from error
    try:
        context.load_cert_chain(str(certificate), str(key), password=_no_passphrase)
    except _Locked as error:
        message = f"{key} is locked with a passphrase, which nobody is there to type; write it without one"
        raise CertificateTrouble(message) from error
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise CertificateTrouble(f"the key in {key} does not fit the certificate in {certificate}") from error
        raise CertificateTrouble(f"{key} is damaged: its key can't be used ({_said(error)})") from error
    seen = _prove(context, trusting, certificate)
    names = tuple(f"{value}" for _, value in seen.get("subjectAltName", ()))
    return Certificate(context, ssl.cert_time_to_seconds(str(seen["notAfter"])), names, _warnings(key, names))


def _must_have(file: Path, words: str, what: str) -> None:
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        raise CertificateTrouble(f"{file} is not there; gateway.tls names it as the {what}") from None
    except OSError as error:
        raise CertificateTrouble(f"{file} can't be read ({_said(error)}); gateway.tls names it as the {what}") from None
    if words.encode() not in text:
        raise CertificateTrouble(f"{file} holds no {what} in PEM; one has a line with {words}")


class _Locked(Exception):
    pass


# Without it OpenSSL would ask on the terminal.
def _no_passphrase() -> NoReturn:
    raise _Locked


# A client that trusts this certificate and no other sees what any client will: its dates, its purpose, its key at work.
def _prove(context: ssl.SSLContext, trusting: ssl.SSLContext, file: Path) -> dict[str, Any]:
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client, server = trusting.wrap_bio(back, there), context.wrap_bio(there, back, server_side=True)
    try:
        for _ in range(_ROUNDS):
            for side in (client, server):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        return dict(client.getpeercert() or {})
    except ssl.SSLCertVerificationError as error:
        why = {
            _EXPIRED: "has expired; renew it",
            _NOT_YET: "is not valid yet; see its dates and this machine's clock",
            _PURPOSE: "is not for servers; make one with the extended key usage serverAuth",
        }.get(error.verify_code, f"can't be used: {error.verify_message}")
        raise CertificateTrouble(f"the certificate in {file} {why}") from error
    except (ssl.SSLError, ValueError) as error:
        raise CertificateTrouble(f"the certificate in {file} can't be used ({_said(error)})") from error


def _warnings(key: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    found = []
    if os.name == "posix" and key.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        found.append(f"every user of this machine may read the key in {key}; run: chmod 600 {key}")
    if not names:
        found.append("the certificate names no host (subjectAltName), so no client will trust it")
    return tuple(found)


def _said(error: Exception) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error) or type(error).__name__


@attrs.define(eq=False)
class Certificates:
    """The certificate in use. `look` takes another from the same files; one that is no good leaves it in use."""

    certificate_file: Path
    key_file: Path
    current: Certificate
    renewed: int = 0
    problem: str | None = None
    """Why what is on disk is not in use; None while it is."""
    _seen: _Signature = attrs.field(factory=tuple)
    _warned_at: float = 0.0

    @classmethod
    def open(cls, certificate: Path, key: Path) -> Self:
        """Read them for the first time. Raises CertificateTrouble."""
        seen = _signature(certificate, key)
        opened = cls(certificate, key, load_certificate(certificate, key), seen=seen)
        opened._warn()
        return opened

    @property
    def context(self) -> ssl.SSLContext:
        """For the next connection."""
        return self.current.context

    def look(self) -> bool:
        """Whether there was a new certificate, which is in use now. Reads files; never raises for what is in them."""
        seen = _signature(self.certificate_file, self.key_file)
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            self.current = load_certificate(self.certificate_file, self.key_file)
        except (CertificateTrouble, OSError) as error:
            self.problem = str(error)
            logger.error("keep.certificate until=%s reason=%s", _date(self.current.not_after), self.problem)
            return False
        self.problem = None
        self.renewed += 1
        logger.info("renew.certificate until=%s names=%s", _date(self.current.not_after), " ".join(self.current.names))
        self._warn()
        return True

    async def watch(self) -> NoReturn:
        """Look every 10 s, for ever; by the files' times, so it goes without a signal and on every platform."""
        while True:
            await trio.sleep(LOOK_EVERY_S)
            await trio.to_thread.run_sync(self.look)
            if time.time() - self._warned_at > DAY_S:
                self._warn()

    def status(self) -> dict[str, Any]:
        """For /status."""
        return {
            "not_after": _date(self.current.not_after),
            "days_left": int((self.current.not_after - time.time()) // DAY_S),
            "names": list(self.current.names),
            "renewed": self.renewed,
            "problem": self.problem,
            "warnings": list(self.current.warnings),
        }

    def _warn(self) -> None:
        self._warned_at = time.time()
        for warning in self.current.warnings:
            logger.warning("doubt.certificate reason=%s", warning)
        if self.current.not_after - self._warned_at < SOON_DAYS * DAY_S:
            logger.warning("end.certificate at=%s file=%s", _date(self.current.not_after), self.certificate_file)


def _signature(*files: Path) -> _Signature:
    found: list[tuple[int, int, int] | None] = []
    for file in files:
        try:
            seen = file.stat()
        except OSError:
            found.append(None)
        else:
            found.append((seen.st_mtime_ns, seen.st_size, seen.st_ino))
    return tuple(found)


def _date(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
