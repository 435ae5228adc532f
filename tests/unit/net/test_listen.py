"""Listening and accepting."""

from __future__ import annotations

import errno
import socket

import pytest
import trio
import trio.testing

from quantmind.net.errors import AddressTaken, NetError
from quantmind.net.listen import accept_connections, close_listener, open_listener


class FaultyListener(socket.socket):
    """A listening socket whose first accepts fail with the given errors."""

    faults: list[int]
    calls = 0

    def accept(self):
        self.calls += 1
        if self.faults:
            raise OSError(self.faults.pop(0), "as told")
        return super().accept()


def test_port_zero_takes_a_free_port():
    """The socket is bound, listening and non-blocking."""
    with open_listener("127.0.0.1", 0) as listener:
        assert listener.getsockname()[1] > 0
        assert not listener.getblocking()
        with socket.create_connection(listener.getsockname()):
            pass


def test_a_taken_port_is_named():
    """The error says where, and what to do."""
    with open_listener("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(AddressTaken) as taken:
            open_listener("127.0.0.1", port)
    assert (taken.value.host, taken.value.port) == ("127.0.0.1", port)
    assert str(taken.value) == f"127.0.0.1:{port} is taken by another program; stop it or set another port"


def test_a_port_is_free_again_at_once():
    """A restart does not wait for old connections to be forgotten."""
    with open_listener("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        listener.setblocking(True)
        served, _ = listener.accept()
        served.close()
        client.close()
    with open_listener("127.0.0.1", port):
        pass


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_ipv6():
    """IPv6 addresses work, and are shown in brackets."""
    try:
        listener = open_listener("::1", 0)
    except NetError:
        pytest.skip("no IPv6 loopback here")
    with listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("::1", port)):
            pass
        assert str(AddressTaken("::1", port)).startswith(f"[::1]:{port} is taken")


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_an_address_that_is_not_ours(host):
    """Any other fault is a NetError that names the address."""
    with pytest.raises(NetError, match="cannot listen on"):
        open_listener(host, 0)


@pytest.mark.parametrize(
    "faults",
    [
        [errno.EMFILE],
        [errno.ENFILE, errno.EMFILE],
        [errno.ECONNABORTED],
        [errno.ECONNABORTED] * 200,
        [errno.ENOBUFS, errno.ECONNABORTED, errno.EPROTO],
    ],
    ids=len,
)
async def test_accepting_survives_what_passes(faults):
    """Running out of descriptors, or a connection that died early, does not end accepting."""
    listener = FaultyListener(fileno=open_listener("127.0.0.1", 0).detach())
    listener.setblocking(False)
    listener.faults = list(faults)
    accepted: list[socket.socket] = []
    got = trio.Event()

    def handle(raw):
        accepted.append(raw)
        got.set()

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept_connections, listener, handle)
            async with await trio.open_tcp_stream(*listener.getsockname()):
                await got.wait()
                assert not accepted[0].getblocking()
                assert listener.calls < len(faults) + 20
                accepted[0].close()
                nursery.cancel_scope.cancel()
    listener.close()


async def test_a_broken_listener_is_reported():
    """What waiting will not mend is raised."""
    listener = FaultyListener(fileno=open_listener("127.0.0.1", 0).detach())
    listener.setblocking(False)
    listener.faults = [errno.EINVAL]
    client = socket.create_connection(listener.getsockname())
    with listener, client, trio.fail_after(30), pytest.raises(NetError, match="the listener failed"):
        await accept_connections(listener, socket.socket.close)


async def test_closing_the_listener_tells_the_acceptor():
    """`close_listener` wakes whoever accepts."""
    listener = open_listener("127.0.0.1", 0)
    ended = trio.Event()

    async def accept():
        with pytest.raises(trio.ClosedResourceError):
            await accept_connections(listener, lambda raw: raw.close())
        ended.set()

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            await trio.testing.wait_all_tasks_blocked()
            close_listener(listener)
            close_listener(listener)
    assert ended.is_set()


async def test_a_burst_is_accepted_in_one_turn():
    """Everything in the backlog is accepted."""
    listener = open_listener("127.0.0.1", 0)
    accepted: list[socket.socket] = []
    clients = [socket.create_connection(listener.getsockname()) for _ in range(150)]
    all_there = trio.Event()

    def handle(raw):
        accepted.append(raw)
        if len(accepted) == 150:
            all_there.set()

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept_connections, listener, handle)
            await all_there.wait()
            nursery.cancel_scope.cancel()
    for each in (*clients, *accepted, listener):
        each.close()


async def test_a_bug_in_the_handler_is_ours():
    """An exception of the handler comes out, and its socket is closed."""
    listener = open_listener("127.0.0.1", 0)
    seen: list[socket.socket] = []

    def handle(raw):
        seen.append(raw)
        raise LookupError("ours")

    client = socket.create_connection(listener.getsockname())
    with listener, client, trio.fail_after(30), pytest.raises(LookupError):
        await accept_connections(listener, handle)
    assert seen[0].fileno() == -1
