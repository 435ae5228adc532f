"""What stands for the sockets where pyzmq is not installed, so that programs without sockets can import the rest."""

from __future__ import annotations

from typing import NoReturn

from quantmind.net.errors import NetError


class Missing:
    """Raises NetError, which says what to install, whenever one is made."""

    def __init__(self, *_args: object, **_named: object) -> NoReturn:
        raise NetError("pyzmq is not installed, or does not load here; run: pip install pyzmq")
