"""GET /journal: pages in both directions, over a real log, and nobody waits for a reader but the one who asks."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from unit.adapters.journal.test_sqlite import running
from unit.edges.rest.harness import HEADERS, make_world, open_world
from unit.edges.rest.test_routes import pages

from quantmind.adapters.journal import LogReader, reader
from quantmind.adapters.journal.pages import read_page
from quantmind.edges.rest import make_app
from quantmind.edges.rest.journal import QUERY
from quantmind.ports import LogQuery
from quantmind.records import Event, LogPage
from quantmind.wire.rest import encode


async def got(client: Any, path: str) -> Any:
    response = await client.get(path, headers=HEADERS)
    assert response.status_code == 200
    return json.loads(await response.get_data())


@pytest.mark.parametrize("step", [1, 3, 100])
@pytest.mark.parametrize("limit", [1, 4, 1000])
async def test_pages_of_the_journal(step, limit):
    """Each line once and in order, also where a page ends with nothing found."""
    async with open_world() as world:
        world.context.log.put(11)
        world.context.log.step = step
        client = world.app.test_client()
        found = await pages(client, "/journal", limit)
        assert [item["seq"] for page in found for item in page] == list(range(1, 12))
        found = await pages(client, "/journal?kind=outcome", limit)
        assert [item["seq"] for page in found for item in page] == [1, 4, 7, 10]
        assert all(len(page) <= limit for page in found)


@pytest.mark.parametrize("step", [2, 100])
async def test_pages_from_the_newest_back(step):
    """With `newest` a page begins at the end, and `previous` leads on to what came before."""
    async with open_world() as world:
        world.context.log.put(9)
        world.context.log.step = step
        client = world.app.test_client()
        found: list[int] = []
        before = ""
        while True:
            body = await got(client, f"/journal?newest=true&limit=2{before}")
            assert body["next"] is None
            found = [item["seq"] for item in body["items"]] + found
            if body["previous"] is None:
                break
            before = f"&before={body['previous']}"
        assert found == list(range(1, 10))


async def test_every_filter_is_a_field_of_the_query():
    """What is asked for is what the log is asked."""
    async with open_world() as world:
        client = world.app.test_client()
        await got(
            client,
            "/journal?after=3&before=9&limit=7&newest=true&kind=deal,event&since=1970-01-01T00:00:01Z&broker=b"
            "&ea_name=e&request_id=r&order_id=o",
        )
        (asked,) = world.context.log.asked
        assert asked == LogQuery(3, 7, True, 9, 1_000_000, frozenset({"deal", "event"}), "b", "e", "r", "o")
        assert {"kind", "since"} | {field.name for field in attrs.fields(LogQuery)} - {"kinds", "since_us"} == QUERY


async def test_bodies_stand_as_they_were_written(tmp_path):
    """To the last digit and in their order, since that is what was hashed."""
    async with running(tmp_path / "j.sqlite3") as journal:
        await journal.append([Event("e", "demo", {"price": 1, "z": "é\u2028", "a": "\x1b[31m"}, 1.0)])
        world = make_world()
        context = attrs.evolve(world.context, log=LogReader(tmp_path / "j.sqlite3"))
        raw = await (await make_app(context).test_client().get("/journal?after=1", headers=HEADERS)).get_data()
    with closing(sqlite3.connect(tmp_path / "j.sqlite3")) as connection:
        (body,) = connection.execute("SELECT body FROM log WHERE seq = 2").fetchone()
    assert f'"body":{body},"hash"'.encode() in raw
    assert b"\\u001b[31m" in raw
    assert encode(json.loads(raw)["items"][0]["body"]).decode() == body


async def test_a_reader_that_takes_long_delays_no_record(tmp_path: Path, monkeypatch):
    """While a request reads and holds its snapshot, records become durable and other requests are answered."""
    path = tmp_path / "j.sqlite3"
    reading, release = trio.Event(), threading.Event()
    token = trio.lowlevel.current_trio_token()

    def slow(connection: sqlite3.Connection, ask: LogQuery, **how: Any) -> LogPage:
        page = read_page(connection, ask, **how)
        if ask.after == 1:
            connection.execute("BEGIN")
            connection.execute("SELECT * FROM log").fetchall()
            token.run_sync_soon(reading.set)
            release.wait(60)
        return page

    monkeypatch.setattr(reader, "read_page", slow)
    async with running(path) as journal, open_world() as world:
        client = make_app(attrs.evolve(world.context, log=LogReader(path))).test_client()
        answered: list[Any] = []

        async def ask() -> None:
            answered.append(await got(client, "/journal?after=1"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await reading.wait()
            try:
                for number in range(5):
                    await journal.append([Event("e", None, {"n": number}, 1.0)])
                assert (await got(client, "/status"))["version"] == "0.1.0"
                assert (await got(client, "/journal"))["head"]["seq"] == 6
                assert not answered
            finally:
                release.set()
        assert answered[0]["items"] == []
