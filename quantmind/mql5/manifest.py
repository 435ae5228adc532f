"""What an installation notes in the terminal: its version and what each file was, so that later edits are seen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import attrs
import msgspec

from quantmind.mql5.sources import OURS

MANIFEST: Final = f"Include/{OURS}/installed.json"
MAX_BYTES: Final = 1 << 20
FORMAT: Final = 1
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]*")


@attrs.frozen
class Manifest:
    version: str
    at: str
    """When it was installed, in UTC."""
    files: Mapping[str, str]
    """SHA-256 of each file as it was written."""


class ManifestDamaged(Exception):
    """It can't be relied on; the text says why."""


class _Written(msgspec.Struct):
    format: int
    version: str
    installed_at: str
    files: dict[str, str]


def encode(manifest: Manifest) -> bytes:
    written = _Written(FORMAT, manifest.version, manifest.at, dict(sorted(manifest.files.items())))
    return msgspec.json.format(msgspec.json.encode(written), indent=2) + b"\n"


def decode(data: bytes) -> Manifest:
    """Raises ManifestDamaged. A path that leads anywhere but into our folders is damage: files are removed by it."""
    if len(data) > MAX_BYTES:
        raise ManifestDamaged(f"it has more than {MAX_BYTES} bytes")
    try:
        written = msgspec.json.decode(data, type=_Written)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ManifestDamaged(str(error)) from None
    if written.format != FORMAT:
        raise ManifestDamaged(f"its format is {written.format}, and {FORMAT} is known here")
    if not re.fullmatch(r"[0-9A-Za-z.+-]{1,40}", written.version):
        raise ManifestDamaged("its version is none")
    for path, digest in written.files.items():
        if not _is_ours(path):
            raise ManifestDamaged(f"{path[:80]!r} is no file of ours")
        if not _HASH.fullmatch(digest):
            raise ManifestDamaged(f"the hash of {path} is none")
    return Manifest(written.version, written.installed_at, written.files)


def _is_ours(path: str) -> bool:
    parts = path.split("/")
    return len(parts) > 2 and parts[1] == OURS and path != MANIFEST and all(map(_PART.fullmatch, parts))


def is_newer(version: str, than: str) -> bool:
    """Whether a version was released after another; what stands behind the release number is not looked at."""
    return _release(version) > _release(than)


def _release(version: str) -> tuple[int, ...]:
    found = re.match(r"\d{1,9}(\.\d{1,9})*", version)
    return () if found is None else tuple(map(int, found[0].split(".")))
