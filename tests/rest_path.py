"""A REST door before a running command path, so that a request goes all the way from HTTP to the paper broker."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import attrs
from command_path import TOKEN, CommandPath, open_command_path
from unit.edges.rest.log_lines import LogLines

from quantmind.config.model import RestConfig
from quantmind.edges.command_log import CommandLog
from quantmind.edges.door import Door
from quantmind.edges.latency import Latencies
from quantmind.edges.rest import RestApp, RestContext, make_app

HEADERS = {"X-Token": TOKEN}


@attrs.define(eq=False)
class NoTicks:
    epoch: str = "e"

    def last_tick(self, broker: str, symbol: str) -> None:
        return None


@attrs.define
class Answered:
    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]


@attrs.define(eq=False)
class RestPath:
    """A command path with a door for HTTP beside the one for ZeroMQ."""

    path: CommandPath
    context: RestContext
    app: RestApp

    async def ask(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, token: str = TOKEN
    ) -> Answered:
        """One request; its status and JSON."""
        headers = {"X-Token": token, "Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        data = None if body is None else json.dumps(body).encode()
        response = await self.app.test_client().open(path, method=method, headers=headers, data=data)
        return Answered(response.status_code, json.loads(await response.get_data()), response.headers)


@contextlib.asynccontextmanager
async def open_rest_path(**how: Any) -> AsyncIterator[RestPath]:
    """As `open_command_path`, with the REST door before it."""
    async with open_command_path(**how) as path:
        yield rest_of(path)


def rest_of(path: CommandPath) -> RestPath:
    """A REST door before a path that runs already."""
    latencies = Latencies(1e9)
    log = CommandLog("http", path.journal, path.clock)
    commands = path.root.ref("execution/commands")
    door = Door("http", commands, path.door.authenticator, path.clock, latencies, 1024, True, log)
    path.nursery.start_soon(door.sweep)
    context = RestContext(
        boards=path.boards,
        ticks=NoTicks(),
        door=door,
        governor=path.governor,
        snapshot=path.root.snapshot,
        authenticator=path.door.authenticator,
        clock=path.clock,
        settings=RestConfig(),
        latencies=latencies,
        version="0",
        journal=path.journal,
        known=path.known,
        bookkeepers={},
        # Not of what orders come through.
        router=path.governor,
        log=LogLines(journal=path.journal),
        executors={path.broker.name: executor_of(path)},
    )
    return RestPath(path, context, make_app(context))


def executor_of(path: CommandPath) -> Any:
    """The address of the path's executor."""
    return path.root.ref(f"execution/brokers/executor:{path.broker.name}")
