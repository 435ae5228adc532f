"""Another place on the network, made of a namespace of its own and a pair of interfaces. Linux, as root."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest


@attrs.frozen
class OtherPlace:
    """A network namespace. From there this machine is `here`; from here, it is `there`."""

    name: str
    here: str
    there: str

    def run(self, program: Path, given: Any, within_s: float = 120.0) -> Any:
        """Run a Python program there: JSON in, JSON out."""
        return run_program(program, given, before=("ip", "netns", "exec", self.name), within_s=within_s)


def run_program(program: Path, given: Any, *, before: tuple[str, ...] = (), within_s: float = 120.0) -> Any:
    """Run a Python program that takes JSON and gives JSON."""
    ran = subprocess.run(
        [*before, sys.executable, str(program)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@contextlib.contextmanager
def other_place() -> Iterator[OtherPlace]:
    """Make one for the length of the block. Skips where that can't be done, and fails there when CI=true."""
    if sys.platform != "linux":
        pytest.skip("network namespaces are Linux's")
    if shutil.which("ip") is None:
        _cannot("needs the command ip (Debian: apt install iproute2)")
    if os.geteuid() != 0:
        _cannot("making a network namespace needs root")
    number = os.getpid()
    name, ours, theirs = f"qm-{number}", f"qm{number}a", f"qm{number}b"
    net = f"10.{200 + number % 50}.{number // 50 % 256}"
    here, there = f"{net}.1", f"{net}.2"
    try:
        made = _ip("netns", "add", name)
        if made.returncode:
            _cannot(f"no network namespace can be made here: {made.stderr.strip()}")
        for arguments in (
            ("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name),
            ("addr", "add", f"{here}/30", "dev", ours),
            ("link", "set", ours, "up"),
            ("-n", name, "addr", "add", f"{there}/30", "dev", theirs),
            ("-n", name, "link", "set", theirs, "up"),
            ("-n", name, "link", "set", "lo", "up"),
        ):
            done = _ip(*arguments)
            if done.returncode:
                _cannot(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
        yield OtherPlace(name, here, there)
    finally:
        # With an end of the pair the other one goes, too.
        _ip("link", "del", ours)
        _ip("netns", "del", name)


def _ip(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=30, check=False)


def _cannot(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
