"""The certificate of our doors: what is no good, in words, and what is renewed on disk."""

import os
import subprocess
import time

import pytest
import trio
from certificates import Authority, needs_openssl

from quantmind.net import certificates
from quantmind.net.certificates import Certificates, CertificateTrouble, load_certificate

pytestmark = needs_openssl

NO_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
NO_KEY = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority.make(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def issued(authority):
    return authority.issue()


def test_a_good_one(issued):
    """When it ends and whom it is for are known."""
    loaded = load_certificate(issued.certificate, issued.key)

    assert loaded.names == ("localhost", "127.0.0.1")
    assert 89 < (loaded.not_after - time.time()) / 86_400 <= 90
    assert loaded.warnings == ()


def test_one_file_may_hold_both(issued, tmp_path):
    """As some tools write it."""
    both = tmp_path / "both.pem"
    both.write_bytes(issued.key.read_bytes() + issued.certificate.read_bytes())
    both.chmod(0o600)

    assert load_certificate(both, both).warnings == ()


@pytest.mark.parametrize(
    ("certificate", "key", "expected"),
    [
        ("missing", "good key", "missing is not there; gateway.tls names it as the certificate"),
        ("good", "missing", "missing is not there; gateway.tls names it as the private key"),
        ("good key", "good key", "holds no certificate in PEM; one has a line with BEGIN CERTIFICATE"),
        ("good", "good", "holds no private key in PEM; one has a line with PRIVATE KEY"),
        ("damaged", "good key", "damaged is damaged: its certificate can't be read"),
        ("good", "damaged key", "damaged key is damaged: its key can't be used"),
        ("good", "other key", "other-key.pem does not fit the certificate in"),
        ("good", "locked key", "locked with a passphrase"),
        ("old", "old key", "old.pem has expired; renew it"),
        ("client", "client key", "client.pem is not for servers"),
        ("folder", "good key", "folder can't be read"),
    ],
)
def test_what_is_no_good_names_the_file_and_why(authority, issued, tmp_path, certificate, key, expected):
    """So that nobody has to guess which of the two it is."""
    files = {"good": issued.certificate, "good key": issued.key}
    for name, more in (("other", {}), ("old", {"days": -1}), ("client", {"usage": "clientAuth"})):
        if name in certificate + key:
            made = authority.issue(name, **more)
            files[name], files[f"{name} key"] = made.certificate, made.key
    for name in ("missing", "damaged", "damaged key", "locked key", "folder"):
        files[name] = tmp_path / name
    files["damaged"].write_text(NO_CERTIFICATE)
    files["damaged key"].write_text(NO_KEY)
    files["folder"].mkdir()
    if key == "locked key":
        locking = ["openssl", "pkey", "-in", str(issued.key), "-aes256", "-passout", "pass:x"]
        subprocess.run([*locking, "-out", str(files[key])], check=True, timeout=60)

    with pytest.raises(CertificateTrouble) as caught:
        load_certificate(files[certificate], files[key])
    assert expected in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="there are no such modes")
def test_a_key_that_everybody_may_read_is_warned_of(issued):
    """It works all the same."""
    issued.key.chmod(0o644)
    (warning,) = load_certificate(issued.certificate, issued.key).warnings

    assert f"run: chmod 600 {issued.key}" in warning


def test_a_renewed_one_is_taken(authority, issued):
    """For the connections that come; looking again changes nothing."""
    used = Certificates.open(issued.certificate, issued.key)
    first = used.context
    assert not used.look()

    authority.issue(names="DNS:renewed.example")
    assert used.look()
    assert used.context is not first
    assert used.status()["names"] == ["renewed.example"]
    assert (used.status()["renewed"], used.status()["problem"]) == (1, None)
    assert not used.look()


def test_a_broken_new_one_keeps_the_old(authority, issued):
    """Until it is whole: a renewal writes one file after the other."""
    used = Certificates.open(issued.certificate, issued.key)
    first = used.context
    old_key = issued.key.read_bytes()
    authority.issue()
    new_key = issued.key.read_bytes()
    issued.key.write_bytes(old_key)

    assert not used.look()
    assert used.context is first
    assert "does not fit" in used.status()["problem"]

    issued.key.unlink()
    assert not used.look()
    assert "is not there" in used.status()["problem"]

    issued.key.write_bytes(new_key)
    assert used.look()
    assert used.status()["problem"] is None


async def test_it_looks_by_itself(authority, issued, monkeypatch):
    """Every so often, without a signal."""
    monkeypatch.setattr(certificates, "LOOK_EVERY_S", 0.01)
    used = Certificates.open(issued.certificate, issued.key)
    authority.issue(names="DNS:renewed.example")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(used.watch)
        with trio.fail_after(10):
            while used.renewed == 0:
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()


def test_the_end_is_warned_of(authority, caplog):
    """Two weeks before."""
    issued = authority.issue("soon", days=3)
    Certificates.open(issued.certificate, issued.key)

    assert "end.certificate" in caplog.text
