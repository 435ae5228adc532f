"""How ZeroMQ peers show who they are: PLAIN (a user and a password) and CURVE (keys, and everything encrypted)."""

from __future__ import annotations

from typing import Any, Final

import attrs
import zmq

from quantmind.net.errors import NetError

LONGEST_CREDENTIAL: Final = 255
"""Bytes of a user's name or a password that ZMTP's PLAIN can carry (RFC 24)."""


@attrs.frozen
class PlainLogin:
    """What a client of PLAIN shows (RFC 24): it goes over the wire in clear text, so only on loopback or in a tunnel.

    Raises:
        ValueError: one of them is empty or has more than 255 bytes of UTF-8.
    """

    user: str
    password: str = attrs.field(repr=False)

    def __attrs_post_init__(self) -> None:
        for name, value in (("user", self.user), ("password", self.password)):
            if not 0 < len(value.encode()) <= LONGEST_CREDENTIAL:
                raise ValueError(f"the {name} for PLAIN must have 1 to {LONGEST_CREDENTIAL} bytes")


@attrs.frozen
class CurveLogin:
    """What a client of CURVE has (RFC 26): the server's public key, which it must know, and a pair of its own."""

    server_key: str
    public_key: str
    secret_key: str = attrs.field(repr=False)


@attrs.frozen
class PlainGuard:
    """Lets in by PLAIN only, and only whom the context's ZAP handler lets into `domain`; without a handler nobody."""

    domain: str


@attrs.frozen
class CurveGuard:
    """Lets in by CURVE only, and only whom the context's ZAP handler lets into `domain`; without a handler nobody."""

    domain: str
    secret_key: str = attrs.field(repr=False)


Login = PlainLogin | CurveLogin
Guard = PlainGuard | CurveGuard


_NOBODY_ASKED: Final = b"open"


def set_open(socket: zmq.Socket[Any]) -> None:
    """Make a socket that will bind let in whoever reaches it by ZMTP 3, and nobody who speaks anything older.

    libzmq takes bytes that begin like nothing it knows for ZMTP 1.0, which has no greeting: so the body of an HTTP
    request, which any web page may send to any port of this machine, can be made to hold messages. A socket that names
    a ZAP domain refuses that, and ZMTP 2.0 with it. In a context with a handler that one would be asked about each
    peer: such sockets are opened apart (`ZmqContext.open`), where there is none.
    """
    socket.setsockopt(zmq.ZAP_DOMAIN, _NOBODY_ASKED)


def set_guard(socket: zmq.Socket[Any], guard: Guard) -> None:
    """Make a socket that will bind ask for credentials. Raises NetError: this libzmq has no CURVE."""
    socket.setsockopt(zmq.ZAP_DOMAIN, guard.domain.encode())
    if isinstance(guard, PlainGuard):
        socket.setsockopt(zmq.PLAIN_SERVER, 1)
        return
    _must_have_curve()
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, guard.secret_key.encode())


def set_login(socket: zmq.Socket[Any], login: Login) -> None:
    """Make a socket that will connect show credentials. Raises NetError: this libzmq has no CURVE."""
    if isinstance(login, PlainLogin):
        socket.setsockopt(zmq.PLAIN_USERNAME, login.user.encode())
        socket.setsockopt(zmq.PLAIN_PASSWORD, login.password.encode())
        return
    _must_have_curve()
    socket.setsockopt(zmq.CURVE_SERVERKEY, login.server_key.encode())
    socket.setsockopt(zmq.CURVE_PUBLICKEY, login.public_key.encode())
    socket.setsockopt(zmq.CURVE_SECRETKEY, login.secret_key.encode())


def curve_pair() -> tuple[str, str]:
    """Make a public and a secret key. Raises NetError: this libzmq has no CURVE."""
    _must_have_curve()
    while True:
        public, secret = zmq.curve_keypair()
        # "${" stands for the environment in a configuration, and a key may be written there.
        if b"$" not in public:
            return public.decode(), secret.decode()


def curve_public(secret_key: str) -> str:
    """Return the public key that goes with a secret one. Raises NetError: this libzmq has no CURVE, or it is no key."""
    _must_have_curve()
    try:
        return zmq.curve_public(secret_key.encode()).decode()
    except (zmq.ZMQError, ValueError) as error:
        raise NetError("what stands as secret-key is no CURVE key") from error


def _must_have_curve() -> None:
    if not zmq.has("curve"):
        raise NetError("this build of libzmq has no CURVE; install pyzmq from its wheels, or use PLAIN in a tunnel")
