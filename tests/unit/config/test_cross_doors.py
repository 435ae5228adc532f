"""Doors that others reach: what they need, and what is refused."""

import pytest

from quantmind.config.secure import SecureDataEndpoint, SecureEndpoint

TLS = "tls: {certificate: a.pem, key: b.pem}"
KEY = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
CURVE = f"{{host: 10.0.0.1, port: 5558, mechanism: curve, curve_client_keys: ['{KEY}']}}"


def test_with_tls_they_may_listen_elsewhere(read):
    """With a token for each client, and names by which they may be asked."""
    config = read(
        f"gateway: {{websocket: {{host: 0.0.0.0, auth: required}}, {TLS}, "
        "rest: {host: gateway.lan, hosts: [gateway.lan]}}"
    )

    assert config.gateway.websocket.host == "0.0.0.0"
    assert config.gateway.rest.host == "gateway.lan"
    assert config.gateway.tls.key == config.path.absolute().parent / "b.pem"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tls: {certificate: a.pem}", "gateway.tls.certificate: needs gateway.tls.key too; write both, or neither"),
        ("tls: {key: a.pem}", "gateway.tls.key: needs gateway.tls.certificate too; write both, or neither"),
        (
            f"websocket: {{host: 10.0.0.1}}, {TLS}",
            (
                "gateway.websocket.host: others reach 10.0.0.1, so each client must show a token; set "
                "gateway.websocket.auth: required"
            ),
        ),
        (
            f"rest: {{host: 10.0.0.1}}, {TLS}",
            (
                "gateway.rest.host: others reach 10.0.0.1, and gateway.rest.hosts has no name by which they may ask; "
                "list "
                "there the host names and addresses that clients use"
            ),
        ),
        (
            "commands: {secure: [{host: 10.0.0.1, port: 5558, mechanism: curve}]}",
            (
                "gateway.commands.secure.1.mechanism: nobody could connect: list keys in curve_client_keys or "
                "curve_clients_dir (`quantmind keys --client NAME` makes them), or write curve_clients: any"
            ),
        ),
        (
            "commands: {secure: [{host: 10.0.0.1, port: 5558, mechanism: plain, curve_clients: any}]}",
            "gateway.commands.secure.1.curve_clients: says nothing with plain; remove it or set mechanism: curve",
        ),
        (
            f"commands: {{secure: [{CURVE[:-1]}, curve_clients: any}}]}}",
            (
                "gateway.commands.secure.1.curve_clients: any lets in every client, and keys are listed as well; "
                "remove "
                "one of them"
            ),
        ),
        (
            "data: {secure: [{host: 10.0.0.1, port: 5558, mechanism: plain, serves: ingest}]}",
            (
                "gateway.data.secure.1.serves: no enabled broker has a feed of type ingest; give one such a feed, or "
                "remove this endpoint"
            ),
        ),
        (
            "commands: {secure: [{host: 127.0.0.1, port: 8765, mechanism: plain}]}",
            (
                "gateway.commands.secure.1.port: port 8765 on 127.0.0.1 is also that of gateway.websocket.port by "
                "default; "
                "give each its own, or 0 for a free one"
            ),
        ),
        (
            "commands: {secure: [{host: 0.0.0.0, port: 5555, mechanism: plain}]}",
            (
                "gateway.commands.secure.1.port: port 5555 on 0.0.0.0 is also that of gateway.commands.port by "
                "default; "
                "give each its own, or 0 for a free one"
            ),
        ),
        (
            "commands: {secure: [{host: 10.0.0.1, port: 5558}]}",
            'gateway.commands.secure.1: the key "mechanism" is missing; it must be plain or curve',
        ),
        (
            "commands: {secure: [{host: 10.0.0.1, port: 5558, mechanism: 'null'}]}",
            'gateway.commands.secure.1.mechanism: must be plain or curve, was "null"',
        ),
    ],
)
def test_what_is_refused_and_the_way_out(report, text, expected):
    """Each says what to write instead."""
    assert report(f"gateway: {{{text}}}") == [f"1: {expected}"]


def test_ticks_come_in_by_plain_only(report):
    """A key names no broker."""
    endpoint = "{host: 10.0.0.1, port: 5558, mechanism: curve, curve_clients: any, serves: ingest}"
    (fault,) = report(
        f"gateway: {{data: {{secure: [{endpoint}]}}}}\nbrokers: {{demo: {{type: mt5_mock, feed: {{type: ingest}}}}}}"
    )

    assert fault.startswith("1: gateway.data.secure.1.serves: ticks come in by plain only")


def test_endpoints_are_read(read):
    """Several of each kind."""
    config = read(
        f"""
        gateway:
          commands: {{secure: [{CURVE}, {{host: 10.8.0.1, port: 0, mechanism: plain}}]}}
          data: {{secure: [{{host: 10.8.0.1, port: 0, mechanism: curve, curve_clients: any}}]}}
        """
    )

    curve, plain = config.gateway.commands.secure
    assert curve == SecureEndpoint(host="10.0.0.1", port=5558, mechanism="curve", curve_client_keys=(KEY,))
    assert plain.mechanism == "plain"
    (data,) = config.gateway.data.secure
    assert data == SecureDataEndpoint(host="10.8.0.1", port=0, mechanism="curve", curve_clients="any")
    assert data.serves == "publish"
