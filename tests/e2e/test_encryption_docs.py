"""What docs/encryption.md shows does what the page says."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from certificates import needs_openssl

from quantmind.config import loads
from quantmind.net.certificates import load_certificate
from quantmind.net.trust import client_context

PAGE = Path(__file__).parents[2] / "docs" / "encryption.md"


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@needs_openssl
@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no sh")
def test_the_commands_make_a_certificate_that_clients_trust(tmp_path):
    """The strictest of them too: newer Pythons look at each extension."""
    (commands,) = (block for block in blocks("sh") if block.startswith("openssl"))
    subprocess.run(["sh", "-e", "-c", commands], cwd=tmp_path, check=True, capture_output=True, timeout=60)

    loaded = load_certificate(tmp_path / "gateway.pem", tmp_path / "gateway-key.pem")
    assert loaded.names == ("gateway.lan", "localhost", "127.0.0.1")
    assert loaded.warnings == ()
    trust = client_context(tmp_path / "ca.pem")
    trust.verify_flags |= ssl.VERIFY_X509_STRICT
    server, client = socket.socketpair()

    def serve():
        loaded.context.wrap_socket(server, server_side=True).close()

    thread = threading.Thread(target=serve)
    thread.start()
    with trust.wrap_socket(client, server_hostname="gateway.lan") as secured:
        assert secured.version() == "TLSv1.3"
        secured.recv(1)
    thread.join()


def test_the_configurations_are_right(tmp_path):
    """As they stand, with a broker that takes ticks."""
    broker = "brokers: {demo: {type: mt5_mock, feed: {type: ingest}}}\n"
    first, second = blocks("yaml")
    assert loads(first + broker, name=str(tmp_path / "b.yaml"), environ={}).gateway.rest.host == "0.0.0.0"
    config = loads(second + broker, name=str(tmp_path / "b.yaml"), environ=dict(os.environ))
    assert len(config.gateway.commands.secure) == 2
    assert config.gateway.data.secure[2].serves == "ingest"


@pytest.mark.parametrize("block", blocks("python"))
def test_the_python_compiles(block):
    """It is run, with real addresses, in test_secure_endpoints."""
    compile(block, "encryption.md", "exec")
