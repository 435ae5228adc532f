"""ZeroMQ sockets: routes, faults, full queues, and no wake-up ever lost."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time

import pytest
import trio
import trio.testing
import zmq
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.net.errors import AddressTaken, NetError
from quantmind.net.zmq import (
    DRAIN_BYTES,
    LONGEST_TOPIC,
    MOST_FRAMES,
    DealerSocket,
    Incoming,
    PubSocket,
    ReqSocket,
    RouterSocket,
    SubSocket,
    ZmqContext,
    sort_routed,
)

HOST = "127.0.0.1"


@pytest.fixture
def context():
    with ZmqContext() as made:
        yield made


@pytest.fixture
def router(context):
    return RouterSocket.bind(context, HOST, 0)


async def answer(router: RouterSocket) -> None:
    """Answer everything: bodies with themselves, faults with what was wrong."""
    while True:
        for incoming in await router.receive_batch():
            router.reply(incoming.route, incoming.body or f"fault: {incoming.fault}".encode())


async def collect(socket: DealerSocket, count: int) -> list[bytes | None]:
    got: list[bytes | None] = []
    while len(got) < count:
        got += [incoming.body for incoming in await socket.receive_batch()]
    return got


async def test_req_and_dealer_are_answered(context, router, nursery):
    """REQ, and DEALER with the delimiter or without, all get their replies."""
    nursery.start_soon(answer, router)
    with trio.fail_after(30):
        client = ReqSocket.connect(context, HOST, router.port)
        assert await client.request(b"one") == b"one"
        assert await client.request(b"two") == b"two"
        dealer = DealerSocket.connect(context, HOST, router.port)
        assert dealer.send(b"bare")
        assert dealer.send_frames([b"", b"delimited"])
        assert await collect(dealer, 2) == [b"bare", b"delimited"]
    assert router.statistics().received == 4
    assert router.statistics().sent == 4


async def test_large_messages_are_few_in_a_batch(context):
    """What is taken in one go is bounded in bytes, too; the rest is there at the next look."""
    size = 256 * 1024
    router = RouterSocket.bind(context, HOST, 0, max_message_bytes=size)
    dealer = DealerSocket.connect(context, HOST, router.port, max_message_bytes=size)
    for _ in range(20):
        assert dealer.send(bytes(size))
    batches = []
    with trio.fail_after(30):
        while sum(batches) < 20:
            batches.append(len(await router.receive_batch()))
    assert max(batches) <= DRAIN_BYTES // size


async def test_a_plain_req_of_libzmq_is_answered(router, nursery):
    """What an expert advisor's REQ sends, without our options, in a thread of its own."""
    nursery.start_soon(answer, router)

    def run() -> list[bytes]:
        with zmq.Context() as theirs, theirs.socket(zmq.REQ) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.RCVTIMEO, 20_000)
            socket.connect(f"tcp://{HOST}:{router.port}")
            replies = []
            for body in (b"{}", b"", b"\xff\xfe"):
                socket.send(body)
                replies.append(socket.recv())
            socket.send_multipart([b"two", b"frames"])
            replies.append(socket.recv())
            return replies

    with trio.fail_after(60):
        replies = await trio.to_thread.run_sync(run)
    assert replies == [
        b"{}",
        b"fault: the message is empty",
        b"\xff\xfe",
        b"fault: one frame is a message; this one has 2",
    ]
    assert router.statistics().malformed == 2


async def test_every_shape_of_message_is_answered(context, router, nursery):
    """Whatever frames a DEALER sends, it gets one reply."""
    nursery.start_soon(answer, router)
    dealer = DealerSocket.connect(context, HOST, router.port)
    shapes: list[list[bytes]] = [
        [b""],
        [b"", b""],
        [b"a", b"b"],
        [b"", b"a", b"b"],
        [b"x"] * 9,
        [b""] * 9,
        [b"x"] * 5000,
    ]
    with trio.fail_after(30):
        for shape in shapes:
            assert dealer.send_frames(shape)
            replies: list[Incoming] = []
            while not replies:
                replies = await dealer.receive_batch()
            assert len(replies) == 1
    assert router.statistics().malformed == len(shapes)
    assert router.statistics().sent == len(shapes)


frame = st.one_of(st.just(b""), st.binary(max_size=20))


@settings(max_examples=examples(2_000, 200), deadline=None)
@given(identity=st.binary(min_size=1, max_size=5), rest=st.lists(frame, max_size=MOST_FRAMES + 3))
def test_any_frames_give_a_route_and_either_body_or_fault(identity, rest):
    """The route always begins with the identity; a body is the one frame after it and never empty."""
    frames = [identity, *rest]
    incoming = sort_routed(frames)
    assert incoming.route[0] == identity
    assert (incoming.body is None) != (incoming.fault is None)
    if incoming.body is not None:
        assert [*incoming.route, incoming.body] == frames
        assert incoming.body
        assert all(incoming.route[:-1])
        assert len(frames) <= MOST_FRAMES
        if len(incoming.route) > 1:
            assert incoming.route[-1] == b""


@pytest.mark.parametrize(
    ("frames", "route", "body"),
    [
        ([b"id", b"", b"body"], (b"id", b""), b"body"),
        ([b"id", b"body"], (b"id",), b"body"),
        ([b"id", b"seq!", b"", b"body"], (b"id", b"seq!", b""), b"body"),
        ([b"id", b"hop", b"hop2", b"", b"body"], (b"id", b"hop", b"hop2", b""), b"body"),
        ([b"id", b""], (b"id",), None),
        ([b"id"], (b"id",), None),
        ([b"id", b"", b""], (b"id", b""), None),
        ([b"id", b"", b"a", b"b"], (b"id", b""), None),
        ([b"id", b"a", b"b"], (b"id",), None),
    ],
    ids=repr,
)
def test_routes_and_bodies(frames, route, body):
    """The envelope of REQ, of REQ with correlation, of proxies; and what is none of them."""
    incoming = sort_routed(frames)
    assert (incoming.route, incoming.body) == (route, body)


async def test_a_reply_to_a_peer_that_has_gone_is_false(context, router):
    """An unknown route is counted and raises nothing."""
    assert not router.reply((b"nobody", b""), b"reply")
    assert router.statistics().unroutable == 1
    with trio.fail_after(30):
        dealer = DealerSocket.connect(context, HOST, router.port)
        dealer.send(b"hello")
        (incoming,) = await router.receive_batch()
        dealer.close()
        while router.reply(incoming.route, b"reply"):
            await trio.sleep(0.01)
    assert router.statistics().unroutable == 2


async def test_a_reply_to_a_peer_that_does_not_read_is_false(context):
    """A full queue refuses; it neither blocks nor grows."""
    router = RouterSocket.bind(context, HOST, 0, high_water=10)
    stuck = DealerSocket.connect(context, HOST, router.port, high_water=1)
    other = DealerSocket.connect(context, HOST, router.port)
    with trio.fail_after(60):
        stuck.send(b"hello")
        (incoming,) = await router.receive_batch()
        payload = b"x" * 60_000
        for _ in range(100_000):
            if not router.reply(incoming.route, payload):
                break
            await trio.lowlevel.checkpoint()
        assert router.statistics().full == 1
        assert router.statistics().unroutable == 0
        other.send(b"hello")
        (incoming,) = await router.receive_batch()
        assert router.reply(incoming.route, b"yes")
        assert await collect(other, 1) == [b"yes"]


async def test_a_message_that_is_too_large_drops_its_sender(context):
    """libzmq disconnects the peer; others go on."""
    router = RouterSocket.bind(context, HOST, 0, max_message_bytes=1000)
    large = DealerSocket.connect(context, HOST, router.port)
    small = DealerSocket.connect(context, HOST, router.port)
    with trio.fail_after(30):
        large.send(b"x" * 1001)
        small.send(b"x" * 1000)
        batch = await router.receive_batch()
        assert [len(incoming.body or b"") for incoming in batch] == [1000]
        with trio.move_on_after(0.1):
            await router.wait_incoming()
            pytest.fail("the large message came through")


async def test_a_second_peer_with_the_same_identity_takes_nothing_over(context, router):
    """ROUTER_HANDOVER is off: the first one keeps its name and its replies."""
    with trio.fail_after(30), zmq.Context() as theirs:
        sockets = []
        for _ in range(2):
            socket = theirs.socket(zmq.DEALER)
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.IDENTITY, b"same")
            socket.connect(f"tcp://{HOST}:{router.port}")
            socket.send(b"hello")
            if not sockets:
                (incoming,) = await router.receive_batch()
                assert incoming.route == (b"same",)
            sockets.append(socket)
        await trio.sleep(0.1)
        assert router.drain() == []
        assert router.reply((b"same",), b"yours")
        assert await trio.to_thread.run_sync(sockets[0].poll, 20_000)
        assert not sockets[1].poll(0)
        for socket in sockets:
            socket.close(0)


async def test_garbage_on_the_port_harms_nobody(context, router, nursery):
    """What does not speak ZMTP is dropped by libzmq."""
    nursery.start_soon(answer, router)
    with trio.fail_after(30):
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01" + bytes(200), bytes(range(256)) * 10, b"\xff" * 64):
            async with await trio.open_tcp_stream(HOST, router.port) as stream:
                await stream.send_all(garbage)
        client = ReqSocket.connect(context, HOST, router.port)
        assert await client.request(b"still there?") == b"still there?"


def test_a_taken_port_is_named(context, router):
    """The error says where, and what to do."""
    with pytest.raises(AddressTaken, match=r"127\.0\.0\.1:\d+ is taken by another program"):
        RouterSocket.bind(context, HOST, router.port)


def test_an_address_that_is_not_ours(context):
    """Any other fault is a NetError."""
    with pytest.raises(NetError, match=r"cannot listen on 192\.0\.2\.1"):
        PubSocket.bind(context, "192.0.2.1", 0)
    with pytest.raises(NetError, match="cannot connect to"):
        DealerSocket.connect(context, "not a host", 5555)


async def test_ipv6(context, nursery):
    """IPv6 hosts are bound and connected to."""
    try:
        router = RouterSocket.bind(context, "::1", 0)
    except NetError:
        pytest.skip("no IPv6 loopback here")
    nursery.start_soon(answer, router)
    with trio.fail_after(30):
        assert await ReqSocket.connect(context, "::1", router.port).request(b"six") == b"six"


async def test_a_request_given_up_does_not_block_the_next(context, router):
    """After a cancelled request the next one gets its own reply, and not the late one."""
    client = ReqSocket.connect(context, HOST, router.port)
    with trio.fail_after(30):
        with trio.move_on_after(0.1):
            await client.request(b"first")
        (first,) = await router.receive_batch()
        async with trio.open_nursery() as nursery:

            async def second() -> None:
                assert await client.request(b"second") == b"reply to second"

            nursery.start_soon(second)
            router.reply(first.route, b"reply to first")
            (incoming,) = await router.receive_batch()
            assert incoming.body == b"second"
            router.reply(first.route, b"reply to first")
            router.reply(incoming.route, b"reply to second")


async def test_publishing(context):
    """Subscribers get what they subscribed to, with its topic."""
    publisher = PubSocket.bind(context, HOST, 0)
    subscriber = SubSocket.connect(context, HOST, publisher.port)
    subscriber.subscribe(b"tick.demo.")
    got: list[Incoming] = []
    with trio.fail_after(30):
        while not got:
            publisher.publish(b"state.demo", b"no")
            publisher.publish(b"tick.demo.EURUSD", b"1.1")
            await trio.sleep(0.01)
            got = subscriber.drain()
    assert got[0] == Incoming((b"tick.demo.EURUSD",), b"1.1", None)
    subscriber.unsubscribe(b"tick.demo.")


async def test_a_subscription_is_no_place_for_bytes(context):
    """Whoever names a topic longer than any is dropped: libzmq would keep fifty times its bytes. Others are served."""
    publisher = PubSocket.bind(context, HOST, 0)
    subscriber = SubSocket.connect(context, HOST, publisher.port)
    subscriber.subscribe(b"t" * LONGEST_TOPIC)
    greedy = context.open(zmq.XSUB)
    left = greedy.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    try:
        greedy.connect(f"tcp://{HOST}:{publisher.port}")
        greedy.send(b"\x01" + b"t" * (LONGEST_TOPIC + 16))
        with trio.fail_after(30):
            while not left.poll(0):
                await trio.sleep(0.01)
            while not subscriber.drain():
                publisher.publish(b"t" * LONGEST_TOPIC, b"1.1")
                await trio.sleep(0.01)
    finally:
        greedy.disable_monitor()
        left.close(0)
        greedy.close(0)


async def test_a_subscriber_that_does_not_read_holds_up_nobody(context):
    """It misses messages, which is counted when it begins; the others get every one."""
    publisher = PubSocket.bind(context, HOST, 0, high_water=500)
    stuck = SubSocket.connect(context, HOST, publisher.port, high_water=1)
    good = SubSocket.connect(context, HOST, publisher.port)
    with trio.fail_after(60):
        for subscriber in (stuck, good):
            subscriber.subscribe(b"t")
            while not subscriber.drain():
                publisher.publish(b"t", b"ready?")
                await trio.sleep(0.01)
        await trio.sleep(0.05)
        good.drain()
        sent = 0
        got = 0
        payload = b"x" * 20_000
        while sent < 3000:
            publisher.publish(b"t", payload)
            sent += 1
            while got < sent - 100:
                got += len(await good.receive_batch())
        while got < sent:
            got += len(await good.receive_batch())
    assert got == sent
    assert publisher.statistics().full >= 1


async def test_ingestion_by_a_bound_sub(context):
    """Publishers may connect to a SUB that binds."""
    subscriber = SubSocket.bind(context, HOST, 0)
    subscriber.subscribe(b"tick.")
    with zmq.Context() as theirs, trio.fail_after(30):
        publisher = theirs.socket(zmq.PUB)
        publisher.setsockopt(zmq.LINGER, 0)
        publisher.connect(f"tcp://{HOST}:{subscriber.port}")
        got: list[Incoming] = []
        while len(got) < 2:
            publisher.send_multipart([b"tick.EURUSD", b"{}"])
            publisher.send_multipart([b"tick.alone"])
            await trio.sleep(0.01)
            got += subscriber.drain()
        publisher.close(0)
    assert got[0] == Incoming((b"tick.EURUSD",), b"{}", None)
    assert got[1].body is None
    assert got[1].fault


# ---------------------------------------------------------------------- waking up


async def test_cancelling_a_wait_loses_no_message(context, router):
    """A message that comes after a cancelled wait is there for the next one."""
    dealer = DealerSocket.connect(context, HOST, router.port)
    with trio.fail_after(60):
        dealer.send(b"ready")
        await router.receive_batch()
        for number in range(100):
            with trio.move_on_after(0.0005):
                await router.receive_batch()
                pytest.fail("nothing was sent")
            dealer.send(b"%d" % number)
            with trio.move_on_after(random.random() * 0.001):
                await router.wait_incoming()
            (incoming,) = await router.receive_batch()
            assert incoming.body == b"%d" % number


async def test_a_burst_is_drained_completely(context, router):
    """50 000 messages on one edge of the descriptor all arrive, in order."""
    count = 50_000

    def feed() -> None:
        with zmq.Context() as theirs, theirs.socket(zmq.DEALER) as socket:
            socket.setsockopt(zmq.SNDHWM, 0)
            socket.connect(f"tcp://{HOST}:{router.port}")
            for number in range(count):
                socket.send(b"%d" % number)
            socket.close(30_000)

    thread = threading.Thread(target=feed)
    thread.start()
    got = 0
    with trio.fail_after(60):
        while got < count:
            for incoming in await router.receive_batch(1000):
                assert incoming.body == b"%d" % got
                got += 1
        await trio.to_thread.run_sync(thread.join)
    assert router.statistics().received == count


@pytest.mark.parametrize("limit", [1, 64])
async def test_sends_from_other_tasks_never_eat_a_wake_up(context, router, limit):
    """While other tasks send on the same socket, the one that waits sees every message.

    A send processes libzmq's commands and so may use up the edge of the descriptor on which the waiter is parked.
    """
    clients, rounds = 8, 150
    work_send, work_receive = trio.open_memory_channel[Incoming](clients)
    finished = 0

    def client(seed: int) -> None:
        rng = random.Random(seed)
        with zmq.Context() as theirs, theirs.socket(zmq.REQ) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.RCVTIMEO, 30_000)
            socket.connect(f"tcp://{HOST}:{router.port}")
            for number in range(rounds):
                body = b"%d:%d" % (seed, number)
                socket.send(body)
                assert socket.recv() == body
                if rng.random() < 0.3:
                    time.sleep(rng.random() * 0.002)

    async def receive() -> None:
        while True:
            for incoming in await router.receive_batch(limit):
                await work_send.send(incoming)

    async def reply() -> None:
        async for incoming in work_receive:
            for _ in range(random.randrange(3)):
                await trio.lowlevel.checkpoint()
            assert incoming.body is not None
            assert router.reply(incoming.route, incoming.body)

    async def chatter() -> None:
        # Sends that nobody waits for, at any moment.
        while True:
            router.reply((b"nobody",), b"")
            await trio.lowlevel.checkpoint()

    async def run(seed: int) -> None:
        nonlocal finished
        await trio.to_thread.run_sync(client, seed, limiter=limiter)
        finished += 1
        if finished == clients:
            nursery.cancel_scope.cancel()

    limiter = trio.CapacityLimiter(clients)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            nursery.start_soon(chatter)
            for seed in range(clients):
                nursery.start_soon(reply)
                nursery.start_soon(run, seed)
    assert router.statistics().received == clients * rounds


async def test_a_limited_drain_leaves_the_rest_for_the_next_wait(context, router):
    """What a drain did not take wakes the next wait, and a task that waits already."""
    dealer = DealerSocket.connect(context, HOST, router.port)
    with trio.fail_after(30):
        for number in range(10):
            dealer.send(b"%d" % number)
        got: list[bytes | None] = []
        while len(got) < 10:
            await router.wait_incoming()
            batch = router.drain(1)
            assert len(batch) == 1
            got.append(batch[0].body)
        assert got == [b"%d" % number for number in range(10)]


async def test_two_tasks_cannot_wait_at_once(context, router, nursery):
    """The second one is refused: a message goes to one of them only."""
    nursery.start_soon(router.wait_incoming)
    await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(trio.BusyResourceError):
        await router.wait_incoming()
    nursery.cancel_scope.cancel()


async def test_closing_wakes_whoever_waits(context, router):
    """Closing is told to the waiting task, and to the next one."""
    woken = trio.Event()

    async def wait() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await router.wait_incoming()
        woken.set()

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            router.close()
            router.close()
            await woken.wait()
        with pytest.raises(trio.ClosedResourceError):
            await router.wait_incoming()


async def test_after_closing_nothing_is_sent_and_nothing_raised(context, router):
    """A reply that comes when the socket is down is unroutable; receiving is refused."""
    publisher = PubSocket.bind(context, HOST, 0)
    for each in (router, publisher):
        each.close()
    assert not router.reply((b"id", b""), b"late")
    publisher.publish(b"topic", b"late")
    assert router.statistics().unroutable == publisher.statistics().unroutable == 1
    with pytest.raises(trio.ClosedResourceError):
        router.drain()


async def test_a_socket_gets_its_port_back_at_once(context, nursery):
    """An edge that is restarted binds the port it has just left, though libzmq closes in the background."""
    port = 0
    with trio.fail_after(60):
        for _ in range(20):
            router = RouterSocket.bind(context, HOST, port)
            assert port in (0, router.port)
            port = router.port
            async with trio.open_nursery() as serving:
                serving.start_soon(answer, router)
                client = ReqSocket.connect(context, HOST, port)
                assert await client.request(b"x") == b"x"
                serving.cancel_scope.cancel()
            router.close()
            client.close()


def test_leaving_the_context_never_hangs():
    """With unsent messages to nobody, and sockets still open, closing is immediate."""
    context = ZmqContext()
    dealer = DealerSocket.connect(context, HOST, 1)
    for _ in range(100):
        dealer.send(b"x" * 1000)
    PubSocket.bind(context, HOST, 0).publish(b"t", b"x")
    start = time.monotonic()
    context.close()
    context.close()
    assert time.monotonic() - start < 10


def old_frame(body: bytes, *, more: bool = False) -> bytes:
    """A frame of ZMTP 1.0: its length with the flags, the flags, the body."""
    return bytes((len(body) + 1, more)) + body


async def said_to(port: int, sent: bytes) -> bytes:
    """What a peer that sends these bytes hears until its connection ends, which it must."""

    def speak() -> bytes:
        heard = b""
        with socket.create_connection((HOST, port), timeout=20) as peer, contextlib.suppress(ConnectionError):
            peer.sendall(sent)
            while received := peer.recv(4096):
                heard += received
        return heard

    return await trio.to_thread.run_sync(speak)


OLD = {"1.0": old_frame(b"me"), "2.0": b"\xff" + bytes(7) + b"\x01\x7f\x01\x05\x00\x00"}
"""How a peer of an old ZMTP begins."""


@pytest.mark.parametrize("version", OLD)
@pytest.mark.parametrize("kind", ["router", "pub", "sub"])
async def test_peers_older_than_zmtp_3_are_turned_away(context, kind, version):
    """Nothing that they say is heard: the body of a web page's request could be made to look like it."""
    begins = OLD[version]
    if kind == "router":
        opened = RouterSocket.bind(context, HOST, 0)
        await said_to(opened.port, begins + old_frame(b"hello"))
    elif kind == "sub":
        opened = SubSocket.bind(context, HOST, 0)
        opened.subscribe(b"")
        await said_to(opened.port, begins + old_frame(b"tick.E", more=True) + old_frame(b"{}"))
    else:
        publisher = PubSocket.bind(context, HOST, 0)
        async with trio.open_nursery() as nursery:

            async def publish() -> None:
                while True:
                    publisher.publish(b"tick.E", b"a price")
                    await trio.sleep(0.01)

            nursery.start_soon(publish)
            assert b"a price" not in await said_to(publisher.port, begins + old_frame(b"\x01"))
            nursery.cancel_scope.cancel()
        return
    assert opened.drain() == []
    assert opened.statistics().received == 0


async def test_a_request_of_a_web_page_holds_no_message(context, nursery):
    """A body that is padded so that what stands before it ends at a frame of ZMTP 1.0 comes to nothing."""
    router = RouterSocket.bind(context, HOST, 0)
    nursery.start_soon(answer, router)
    for shift in range(3):
        body = bytes((2,)) * (600 + shift) + old_frame(b"a command")
        head = f"POST /{shift}{'a' * 60} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(body)}\r\n\r\n"
        assert b"a command" not in await said_to(router.port, head.encode() + body)
    assert router.statistics().received == 0
