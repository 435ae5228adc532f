"""`quantmind keys`: make the key pairs of CURVE, for the gateway and for its clients."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from quantmind.adapters.state_folder import StateFolder
from quantmind.cli.gateway import as_json
from quantmind.cli.output import say
from quantmind.config import Config
from quantmind.edges.secure import KEY_FOLDER, SERVER_KEY
from quantmind.errors import EXIT_UNAVAILABLE, StartError
from quantmind.net.curve_keys import (
    PUBLIC_SUFFIX,
    SECRET_SUFFIX,
    CurvePair,
    KeyTrouble,
    read_secret,
    write_public,
    write_secret,
)
from quantmind.net.errors import NetError
from quantmind.net.zmq import curve_pair, curve_public

CLIENTS = "clients"


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the subcommand."""
    about = "make the gateway's CURVE key pair, if there is none, and pairs for clients"
    parser = commands.add_parser("keys", parents=[common], help=about, description=about)
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the keys (default: curve in the state folder)"
    )
    parser.add_argument(
        "--client",
        action="append",
        default=[],
        type=_name,
        metavar="NAME",
        help="also a pair for this client; may be repeated",
    )


def needs_config(options: argparse.Namespace) -> bool:
    """Whether it takes the state folder from a configuration."""
    return options.out is None and options.state is None


def keys(config: Config | None, options: argparse.Namespace) -> int:
    """Make keys and print the public ones.

    Raises:
        StartError: a file can't be used, or a client has keys already.
    """
    try:
        folder = _folder(config, options)
        made = [_server(folder)] + [_client(folder, name) for name in options.client]
    except NetError as error:
        raise StartError(str(error), EXIT_UNAVAILABLE) from error
    if options.json:
        say(as_json({"folder": str(folder), "keys": made}))
        return 0
    for each in made:
        say(f"{each['name']:<12} public key {each['public_key']}")
        say(f"{'':<12} {'made' if each['made'] else 'was there:'} {each['secret_file']} (keep it secret)")
    say("Give clients the public key of the server. Those of clients in the folder clients may connect where")
    say(f"gateway.….secure has curve_clients_dir: {folder / CLIENTS}")
    return 0


def _folder(config: Config | None, options: argparse.Namespace) -> Path:
    if options.out is not None:
        folder = Path(options.out)
    else:
        state = options.state.absolute() if options.state is not None else None
        assert state is not None or config is not None, "else it would have been told"
        folder = StateFolder.open(state or config.gateway.state_dir).path / KEY_FOLDER  # type: ignore[union-attr]
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / CLIENTS).mkdir(exist_ok=True)
    except OSError as error:
        raise KeyTrouble(f"the folder {folder} can't be made ({error.strerror})") from error
    return folder


def _server(folder: Path) -> dict[str, Any]:
    secret_file = folder / SERVER_KEY
    there = secret_file.exists()
    if there:
        public = curve_public(read_secret(secret_file))
    else:
        pair = CurvePair(*curve_pair())
        public = pair.public
        write_secret(secret_file, pair)
    public_file = secret_file.with_suffix(PUBLIC_SUFFIX)
    if not public_file.exists():
        write_public(public_file, public)
    return {"name": "server", "public_key": public, "secret_file": str(secret_file), "made": not there}


def _client(folder: Path, name: str) -> dict[str, Any]:
    pair = CurvePair(*curve_pair())
    secret_file = folder / f"{name}{SECRET_SUFFIX}"
    write_secret(secret_file, pair)
    write_public(folder / CLIENTS / f"{name}{PUBLIC_SUFFIX}", pair.public)
    return {"name": name, "public_key": pair.public, "secret_file": str(secret_file), "made": True}


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", text) or text == "server":
        raise argparse.ArgumentTypeError("a client's name has letters, digits, - and _, and is not server")
    return text
