"""A built MQL5 program as a process: what it prints, and its end."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs

INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS")


class NotSaid(AssertionError):
    """A program did not print what was waited for; the text has what it printed instead."""


@attrs.frozen
class Finished:
    """A program that has ended."""

    exit_code: int
    lines: list[str]
    errors: str


def said(value: Any) -> str:
    """An input's value as its variable of the environment has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def environment_of(inputs: Mapping[str, Any], folder: Path | None, more: Mapping[str, str]) -> dict[str, str]:
    """What a program is started with: nothing of ours but what it needs."""
    found = {name: os.environ[name] for name in INHERITED if name in os.environ}
    found |= {f"MQL_INPUT_{name}": said(value) for name, value in inputs.items()}
    if folder is not None:
        found["MQL_FOLDER"] = str(folder)
    return found | dict(more)


class Program:
    """A program that runs from `with` on and is ended behind it. Its methods may be called from any thread."""

    def __init__(
        self,
        executable: Path,
        inputs: Mapping[str, Any] | None = None,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._executable = executable
        self._environment = environment_of(inputs or {}, folder, environment or {})
        self._folder = folder
        self._news = threading.Condition()
        self._lines: list[str] = []
        self._read_to = 0
        self._done = False
        self._errors = ""

    def __enter__(self) -> Self:
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [self._executable],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self._folder,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._read, self._read_errors)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        for thread in self._threads:
            thread.join(10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self._lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._done = True
            self._news.notify_all()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._errors += line

    @property
    def lines(self) -> list[str]:
        """All that was printed so far."""
        with self._news:
            return list(self._lines)

    def errors(self) -> str:
        """What it wrote to its standard error: why it was unloaded, or what a sanitizer found."""
        return self._errors

    def wait_for(self, text: str, timeout: float = 10.0, *, again: bool = False) -> str:
        """The next line that has this text; one that was printed since the last call counts, with `again` any.

        Raises:
            NotSaid: there is none within so many seconds, or the program has ended without it.
        """
        end = time.monotonic() + timeout
        at = 0 if again else self._read_to
        with self._news:
            while True:
                while at < len(self._lines):
                    at += 1
                    if text in self._lines[at - 1]:
                        self._read_to = at
                        return self._lines[at - 1]
                left = end - time.monotonic()
                if self._done or left <= 0:
                    why = "the program has ended" if self._done else f"{timeout} s have passed"
                    raise NotSaid(
                        f"{text!r} was not printed: {why}\n" + "\n".join(self._lines[-40:]) + "\n" + self._errors
                    )
                self._news.wait(left)

    def send(self, number: signal.Signals) -> None:
        """SIGTERM removes an EA, SIGUSR1 closes its terminal, SIGUSR2 changes its parameters."""
        self.process.send_signal(number)

    def wait(self, timeout: float = 10.0) -> int:
        """The exit code, when it ends by itself.

        Raises:
            subprocess.TimeoutExpired: it does not within so many seconds.
        """
        code = self.process.wait(timeout)
        for thread in self._threads:
            thread.join(10)
        return code

    def terminate(self, timeout: float = 10.0) -> int:
        """Asks it to end as a terminal removes it from its chart, and waits for that."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.wait(timeout)

    def kill(self) -> int:
        """Ends it at once, as a crash would."""
        self.process.kill()
        return self.wait()


def run(
    executable: Path,
    inputs: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = 60.0,
) -> Finished:
    """Runs a program to its end.

    Raises:
        subprocess.TimeoutExpired: it does not end within so many seconds, and is killed.
    """
    with Program(executable, inputs, folder, environment) as program:
        try:
            code = program.wait(timeout)
        except subprocess.TimeoutExpired:
            program.kill()
            raise
        return Finished(code, program.lines, program.errors())
