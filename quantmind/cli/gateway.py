"""What subcommands that ask a running gateway share: its address, its token, and what each failure says and exits."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from typing import Any

from quantmind.adapters.state_folder import StateFolder
from quantmind.cli.output import complain, leave_stdout, printable, say
from quantmind.client.outcomes import would_pass
from quantmind.client.rest import OutcomeUnknown, Refused, RestClient, Unreachable
from quantmind.config import Config
from quantmind.config.model import RestConfig, WebSocketConfig
from quantmind.domain.visible import json_visible
from quantmind.errors import EXIT_REFUSED, EXIT_UNAVAILABLE, EXIT_UNKNOWN, StartError
from quantmind.net.errors import NetError
from quantmind.wire.rest import encode

Work = Callable[[RestClient, argparse.Namespace], int]

_HINTS = {
    "unauthorized": "set QUANTMIND_TOKEN to the gateway's token, or name its state folder with --state",
    "broker_required": "name one with --broker",
    "request_id_conflict": "leave --key out for a new order",
    "busy": "nothing was done; run it again",
    "broker_unavailable": "nothing was sent; see its feed and orders in /status",
}


def ask_gateway(config: Config, options: argparse.Namespace, work: Work) -> int:
    """Do something with the running gateway; says what went wrong, and gives the exit code.

    Raises:
        StartError: there is no address or no token.
    """
    try:
        client = RestClient(rest_address(config), rest_token(config), ca=options.ca)
    except (ValueError, NetError) as error:
        raise StartError(str(error), EXIT_UNAVAILABLE) from None
    try:
        with client:
            return work(client, options)
    except (Unreachable, Refused, OutcomeUnknown) as error:
        return say_failure(error, options)
    except OSError as error:
        return leave_stdout(error)  # only of what shows things: what trades speaks by `say`
    except KeyboardInterrupt:
        complain("quantmind: interrupted; nothing more is sent")
        return EXIT_REFUSED


def say_failure(error: Unreachable | Refused | OutcomeUnknown, options: argparse.Namespace, about: str = "") -> int:
    """Say in one line what went wrong and what to do, as JSON where that is asked for; the exit code."""
    problem, line, code = _told(error, options)
    ticket = getattr(options, "ticket", None)
    return failed(
        options, problem if ticket is None else {**problem, "ticket": ticket}, printable(f"{about}{line}"), code
    )


def failed(options: argparse.Namespace, problem: dict[str, Any], line: str, code: int) -> int:
    """Say in one line what went wrong, or the whole problem as JSON where that is asked for; the exit code."""
    if options.json:
        say(as_json(problem))
    else:
        complain(f"quantmind: {line}")
    return code


def outcome_unknown(options: argparse.Namespace, line: str, about: Mapping[str, Any] | None = None) -> int:
    """Say that nobody knows whether it was done, with what else a problem tells `about` it; the exit code."""
    problem = {**(about or {}), "status": "unknown", "code": "unknown", "detail": line}
    return failed(options, problem, line, EXIT_UNKNOWN)


def _told(
    error: Unreachable | Refused | OutcomeUnknown, options: argparse.Namespace
) -> tuple[dict[str, Any], str, int]:
    if isinstance(error, Unreachable):
        line = f"{error}; start it with `quantmind run`, or name its --config and --state"
        return {"status": "unavailable", "code": "no_gateway", "detail": line}, line, EXIT_UNAVAILABLE
    if isinstance(error, OutcomeUnknown):
        again = getattr(options, "again", "")
        line = (
            f"the outcome is UNKNOWN: {error}. Do not send it as a new order; the same command with "
            f"--key {error.key}{again} asks what became of it"
        )
        return (
            {**error.problem, "status": "unknown", "code": "unknown", "detail": line, "key": error.key},
            line,
            EXIT_UNKNOWN,
        )
    hint = _HINTS.get(error.code)
    line = f"{error.code}: {error}"
    retcode = error.problem.get("retcode")
    if retcode is not None:
        line = f"the broker refused it ({retcode}): {error}. {error.problem.get('retcode_text') or ''}".rstrip()
    elif error.code == "rejected":
        line = f"the risk governor refused it{_rules(error.problem)}: {error}"
        line += would_pass(_rule_names(error.problem), error.problem.get("max_volume"))
    return error.problem, f"{line}; {hint}" if hint else line, EXIT_REFUSED


def _rules(problem: dict[str, Any]) -> str:
    rules = _rule_names(problem)
    return f" ({', '.join(rules)})" if rules else ""


def _rule_names(problem: dict[str, Any]) -> list[str]:
    return [str(reason["rule"]) for reason in problem.get("reasons") or ()]


def as_json(value: Any) -> str:
    """One line of JSON, numbers exact, nothing in it that a terminal obeys."""
    return json_visible(encode(value).decode())


def rest_address(config: Config) -> str:
    """Where the gateway of this configuration answers HTTP."""
    return _address(config, "rest", "http", config.gateway.rest)


def feed_address(config: Config) -> str:
    """Where the gateway of this configuration streams ticks."""
    return _address(config, "websocket", "ws", config.gateway.websocket)


def _address(config: Config, name: str, scheme: str, door: RestConfig | WebSocketConfig) -> str:
    if door.port == 0:
        noted = StateFolder(config.gateway.state_dir).read_addresses().get(name)
        if noted is None:
            folder = config.gateway.state_dir
            message = f"no running gateway has noted its address in {folder}; start it, or give --state"
            raise StartError(message, EXIT_UNAVAILABLE)
        return noted
    if config.gateway.tls.certificate is not None:
        scheme += "s"
    # Listening everywhere is no address to ask at.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(door.host, door.host)  # noqa: S104
    return f"{scheme}://[{host}]:{door.port}/" if ":" in host else f"{scheme}://{host}:{door.port}/"


def rest_token(config: Config) -> str:
    """QUANTMIND_TOKEN, else what the gateway has made at its first start."""
    token = os.environ.get("QUANTMIND_TOKEN")
    if token:
        return token
    folder = StateFolder(config.gateway.state_dir)
    if not folder.token_file.exists():
        message = f"there is no token: QUANTMIND_TOKEN is not set and {folder.token_file} is not there; give --state"
        raise StartError(message, EXIT_UNAVAILABLE)
    return folder.token()


def brokers_of(client: RestClient, named: str | None) -> list[str]:
    """The accounts that are meant: the one that is named, else all."""
    if named is not None:
        return [named]
    return [item["broker"] for item in client.get("/status")["brokers"]]
