"""Certificates for tests, made by the openssl command; without it, tests that need them are skipped."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import attrs
import pytest

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="the command openssl is not installed")

_LEAF = (
    "subjectAltName={names}\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
    "extendedKeyUsage={usage}\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
)


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)


@attrs.frozen
class Issued:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


@attrs.frozen
class Authority:
    """An authority of one's own, as docs/encryption.md makes one. `file` is what clients trust."""

    file: Path
    key: Path
    folder: Path

    @classmethod
    def make(cls, folder: Path, name: str = "ca") -> Authority:
        key, file = folder / f"{name}-key.pem", folder / f"{name}.pem"
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650"),
            *("-subj", f"/CN={name} of a test", "-keyout", str(key), "-out", str(file)),
            *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )
        return cls(file, key, folder)

    def issue(
        self,
        name: str = "gateway",
        *,
        names: str = "DNS:localhost,IP:127.0.0.1",
        days: int = 90,
        usage: str = "serverAuth",
    ) -> Issued:
        """A new certificate under this name, in place of the one that was there."""
        key, request, certificate = (self.folder / f"{name}{end}" for end in ("-key.pem", ".csr", ".pem"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(_LEAF.format(names=names, usage=usage), encoding="ascii")
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}"),
            *("-keyout", str(key), "-out", str(request)),
        )
        _openssl(
            *("x509", "-req", "-in", str(request), "-CA", str(self.file), "-CAkey", str(self.key), "-CAcreateserial"),
            *("-days", str(days), "-extfile", str(extensions), "-out", str(certificate)),
        )
        return Issued(certificate, key)
