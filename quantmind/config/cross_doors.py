"""Checks between the doors: their ports, and that who may be reached by others is encrypted or asks who comes."""

from typing import Final

import attrs

from quantmind.config.check import Checker
from quantmind.config.cross_ingest import ingest_brokers
from quantmind.config.kinds import is_loopback
from quantmind.config.model import Config
from quantmind.config.secure import SecureDataEndpoint, SecureEndpoint

# The ports that this version opens (that of ingestion only if it is used), in the order in which a fault names them.
_PORTS: Final = (
    ("websocket", "port"),
    ("commands", "port"),
    ("data", "publish_port"),
    ("data", "ingest_port"),
    ("rest", "port"),
)
_EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104
_CURVE_ONLY: Final = ("curve_server_key", "curve_clients", "curve_client_keys", "curve_clients_dir")


def check_doors(config: Config, checker: Checker) -> None:
    """Report doors on one port, and doors that strangers could use."""
    _ports(config, checker)
    _tls(config, checker)
    _reached(config, checker)
    for section in ("commands", "data"):
        for place, endpoint in enumerate(getattr(config.gateway, section).secure, 1):
            _secure(config, ("gateway", section, "secure", str(place)), endpoint, checker)


def _ports(config: Config, checker: Checker) -> None:
    seen: list[tuple[str, int, tuple[str, ...]]] = []
    for host, port, path in _listening(config):
        other = next((there for name, number, there in seen if number == port and _overlap(name, host)), path)
        seen.append((host, port, path))
        if other == path or port == 0:
            continue
        lines = [checker.marks[one].line for one in (other, path) if one in checker.marks]
        if not lines:  # a key with a fault of its own left its default here
            continue
        here = path if path in checker.marks else other
        there = other if here == path else path
        said = "" if there in checker.marks else " by default"
        message = (
            f"port {port} on {host} is also that of {'.'.join(there)}{said}; give each its own, or 0 for a free one"
        )
        checker.fault(checker.marks[here].line, here, message)


def _listening(config: Config) -> list[tuple[str, int, tuple[str, ...]]]:
    found: list[tuple[str, int, tuple[str, ...]]] = []
    for section, key in _PORTS:
        if key != "ingest_port" or ingest_brokers(config):
            door = getattr(config.gateway, section)
            found.append((_known_as(door.host), getattr(door, key), ("gateway", section, key)))
    for section in ("commands", "data"):
        for place, endpoint in enumerate(getattr(config.gateway, section).secure, 1):
            path = ("gateway", section, "secure", str(place), "port")
            found.append((_known_as(endpoint.host), endpoint.port, path))
    return found


def _known_as(host: str) -> str:
    return "127.0.0.1" if host == "localhost" else host


def _overlap(one: str, other: str) -> bool:
    return one == other or one in _EVERYWHERE or other in _EVERYWHERE


def _tls(config: Config, checker: Checker) -> None:
    tls = config.gateway.tls
    for key, other in (("certificate", "key"), ("key", "certificate")):
        path = ("gateway", "tls", key)
        if getattr(tls, key) is not None and getattr(tls, other) is None:
            if ("gateway", "tls", other) in checker.lines and ("gateway", "tls", other) not in checker.marks:
                continue  # it has a fault of its own
            message = f"needs gateway.tls.{other} too; write both, or neither"
            checker.fault(checker.lines.get(path, 1), path, message)


def _reached(config: Config, checker: Checker) -> None:
    gateway = config.gateway
    encrypted = gateway.tls.certificate is not None and gateway.tls.key is not None
    half = (gateway.tls.certificate is None) != (gateway.tls.key is None)
    for section, scheme in (("websocket", "WebSocket"), ("rest", "HTTP")):
        door = getattr(gateway, section)
        path = ("gateway", section, "host")
        if is_loopback(door.host) or path not in checker.marks:
            continue
        mark = checker.marks[path]
        if not encrypted and not half:
            message = (
                f"others reach {mark.shown}, and without TLS {scheme} would carry tokens and orders in clear text; "
                "set gateway.tls.certificate and gateway.tls.key, or 127.0.0.1 here"
            )
            checker.fault(mark.line, path, message)
        elif section == "websocket" and gateway.websocket.auth != "required":
            message = (
                f"others reach {mark.shown}, so each client must show a token; set gateway.websocket.auth: required"
            )
            checker.fault(mark.line, path, message)
        elif section == "rest" and all(map(is_loopback, gateway.rest.hosts)):
            message = (
                f"others reach {mark.shown}, and gateway.rest.hosts has no name by which they may ask; "
                "list there the host names and addresses that clients use"
            )
            checker.fault(mark.line, path, message)


def _secure(config: Config, path: tuple[str, ...], endpoint: SecureEndpoint, checker: Checker) -> None:
    if endpoint.mechanism == "plain":
        for key in _CURVE_ONLY:
            mark = checker.marks.get((*path, key))
            if mark is not None and mark.value != getattr(attrs.fields(SecureEndpoint), key).default:
                checker.fault(mark.line, (*path, key), "says nothing with plain; remove it or set mechanism: curve")
    elif endpoint.curve_clients == "listed":
        if not endpoint.curve_client_keys and endpoint.curve_clients_dir is None:
            message = (
                "nobody could connect: list keys in curve_client_keys or curve_clients_dir (`quantmind keys --client "
                "NAME` makes them), or write curve_clients: any"
            )
            where = (*path, "mechanism")
            checker.fault(checker.lines[where], where, message)
    elif endpoint.curve_client_keys or endpoint.curve_clients_dir is not None:
        where = (*path, "curve_clients")
        message = "any lets in every client, and keys are listed as well; remove one of them"
        checker.fault(checker.lines[where], where, message)
    if isinstance(endpoint, SecureDataEndpoint) and endpoint.serves == "ingest":
        where = (*path, "serves")
        if endpoint.mechanism != "plain":
            message = "ticks come in by plain only, whose user names the broker; set mechanism: plain"
            checker.fault(checker.lines[where], where, message)
        if not ingest_brokers(config):
            message = "no enabled broker has a feed of type ingest; give one such a feed, or remove this endpoint"
            checker.fault(checker.lines[where], where, message)
