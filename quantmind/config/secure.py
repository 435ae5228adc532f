"""The model of further ZeroMQ endpoints, where each client shows who it is."""

# ruff: noqa: RUF009 - `setting` gives an attrs field, as `attrs.field` does.

from pathlib import Path
from typing import Final

import attrs

from quantmind.config.brokers import PORT
from quantmind.config.kinds import Choice, ListenHost, Location, Text
from quantmind.config.settings import ListOf, Maybe, setting

_CURVE_KEY: Final = Text("a public CURVE key: 40 characters, in quotes", r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")


@attrs.frozen(kw_only=True)
class SecureEndpoint:
    """One endpoint with credentials."""

    host: str = setting(ListenHost(), "Address to listen on, such as that of a VPN.")
    port: int = setting(PORT, "ZeroMQ port; 0 picks a free one.")
    mechanism: str = setting(
        Choice(("plain", "curve")),
        "`plain`: a user and a token, in clear text, so inside a VPN or tunnel; `curve`: keys, and all is encrypted.",
    )
    curve_server_key: Path | None = setting(
        Maybe(Location()),
        "File of the gateway's key pair for `curve`; null: that of `quantmind keys` in the state folder.",
        default=None,
    )
    curve_clients: str = setting(
        Choice(("listed", "any")),
        "Who may connect by `curve`: clients whose key is listed, or any that has the gateway's public key.",
        default="listed",
    )
    curve_client_keys: tuple[str, ...] = setting(
        ListOf(_CURVE_KEY, "keys"), "Public keys of clients that may connect.", default=()
    )
    curve_clients_dir: Path | None = setting(
        Maybe(Location()),
        "Folder with further public keys, one in each file `*.key`; read again when files come or go.",
        default=None,
    )


@attrs.frozen(kw_only=True)
class SecureDataEndpoint(SecureEndpoint):
    """One endpoint for ticks, with credentials."""

    serves: str = setting(
        Choice(("publish", "ingest")),
        "`publish`: what `publish_port` sends; `ingest`: takes ticks of terminals, as `ingest_port` does.",
        default="publish",
    )
