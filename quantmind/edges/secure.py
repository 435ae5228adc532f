"""Further ZeroMQ endpoints, where each client shows who it is: a token by PLAIN, or a key by CURVE."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from quantmind.config.kinds import is_loopback
from quantmind.config.secure import SecureDataEndpoint, SecureEndpoint
from quantmind.edges import data, zmq_commands
from quantmind.edges.ingest import DOMAIN, open_ingest
from quantmind.edges.zmq_commands import HIGH_WATER, MAX_FRAME_BYTES
from quantmind.net.curve_keys import KeyTrouble, read_folder, read_secret, z85
from quantmind.net.zap import Denied, Granted, Judge, ZapRequest
from quantmind.net.zmq import (
    CurveGuard,
    Guard,
    PlainGuard,
    PubSocket,
    RouterSocket,
    SubSocket,
    ZmqContext,
    curve_public,
)
from quantmind.wire.auth import Authenticator, Denial, Identity

logger: Final = logging.getLogger("quantmind.secure")

KEY_FOLDER: Final = "curve"
SERVER_KEY: Final = "server.key_secret"

_SCOPES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "commands": {"ea": ("ea",), "bridge": ("bridge",)},
    "publish": {"ea": ("ea", "read"), "bridge": ("bridge",)},
}
"""Which users there are by PLAIN, and the scopes of which their token needs one."""


@attrs.frozen
class SecureSocket:
    """An open endpoint with credentials. `name` is also its ZAP domain, but for ticks that come in."""

    name: str
    serves: str
    mechanism: str
    host: str
    socket: RouterSocket | PubSocket | SubSocket
    keys: AllowedKeys | None
    """Who may connect by CURVE; None: it is PLAIN."""

    def status(self) -> dict[str, Any]:
        """For /status."""
        shown = {"mechanism": self.mechanism, "host": self.host, "port": self.socket.port}
        keys = {} if self.keys is None else {"clients": self.keys.status()}
        return {**shown, **keys, "socket": attrs.asdict(self.socket.statistics())}


def open_secure(
    context: ZmqContext, serves: str, number: int, endpoint: SecureEndpoint, key_folder: Path
) -> SecureSocket:
    """Open one endpoint; the context's ZAP handler must answer for its domain, or nobody gets in.

    Args:
        serves: commands, publish or ingest.
        number: tells it from others that serve the same.
        key_folder: where the gateway's key pair is, unless the endpoint names a file.

    Raises:
        NetError: the address or a key can't be used.
    """
    name = f"{serves}_{endpoint.mechanism}" + (f"_{number}" if number > 1 else "")
    keys = None
    guard: Guard = PlainGuard(name)
    if endpoint.mechanism == "curve":
        secret = read_secret(endpoint.curve_server_key or key_folder / SERVER_KEY)
        guard = CurveGuard(name, secret)
        logger.info("use.key endpoint=%s public=%s", name, curve_public(secret))
        keys = AllowedKeys.of(endpoint)
    elif not is_loopback(endpoint.host):
        logger.warning(
            "open.clear_text endpoint=%s host=%s: PLAIN is not encrypted; let it be reached by a VPN or tunnel only",
            name,
            endpoint.host,
        )
    socket: RouterSocket | PubSocket | SubSocket
    if serves == "commands":
        socket = RouterSocket.bind(
            context,
            endpoint.host,
            endpoint.port,
            max_message_bytes=MAX_FRAME_BYTES,
            high_water=HIGH_WATER,
            guard=guard,
        )
    elif serves == "publish":
        socket = PubSocket.bind(context, endpoint.host, endpoint.port, guard=guard)
    else:
        socket = open_ingest(context, endpoint.host, endpoint.port, plain=True)
    if serves != "ingest":
        socket.watch(name, zmq_commands.PEERS if serves == "commands" else data.PEERS)
    return SecureSocket(name, serves, endpoint.mechanism, endpoint.host, socket, keys)


def served_by(endpoint: SecureEndpoint) -> str:
    """What an endpoint of `gateway.commands` or `gateway.data` serves."""
    return endpoint.serves if isinstance(endpoint, SecureDataEndpoint) else "commands"


@attrs.define(eq=False)
class AllowedKeys:
    """The public keys of clients that may connect; those of a folder are read again when its files come or go.

    A folder that can't be read lets in whom it let in before, but those that are listed always.
    """

    everyone: bool
    listed: frozenset[str]
    folder: Path | None
    _found: frozenset[str] = attrs.field(factory=frozenset, init=False)
    _read_at: int = attrs.field(default=-1, init=False)
    problem: str | None = attrs.field(default=None, init=False)

    @classmethod
    def of(cls, endpoint: SecureEndpoint) -> AllowedKeys:
        """Those of an endpoint. Raises KeyTrouble: the folder can't be read."""
        keys = cls(endpoint.curve_clients == "any", frozenset(endpoint.curve_client_keys), endpoint.curve_clients_dir)
        keys._look()
        if keys.problem is not None:
            raise KeyTrouble(keys.problem)
        return keys

    def allows(self, key: str) -> bool:
        """Whether a client with this public key may connect."""
        if self.everyone or key in self.listed:
            return True
        self._look()
        return key in self._found

    def status(self) -> dict[str, Any]:
        """For /status."""
        if self.everyone:
            return {"allowed": "any"}
        return {"allowed": len(self.listed | self._found), "problem": self.problem}

    def _look(self) -> None:
        if self.folder is None:
            return
        try:
            changed_at = self.folder.stat().st_mtime_ns
            if changed_at == self._read_at:
                return
            self._read_at = changed_at
            self._found = read_folder(self.folder)
            self.problem = None
        except (OSError, KeyTrouble) as error:
            self._read_at = -1  # a file may be half written, and is whole at the next look
            told, self.problem = self.problem, str(error)
            if told != self.problem:
                logger.error("keep.keys folder=%s reason=%s", self.folder, error)


@attrs.define(eq=False)
class TokenJudge:
    """Who may connect by PLAIN: user `ea` or `bridge`, password = a token with that scope.

    Wrong tokens count as guesses from the peer's address, as at every other door. The token is remembered under a name
    that tells nothing of it, so that messages of the connection may go without.

    Args:
        scopes: by user, the scopes of which a token needs one.
        brokers: of all of which the endpoint tells whoever is let in; a token that does not reach each of them is not.
    """

    authenticator: Authenticator
    scopes: Mapping[str, tuple[str, ...]]
    brokers: tuple[str, ...] = ()
    _tokens: dict[str, str] = attrs.field(factory=dict, init=False, repr=False)

    def __call__(self, request: ZapRequest) -> Granted | Denied:
        if request.mechanism != "PLAIN" or len(request.credentials) != 2:
            return Denied("wrong_mechanism")
        user, token = (each.decode("utf-8", "replace") for each in request.credentials)
        identity = self.authenticator.admit(token, peer=request.address, via="zmq")
        if isinstance(identity, Denial):
            return Denied(identity.reason, again=identity.retry_after_s is not None)
        if user not in self.scopes:
            return Denied("unknown_user")
        if not any(map(identity.may, self.scopes[user])):
            return self._denied(f"no_scope_{user}", identity)
        if not all(map(identity.reaches, self.brokers)):
            return self._denied("token_of_another_broker", identity)
        name = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
        self._tokens[name] = token  # only of tokens that are known, so few
        return Granted(name)

    def _denied(self, reason: str, identity: Identity) -> Denied:
        self.authenticator.count_denied("zmq", reason, identity.name)
        return Denied(reason)

    def token_of(self, user: str) -> str | None:
        """The token that a connection was let in with; it is judged anew with each message."""
        return self._tokens.get(user)


def key_judge(keys: AllowedKeys) -> Judge:
    """Who may connect by CURVE: whose public key is allowed."""

    def judge(request: ZapRequest) -> Granted | Denied:
        if request.mechanism != "CURVE" or len(request.credentials) != 1 or len(request.credentials[0]) != 32:
            return Denied("wrong_mechanism")
        return Granted("curve") if keys.allows(z85(request.credentials[0])) else Denied("unknown_key")

    return judge


def judges_of(
    sockets: tuple[SecureSocket, ...], authenticator: Authenticator, brokers: Iterable[str]
) -> dict[str, Judge]:
    """The judge of each endpoint's domain; ticks that come in have theirs from `quantmind.edges.ingest`.

    Args:
        brokers: those of the gateway: what is published is of all of them.
    """
    told = tuple(brokers)
    judges: dict[str, Judge] = {}
    for each in sockets:
        if each.serves != "ingest":
            judge = None if each.keys is None else key_judge(each.keys)
            of = told if each.serves == "publish" else ()
            judges[each.name] = judge or TokenJudge(authenticator, _SCOPES[each.serves], of)
    assert DOMAIN not in judges, "a domain of our own making"
    return judges
