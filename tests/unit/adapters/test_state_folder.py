"""The state folder: one gateway at a time, a token of its own, and a disk that may be full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quantmind.adapters.state_folder import StateFolder
from quantmind.errors import EXIT_UNAVAILABLE, StartError

HOLDER = """
import sys
from pathlib import Path
from quantmind.adapters.state_folder import StateFolder
folder = StateFolder.open(Path(sys.argv[1]))
with folder.held():
    folder.write_addresses({})
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_kept_out_until_the_holder_dies(tmp_path: Path) -> None:
    """The error names the holder; a holder that was killed leaves nothing behind that is in the way."""
    folder = StateFolder.open(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StartError) as refused, folder.held():
            pass
        assert refused.value.exit_code == EXIT_UNAVAILABLE
        assert f"another gateway (process {holder.pid}) uses the state folder {tmp_path}" in str(refused.value)
        holder.kill()
        holder.communicate()
    with folder.held():
        pass


def test_a_holder_that_is_done_lets_the_next_one_in(tmp_path: Path) -> None:
    """Also within one process."""
    folder = StateFolder.open(tmp_path)
    for _ in range(2):
        with folder.held(), pytest.raises(StartError), folder.held():
            pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_token_that_can_not_be_written_leaves_no_empty_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start is refused with the reason, and works once there is room."""
    folder = StateFolder.open(tmp_path)
    really_open = os.open
    made: list[int] = []

    def full(path: Path, flags: int, mode: int) -> int:
        made.append(really_open(path, flags, mode))
        return really_open("/dev/full", os.O_WRONLY)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(StartError, match="No space left on device"):
        folder.token()
    monkeypatch.undo()
    os.close(made.pop())
    assert len(folder.token()) >= 32
    assert folder.token() == folder.token()


def test_addresses_are_a_note_and_no_condition(tmp_path: Path) -> None:
    """A folder that went away is a line in the log, and nobody's crash."""
    folder = StateFolder.open(tmp_path / "state")
    folder.write_addresses({"websocket": "ws://127.0.0.1:1/"})
    assert folder.read_addresses() == {"websocket": "ws://127.0.0.1:1/"}
    folder.forget_addresses()
    assert folder.read_addresses() == {}
    folder.path.rmdir()
    folder.path.write_bytes(b"")
    folder.write_addresses({"websocket": "ws://127.0.0.1:1/"})
    folder.forget_addresses()
    assert folder.read_addresses() == {}
