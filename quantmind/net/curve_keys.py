"""Files of CURVE keys, in the form that libzmq's and pyzmq's own tools write and read (ZPL)."""

from __future__ import annotations

import base64
import os
import re
import stat
from pathlib import Path
from typing import Final

import attrs

from quantmind.net.errors import NetError

PUBLIC_SUFFIX: Final = ".key"
SECRET_SUFFIX: Final = ".key_secret"  # noqa: S105
MOST_BYTES: Final = 16 * 1024
MOST_FILES: Final = 10_000

_Z85: Final = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_B85: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
_TO_Z85: Final = bytes.maketrans(_B85, _Z85)
_LINE: Final = re.compile(r'^\s*(public-key|secret-key)\s*=\s*"([^"\s]{40})"\s*$', re.MULTILINE)


class KeyTrouble(NetError):
    """A file of keys can't be used; the text names it and says why."""


@attrs.frozen
class CurvePair:
    """A public and a secret key, in Z85 (RFC 32): 40 characters each."""

    public: str
    secret: str = attrs.field(repr=False)


def z85(key: bytes) -> str:
    """Return the 32 bytes of a key as its 40 characters."""
    return base64.b85encode(key).translate(_TO_Z85).decode("ascii")


def write_public(file: Path, key: str) -> None:
    """Write a public key, which anybody may read. Raises KeyTrouble: it is there, or can't be written."""
    _write(file, f'#   A public CURVE key; anybody may have it.\ncurve\n    public-key = "{key}"\n', 0o644)


def write_secret(file: Path, pair: CurvePair) -> None:
    """Write both keys, for the owner of the file alone. Raises KeyTrouble: it is there, or can't be written."""
    lines = f'curve\n    public-key = "{pair.public}"\n    secret-key = "{pair.secret}"\n'
    _write(file, f"#   A secret CURVE key; only its owner may have it.\n{lines}", 0o600)


def _write(file: Path, text: str, mode: int) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write(text)
    except FileExistsError:
        raise KeyTrouble(f"{file} is there already; a key is never overwritten, so remove it first") from None
    except OSError as error:
        raise KeyTrouble(f"{file} can't be written ({error.strerror})") from error


def read_secret(file: Path) -> str:
    """Return the secret key in a file. Raises KeyTrouble: it is missing, others may read it, or it holds none."""
    try:
        mode = file.stat().st_mode
    except OSError as error:
        raise KeyTrouble(f"{file} can't be read ({error.strerror}); `quantmind keys` makes it") from error
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyTrouble(f"{file} may be read by others; run: chmod 600 {file}")
    return _key(file, "secret-key")


def read_public(file: Path) -> str:
    """Return the public key in a file. Raises KeyTrouble: it can't be read or holds none."""
    return _key(file, "public-key")


def _key(file: Path, name: str) -> str:
    try:
        with file.open("rb") as opened:
            text = opened.read(MOST_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise KeyTrouble(f"{file} can't be read ({error.strerror})") from error
    key: str | None = dict(_LINE.findall(text)).get(name)
    if key is None or not is_key(key):
        raise KeyTrouble(f'{file} has no line {name} = "…" with a key of 40 characters')
    return key


def is_key(text: str) -> bool:
    """Whether a text is a key in Z85."""
    return len(text) == 40 and text.isascii() and not text.encode().translate(None, _Z85)


def read_folder(folder: Path) -> frozenset[str]:
    """Return the public key of each file `*.key` in a folder. Raises KeyTrouble: it, or one of them, can't be read."""
    try:
        files = sorted(file for file in folder.iterdir() if file.name.endswith(PUBLIC_SUFFIX))
    except OSError as error:
        raise KeyTrouble(f"the folder {folder} can't be read ({error.strerror})") from error
    if len(files) > MOST_FILES:
        raise KeyTrouble(f"the folder {folder} has {len(files)} keys, at most {MOST_FILES} are read")
    return frozenset(map(read_public, files))
