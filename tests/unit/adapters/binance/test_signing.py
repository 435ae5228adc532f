"""Signatures: the published vectors, and that what goes over the wire is what was signed."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from quantmind.adapters.binance.signing import (
    Ed25519Signer,
    HmacSigner,
    RsaSigner,
    query,
    read_signer,
    signed_params,
    signed_query,
    signer_of,
    text_of,
)
from quantmind.errors import StartError

ROOT = Path(__file__).resolve().parents[4]
DATA = Path(os.environ.get("QUANTMIND_DATA") or ROOT.parent / "shared" / "data")
VECTORS = DATA.parent / "facts" / "binance_examples" / "signing_vectors.json"
SECRET = "hush-this-is-the-secret"
SIGNER = HmacSigner("the-api-key", SECRET)

# RFC 8032, section 7.1, tests 1 to 3: seed, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
            "655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
            "b00d291612bb0c00"
        ),
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
            "c027beceea1ec40a"
        ),
    ),
]


def pem_of(private, encryption=None) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        encryption or serialization.NoEncryption(),
    )


def test_published_vectors() -> None:
    """Binance's own examples are signed as its documentation says, also one with a symbol in Chinese."""
    if not VECTORS.is_file():
        pytest.skip(f"the facts are not there: {VECTORS}; set QUANTMIND_DATA to the data folder beside them")
    for vector in json.loads(VECTORS.read_text(encoding="utf-8"))["hmac"]:
        signer = HmacSigner("key", vector["secret"])
        assert signer.sign(vector["payload"].encode()) == vector["signature"]
        params = dict(parse_qsl(vector["payload"]))
        assert query(params) == vector["payload"]


@pytest.mark.parametrize(("seed", "message", "signature"), RFC_8032)
def test_ed25519_vectors(seed: str, message: str, signature: str) -> None:
    """The vectors of RFC 8032, in base64."""
    signer = Ed25519Signer("key", Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)))
    assert base64.b64decode(signer.sign(bytes.fromhex(message))).hex() == signature


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
VALUES = st.one_of(
    TEXTS, st.booleans(), st.integers(), st.decimals(allow_nan=False, allow_infinity=False, places=8).map(Decimal)
)
PARAMS = st.dictionaries(
    TEXTS.filter(lambda name: name and name not in {"timestamp", "recvWindow", "signature", "apiKey"}),
    VALUES,
    max_size=8,
)


@given(PARAMS)
def test_what_is_sent_is_signed(params: dict[str, object]) -> None:
    """The signature is of what stands before it in the query string, byte for byte, and the rest reads back."""
    sent = signed_query(SIGNER, params, 1_700_000_000_123, 5000)
    payload, _, signature = sent.rpartition("&signature=")
    assert unquote(signature) == SIGNER.sign(payload.encode())
    assert payload.isascii()
    read = parse_qsl(payload, keep_blank_values=True, strict_parsing=True)
    told = [(name, text_of(value)) for name, value in params.items()]
    assert read == [*told, ("timestamp", "1700000000123"), ("recvWindow", "5000")]


def test_signature_in_base64_is_encoded() -> None:
    """Plus, slash and equals sign of a signature in base64 do not go over the wire as they are."""
    signer = Ed25519Signer("key", Ed25519PrivateKey.from_private_bytes(bytes(32)))
    for number in range(50):
        sent = signed_query(signer, {"a": number}, 1, 5000)
        payload, _, signature = sent.rpartition("&signature=")
        assert not set(signature) & set("+/=")
        assert unquote(signature) == signer.sign(payload.encode())


@given(PARAMS)
def test_websocket_parameters(params: dict[str, object]) -> None:
    """The payload is sorted by name and has the key; numbers and truth values stay what they are in JSON."""
    sent = signed_params(SIGNER, params, 1_700_000_000_123, 5000)
    signature = sent.pop("signature")
    words = {name: value if isinstance(value, str) else json.dumps(value) for name, value in sent.items()}
    payload = "&".join(f"{name}={words[name]}" for name in sorted(words))
    assert signature == SIGNER.sign(payload.encode())
    assert sent["apiKey"] == "the-api-key"
    assert (sent["timestamp"], sent["recvWindow"]) == (1_700_000_000_123, 5000)
    assert list(sent)[:-3] == list(params)


def test_published_websocket_vector() -> None:
    """The documentation's own example of an order over the WebSocket API, with the key that it shows."""
    signer = HmacSigner(
        "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
        "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j",
    )
    order = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01000000",
        "price": "52000.00",
        "newOrderRespType": "ACK",
    }
    sent = signed_params(signer, order, 1645423376532, 100)
    assert sent["signature"] == "cc15477742bd704c29492d96c7ead9414dfd8e0ec4a00f947bb5bb454ddbd08a"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-8"), "0.00000001"),
        (Decimal("0.10"), "0.10"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        ("GTC", "GTC"),
    ],
)
def test_values(value: object, text: str) -> None:
    """Decimals are written out, truth values in words."""
    assert text_of(value) == text


@pytest.mark.parametrize("value", [1.5, None, b"x", ["a"]])
def test_other_values(value: object) -> None:
    """A float never becomes a price, and None is no parameter."""
    with pytest.raises(TypeError, match=type(value).__name__):
        query({"a": value})


def test_not_finite() -> None:
    """What is no number is not sent."""
    with pytest.raises(ValueError, match="NaN"):
        text_of(Decimal("NaN"))


@pytest.mark.parametrize("name", ["timestamp", "recvWindow", "signature", "apiKey"])
def test_names_of_ours(name: str) -> None:
    """What is added when it is signed is not given as a parameter."""
    with pytest.raises(ValueError, match=name):
        signed_query(SIGNER, {name: 1}, 1, 5000)
    with pytest.raises(ValueError, match=name):
        signed_params(SIGNER, {name: 1}, 1, 5000)


def test_nothing_is_shown() -> None:
    """Neither key nor secret is in the repr of a signer."""
    shown = [repr(SIGNER), str(SIGNER), repr(Ed25519Signer("the-api-key", Ed25519PrivateKey.generate()))]
    assert not [text for text in shown if SECRET in text or "the-api-key" in text]


def test_key_files(tmp_path: Path) -> None:
    """The key in the file says how it signs."""
    path = tmp_path / "key.pem"
    path.write_bytes(pem_of(Ed25519PrivateKey.generate()))
    assert isinstance(read_signer("key", path), Ed25519Signer)
    private = rsa.generate_private_key(65537, 2048)
    path.write_bytes(pem_of(private))
    signer = read_signer("key", path)
    assert isinstance(signer, RsaSigner)
    signature = base64.b64decode(signer.sign(b"payload"))
    private.public_key().verify(signature, b"payload", padding.PKCS1v15(), hashes.SHA256())


def test_faulty_key_files(tmp_path: Path) -> None:
    """What can't be used is named with its file and the way out, and nothing of what it holds is shown."""
    path = tmp_path / "key.pem"
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    faults = {
        b"": "no private key",
        b"SECRETWORDS": "no private key",
        b"x" * 70_000: "larger than",
        public: "public key",
        pem_of(ec.generate_private_key(ec.SECP256R1())): "type EC",
        pem_of(private, serialization.BestAvailableEncryption(b"x")): "passphrase",
    }
    for held, why in faults.items():
        path.write_bytes(held)
        with pytest.raises(StartError, match=why) as raised:
            read_signer("key", path)
        assert str(path) in str(raised.value)
        assert "SECRETWORDS" not in str(raised.value)
    with pytest.raises(StartError, match=r"is not there.*openssl"):
        read_signer("key", tmp_path / "none.pem")
    with pytest.raises(StartError, match="can't be read"):
        read_signer("key", tmp_path)


PEM = pem_of(Ed25519PrivateKey.from_private_bytes(bytes(32)))


@given(st.binary(max_size=200) | st.tuples(st.integers(0, len(PEM)), st.integers(0, len(PEM)), st.binary(max_size=4)))
def test_any_key_file(held: bytes | tuple[int, int, bytes]) -> None:
    """Whatever the file holds, it is a key that signs, or a fault in words."""
    pem = held if isinstance(held, bytes) else PEM[: held[0]] + held[2] + PEM[held[1] :]
    with contextlib.suppress(StartError):
        assert signer_of("key", pem, Path("key.pem")).sign(b"payload")
