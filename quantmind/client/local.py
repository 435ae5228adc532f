"""The gateway that runs on this machine: where it listens, and the token that it made."""

from __future__ import annotations

import json
import os
from pathlib import Path

import attrs

from quantmind.config.places import ADDRESSES_FILE, TOKEN_FILE, default_state_dir
from quantmind.errors import QuantMindError


class NoGateway(QuantMindError):
    """No gateway has noted where it listens."""


@attrs.frozen
class LocalGateway:
    """Addresses of a running gateway, and its token; `ingest` only where a broker takes prices of terminals."""

    websocket: str
    commands: str
    publish: str
    rest: str
    token: str | None = attrs.field(repr=False)
    ingest: str | None = None


def find_gateway(state_dir: str | Path | None = None) -> LocalGateway:
    """The gateway that runs on this machine as this user.

    The token is that of the environment (QUANTMIND_TOKEN), else the gateway's own; None where there is neither.

    Args:
        state_dir: the gateway's folder, when it is not the platform's.

    Raises:
        NoGateway: none has noted its addresses there. One that was killed leaves its note behind, so nothing is
            promised of what answers.
    """
    folder = default_state_dir() if state_dir is None else Path(state_dir)
    try:
        addresses = json.loads((folder / ADDRESSES_FILE).read_text(encoding="utf-8"))["addresses"]
        return LocalGateway(
            websocket=addresses["websocket"],
            commands=addresses["commands"],
            publish=addresses["publish"],
            rest=addresses["rest"],
            token=os.environ.get("QUANTMIND_TOKEN") or _token(folder / TOKEN_FILE),
            ingest=addresses.get("ingest"),
        )
    except (OSError, ValueError, KeyError, TypeError):
        message = f"no running gateway has noted its addresses in {folder}; start `quantmind run`, or name its folder"
        raise NoGateway(message) from None


def _token(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None
