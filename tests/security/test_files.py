"""Files that are read or made: bombs, names that lead elsewhere, folders and files that others may write."""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gateway_process
import pytest
from gateway_process import TOKEN, GatewayProcess, done, running, until, write_config
from sample_recordings import NAMES, SAMPLES, read_all, recording
from security.attacker import CLOSE, HOST, request, spoken, status_of, token_header
from security.conftest import WALK

from quantmind.adapters.calendar_file import look_once
from quantmind.adapters.mock import ReplayError
from quantmind.adapters.state_folder import StateFolder
from quantmind.adapters.token_file import TokenStore
from quantmind.cli import main
from quantmind.config import ConfigError, loads, presets
from quantmind.config.token_file import parse_tokens
from quantmind.errors import EXIT_UNAVAILABLE, EXIT_USAGE, StartError

MIB = 1024 * 1024
FILLING = (b" " * 127 + b"\n") * (64 * MIB // 128)
posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")

# --- YAML -------------------------------------------------------------------------------------------------------------

LAUGHS = "a0: &a0 [lol, lol]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
YAML_BOMBS = {
    "a billion laughs": (LAUGHS, "more than 10000 values"),
    "itself": ("a: &a [*a]\n", "stands inside what it repeats"),
    "deep flow": ("a: " + "[" * 500_000, "nested deeper than 32 levels"),
    "deep blocks": ("- " * 500_000, "nested deeper than 32 levels"),
    "a huge value": ("a: " + "x" * 2 * MIB, "at most 1048576 are read"),
    "many keys": ("".join(f"k{n}: 1\n" for n in range(20_000)), "more than 10000 values"),
    "a key twice": ("tokens: {}\ntokens: {}\n", "written twice"),
    "an object": ("tokens: !!python/object/apply:os.mkdir [made-by-yaml]\n", "a tag"),
    "a module": ("tokens: !!python/module:antigravity x\n", "a tag"),
    "a new object": ("tokens: !!python/object/new:os.system [touch made-by-yaml]\n", "a tag"),
    "two documents": ("tokens: {}\n---\ntokens: {}\n", "second document"),
}


def of_configuration(text: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    return loads(text, name="brokers.yaml", environ={})


def of_tokens(text: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    return parse_tokens(text, "tokens.yaml")


def of_presets(text: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    class Folder:
        def __truediv__(self, _: str) -> Folder:
            return self

        def read_bytes(self) -> bytes:
            return text.encode()

    monkeypatch.setattr(presets, "files", lambda _: Folder())
    monkeypatch.setattr(presets, "preset_names", lambda: ("evil",))
    return presets.preset("evil")


@pytest.mark.parametrize("bomb", YAML_BOMBS)
@pytest.mark.parametrize("read", [of_configuration, of_tokens, of_presets])
def test_a_yaml_bomb_is_a_fault(
    read: Callable[[str, pytest.MonkeyPatch], Any], bomb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every file that is YAML: it is refused before it grows, and makes no object and no file."""
    monkeypatch.chdir(tmp_path)
    text, why = YAML_BOMBS[bomb]
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError, match=why):
            read(text, monkeypatch)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 64 * MIB
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bomb", YAML_BOMBS)
def test_a_bomb_in_place_of_the_tokens_takes_nothing_away(bomb: str, tmp_path: Path) -> None:
    """Neither the gateway nor the command takes it for tokens, and the command changes nothing."""
    store = TokenStore(tmp_path)
    store.path.write_text(YAML_BOMBS[bomb][0], encoding="utf-8")
    store.path.chmod(0o600)
    with pytest.raises(StartError, match="nothing was changed"):
        store.read()


@posix
def test_an_endless_file_of_tokens_is_not_read_to_its_end(tmp_path: Path) -> None:
    """It may be a device: a byte more than may be is enough to know."""
    TokenStore(tmp_path).path.symlink_to("/dev/zero")
    with pytest.raises(StartError, match="at most 1048576 are read"):
        TokenStore(tmp_path).read()


# --- JSON, gzip, zip --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [b"[" * 4 * MIB, b'{"events":' * MIB, b"[" + b"9" * 4 * MIB + b"]", b"x" * 9 * MIB, b"[1E+999999999]"]
)
def test_a_calendar_that_is_a_bomb_is_refused(tmp_path: Path, data: bytes) -> None:
    """With a reason, and there is no calendar."""
    path = tmp_path / "news.json"
    path.write_bytes(data)
    reading = look_once(path)
    assert reading.error
    assert reading.calendar is None


def packings(data: bytes, name: str) -> dict[str, bytes]:
    """Packed in every way that is read, and in some that are not."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, data)
    return {"gzip": gzip.compress(data), "zip": buffer.getvalue(), "gzip of gzip": gzip.compress(gzip.compress(data))}


@pytest.mark.parametrize("form", SAMPLES)
@pytest.mark.parametrize("packing", ["gzip", "zip", "gzip of gzip"])
def test_a_packed_bomb_costs_little(tmp_path: Path, form: str, packing: str) -> None:
    """In every format: 64 MiB that came of some KiB are refused, after a few MiB of memory and no byte on the disk."""
    name = NAMES.get(form, "EURUSD.csv")
    data = SAMPLES[form] + FILLING
    path = tmp_path / f"{name}.gz"
    path.write_bytes(packings(data, name)[packing])
    tracemalloc.start()
    try:
        with pytest.raises(ReplayError) as refused:
            _, _, reader = read_all(recording(path), limit=1000)
            raise reader.error or AssertionError("it was read")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert str(path) in str(refused.value)
    assert most < 32 * MIB  # an hour of Dukascopy is one object, and has 16 MiB at most
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["../../evil.csv", "/tmp/evil.csv", "..\\..\\evil.csv", "C:\\evil.csv", "a/../b.csv"])
def test_a_name_in_an_archive_makes_no_file(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read as a stream: nothing is ever unpacked to where its name leads."""
    folder = tmp_path / "in" / "side"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    path = folder / "EURUSD.zip"
    path.write_bytes(packings(SAMPLES["quantmind"], name)["zip"])
    quotes, _, reader = read_all(recording(path), limit=1000)
    assert reader.error is None
    assert len(quotes) == 4
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == [path]


def test_check_tells_of_a_bomb_and_ends(tmp_path: Path) -> None:
    """What a person runs before a start says so in bounded time, and with the file's name."""
    path = tmp_path / "eurusd.csv.gz"
    path.write_bytes(gzip.compress(FILLING))
    broker = {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": {"type": "replay", "path": str(path)}}
    ran = gateway_process.quantmind(write_config(tmp_path, {"demo": broker}), "check", token=None)
    assert ran.returncode == EXIT_USAGE
    assert str(path) in ran.stderr
    assert "Traceback" not in ran.stderr


# --- names that lead elsewhere ----------------------------------------------------------------------------------------

ELSEWHERE = ["../evil", "..", ".", "a/b", "a\\b", "/etc/passwd", "a\0b", "a\nb", "", "x" * 200]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_brokers_name_makes_no_path(name: str) -> None:
    """The paper account's file is named after it, so it has letters, digits, _ and - only."""
    with pytest.raises(ConfigError):
        loads(json.dumps({"brokers": {name: WALK}}), name="brokers.yaml", environ={})


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_keys_name_makes_no_path(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Keys are files named after their client."""
    with pytest.raises(SystemExit):
        main(["keys", "--out", str(tmp_path / "keys"), "--client", name])
    assert "a client's name has" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [each for each in ELSEWHERE if each not in ("..", ".")])
def test_a_tokens_name_makes_no_path(name: str, tmp_path: Path) -> None:
    """It is a key in a file and never a file's name; what is no name is refused."""
    config = write_config(tmp_path, {"demo": WALK})
    assert main(["token", "add", name, "--scope", "read", "--config", str(config)]) == EXIT_USAGE
    assert {each.name for each in tmp_path.rglob("*") if each.is_file()} <= {"brokers.yaml", "tokens.lock"}


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/static/../../etc/passwd",
        "//etc/passwd",
        "/commands/../../../etc/passwd",
        "/commands/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/orders/..%2f..%2fetc%2fpasswd",
        "/bars/..%2f..%2fetc%2fpasswd",
        "/ticks/..%5c..%5cwindows%5cwin.ini",
        "/account?broker=..%2f..%2fetc%2fpasswd",
        "/journal?order_id=..%2f..%2ftoken",
        "/symbols?match=..%2f*",
        "/risk?broker=%00",
        "/state?broker=%2fetc%2fpasswd",
        "/token",
        "/journal.sqlite3",
    ],
)
def test_no_path_of_rest_leads_to_a_file(gateway: GatewayProcess, path: str) -> None:
    """There is no file behind any route: what looks like one is an error or an empty list."""
    answer = spoken(gateway.port("rest"), request(f"GET {path}".encode(), HOST, token_header(TOKEN), CLOSE))
    assert status_of(answer) in (200, 404, 422)
    assert status_of(answer) != 200 or b'"items":[]' in answer
    assert b"root:" not in answer
    assert TOKEN.encode() not in answer


# --- the state folder -------------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775, 0o702])
def test_a_folder_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    """By the gateway and by `quantmind token`: others could put tokens there, or links. Nothing is written first."""
    folder = tmp_path / "state"
    folder.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("mine", encoding="utf-8")
    for name in ("addresses.json.new", "lock", "tokens.lock", f".probe-{os.getpid()}"):
        (folder / name).symlink_to(victim)
    folder.chmod(mode)
    with pytest.raises(StartError, match=r"others may write in the folder .* run: chmod go-w") as refused:
        StateFolder.open(folder)
    assert refused.value.exit_code == EXIT_UNAVAILABLE
    with pytest.raises(StartError, match="others may write"), TokenStore(folder).changing():
        raise AssertionError("it was let in")
    assert victim.read_text(encoding="utf-8") == "mine"
    folder.chmod(0o755)
    assert StateFolder.open(folder).path == folder


@posix
def test_a_start_in_a_folder_of_others_says_what_to_do(tmp_path: Path) -> None:
    """The same from outside."""
    config = write_config(tmp_path, {"demo": WALK})
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o777)
    ran = gateway_process.quantmind(config, "run")
    assert ran.returncode == EXIT_UNAVAILABLE
    assert "run: chmod go-w" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert list((tmp_path / "state").iterdir()) == []


@posix
def test_what_a_gateway_writes_is_its_owners(tmp_path: Path) -> None:
    """Every file, also in a folder that others may look into, and whatever the umask was."""
    config = write_config(tmp_path, {"demo": {**WALK, "persist": True}})
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(0o755)
    before = os.umask(0)
    try:
        with running(config) as gateway:
            order = {"symbol": "EURUSD", "action_type": "BUY", "volume": 0.01}
            until(lambda: gateway.post("/trade", order)[0] == 200)
            done(config, "state")
            modes = modes_in(folder)
            assert {"lock", "journal.sqlite3", "paper-demo.sqlite3"} <= set(modes)
    finally:
        os.umask(before)
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}


@posix
def test_a_folder_that_is_made_is_its_owners(tmp_path: Path) -> None:
    """Nobody else may look into it, and its token is its owner's to read."""
    before = os.umask(0)
    try:
        folder = StateFolder.open(tmp_path / "made" / "state")
        token = folder.token()
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert modes_in(folder.path) == {"token": 0o600}
    assert len(token) >= 43


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_token_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    """Who could read it has it, and who could write it chose it."""
    folder = StateFolder.open(tmp_path / "state")
    folder.token()
    folder.token_file.chmod(mode)
    with pytest.raises(StartError, match="chmod 600"):
        folder.token()


@posix
def test_a_link_in_place_of_the_token_is_not_written_through(tmp_path: Path) -> None:
    """A link to nothing makes no file where it leads."""
    folder = StateFolder.open(tmp_path / "state")
    folder.token_file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StartError, match="can't be read"):
        folder.token()
    assert not (tmp_path / "elsewhere").exists()


@posix
def test_a_link_in_place_of_the_tokens_is_not_written_through(tmp_path: Path) -> None:
    """The file is replaced, and what the link led to stays."""
    store = TokenStore(tmp_path / "state")
    with store.changing():
        victim = tmp_path / "victim"
        victim.write_text("tokens: {}\n", encoding="utf-8")
        store.path.symlink_to(victim)
        store.write({})
    assert victim.read_text(encoding="utf-8") == "tokens: {}\n"
    assert not store.path.is_symlink()
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def modes_in(folder: Path) -> dict[str, int]:
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.rglob("*") if each.is_file()}
