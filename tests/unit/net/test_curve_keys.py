"""Files of CURVE keys."""

import os
from pathlib import Path

import pytest
import zmq.auth
from zmq.utils import z85 as zmq_z85

from quantmind.config.secure import SecureEndpoint
from quantmind.domain.tokens import digest_of
from quantmind.edges.secure import AllowedKeys, TokenJudge, key_judge
from quantmind.net.curve_keys import (
    CurvePair,
    KeyTrouble,
    is_key,
    read_folder,
    read_public,
    read_secret,
    write_public,
    write_secret,
    z85,
)
from quantmind.net.zap import Denied, Granted, ZapRequest
from quantmind.net.zmq import curve_pair, curve_public
from quantmind.wire.auth import Authenticator, Identity


@pytest.fixture
def pair():
    return CurvePair(*curve_pair())


def test_pyzmq_reads_what_we_write_and_we_what_it_writes(pair, tmp_path):
    """The form is libzmq's own."""
    write_secret(tmp_path / "ours.key_secret", pair)
    assert zmq.auth.load_certificate(tmp_path / "ours.key_secret") == (pair.public.encode(), pair.secret.encode())

    public_file, secret_file = zmq.auth.create_certificates(tmp_path, "theirs")
    Path(secret_file).chmod(0o600)
    public, secret = zmq.auth.load_certificate(secret_file)
    assert read_public(tmp_path / "theirs.key") == public.decode()
    assert read_secret(tmp_path / "theirs.key_secret") == secret.decode()
    assert curve_public(secret.decode()) == public.decode()
    assert public_file


def test_z85_is_that_of_pyzmq():
    """Over many keys, with every character."""
    for _ in range(50):
        raw = os.urandom(32)
        assert z85(raw) == zmq_z85.encode(raw).decode()
        assert is_key(z85(raw))
    assert not is_key("x" * 39)
    assert not is_key("é" * 40)
    assert not is_key('"' * 40)


def test_public_keys_can_stand_in_a_configuration(pair):
    """`$` would begin a variable."""
    assert not any("$" in curve_pair()[0] for _ in range(50))


@pytest.mark.skipif(os.name != "posix", reason="there are no such modes")
def test_a_secret_key_is_its_owner_s_alone(pair, tmp_path):
    """Written so, and refused otherwise."""
    file = tmp_path / "server.key_secret"
    write_secret(file, pair)
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o640)
    with pytest.raises(KeyTrouble, match=r"may be read by others; run: chmod 600 .*server\.key_secret"):
        read_secret(file)


def test_files_that_are_no_good(pair, tmp_path):
    """The text names the file."""
    with pytest.raises(KeyTrouble, match="`quantmind keys` makes it"):
        read_secret(tmp_path / "missing.key_secret")
    (tmp_path / "bad.key").write_text('public-key = "short"')
    with pytest.raises(KeyTrouble, match=r"bad\.key has no line public-key"):
        read_folder(tmp_path)
    write_public(tmp_path / "good.key", pair.public)
    with pytest.raises(KeyTrouble, match="never overwritten"):
        write_public(tmp_path / "good.key", pair.public)
    assert pair.secret not in repr(pair)


def endpoint(**given):
    return SecureEndpoint(host="10.0.0.1", port=0, mechanism="curve", **given)


def test_keys_of_a_folder_come_and_go(pair, tmp_path):
    """One that can't be read any more lets in whom it let in, and says so."""
    other = CurvePair(*curve_pair())
    allowed = AllowedKeys.of(endpoint(curve_client_keys=(other.public,), curve_clients_dir=tmp_path))
    assert allowed.allows(other.public)
    assert not allowed.allows(pair.public)

    write_public(tmp_path / "new.key", pair.public)
    assert allowed.allows(pair.public)
    (tmp_path / "bad.key").write_text("nothing")
    assert allowed.allows(pair.public)
    assert "bad.key" in allowed.status()["problem"]
    (tmp_path / "bad.key").unlink()
    (tmp_path / "new.key").unlink()
    assert not allowed.allows(pair.public)
    assert allowed.status() == {"allowed": 1, "problem": None}


def test_any_lets_in_every_key(pair):
    """Said by name."""
    assert AllowedKeys.of(endpoint(curve_clients="any")).allows(pair.public)


def test_a_folder_that_is_not_there_is_told_at_the_start(tmp_path):
    """Not at the first client."""
    with pytest.raises(KeyTrouble, match="missing"):
        AllowedKeys.of(endpoint(curve_clients_dir=tmp_path / "missing"))


def test_judges_look_at_the_mechanism_first(pair):
    """Credentials of another mechanism prove nothing."""
    judge = key_judge(AllowedKeys.of(endpoint(curve_clients="any")))
    assert judge(ZapRequest("d", "1.2.3.4", "PLAIN", (b"ea", b"x"))) == Denied("wrong_mechanism")
    assert judge(ZapRequest("d", "1.2.3.4", "NULL", ())) == Denied("wrong_mechanism")
    assert judge(ZapRequest("d", "1.2.3.4", "CURVE", (b"short",))) == Denied("wrong_mechanism")
    assert judge(ZapRequest("d", "1.2.3.4", "CURVE", (bytes(32),))) == Granted("curve")


def test_a_token_needs_the_scope_of_its_user():
    """The name under which it is remembered tells nothing of it."""
    scopes = {"ea": ("ea",), "bridge": ("bridge",)}
    judge = TokenJudge(Authenticator({"reads": ("a", frozenset({"read"})), "trades": ("b", frozenset({"ea"}))}), scopes)

    def said(user, token):
        return judge(ZapRequest("d", "1.2.3.4", "PLAIN", (user, token)))

    assert said(b"ea", b"reads") == Denied("no_scope_ea")
    assert said(b"bridge", b"trades") == Denied("no_scope_bridge")
    assert said(b"owner", b"trades") == Denied("unknown_user")
    assert said(b"ea", b"\xff") == Denied("unknown_token")
    granted = said(b"ea", b"trades")
    assert isinstance(granted, Granted)
    assert "trades" not in granted.user
    assert judge.token_of(granted.user) == "trades"
    assert judge.token_of("somebody") is None


def plain(password, address="10.0.0.9", user=b"ea"):
    return ZapRequest("d", address, "PLAIN", (user, password))


def test_guessing_at_a_plain_endpoint():
    """After ten wrong tokens an address is not let in for a while and may try again; a long right token is."""
    long = "qm_" + "k" * 43
    known = Authenticator({long: ("a", frozenset({"ea"})), "short": ("b", frozenset({"ea"}))})
    judge = TokenJudge(known, {"ea": ("ea",)})
    verdicts = [judge(plain(b"guess")) for _ in range(11)]
    assert verdicts == [Denied("unknown_token")] * 10 + [Denied("too_many_wrong", again=True)]
    assert judge(plain(b"short")) == Denied("too_many_wrong", again=True)
    assert isinstance(judge(plain(long.encode())), Granted)
    assert isinstance(judge(plain(b"short", "10.0.0.10")), Granted)
    assert known.denials == {("zmq", "unknown_token", ""): 10, ("zmq", "too_many_wrong", ""): 2}


def test_a_token_of_one_broker_and_what_is_published_of_all():
    """It is let in where it reaches each of them, and counted where it does not."""
    one = Identity("one", frozenset({"read"}), brokers=frozenset({"demo"}), digest=digest_of("one"))
    known = Authenticator({}, identities=[one])
    assert TokenJudge(known, {"ea": ("read",)}, ("demo", "other"))(plain(b"one")) == Denied("token_of_another_broker")
    assert known.denials == {("zmq", "token_of_another_broker", "one"): 1}
    assert isinstance(TokenJudge(known, {"ea": ("read",)}, ("demo",))(plain(b"one")), Granted)
    assert isinstance(TokenJudge(known, {"ea": ("read",)})(plain(b"one")), Granted)
