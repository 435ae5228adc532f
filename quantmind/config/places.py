"""What lies where in a gateway's state folder, for the gateway that writes it and for clients that look it up."""

from pathlib import Path
from typing import Final

import platformdirs

TOKEN_FILE: Final = "token"  # noqa: S105  # a file's name
ADDRESSES_FILE: Final = "gateway.json"


def default_state_dir() -> Path:
    """Return the platform's folder for the state of programs of this user."""
    return platformdirs.user_state_path("quantmind", appauthor=False)
