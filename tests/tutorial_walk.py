"""Walk through a page of documentation as a newcomer does: its blocks in order, in a copy of the project.

A page says by comments, which no reader sees, where its blocks go. They stand on lines of their own:

    <!-- in gateway until "ready" -->   the next sh block runs in that terminal; go on when it has printed this
    <!-- exit 1 -->                     the next sh block ends with this code, and not with 0
    <!-- into my/first.py -->           the next python block is added to this file
    <!-- until gateway "halted" -->     wait until that terminal prints this
    <!-- wait gateway -->               wait until what runs in that terminal has ended, and well
    <!-- stop gateway -->               Ctrl-C there, and wait until it has ended, and well
    <!-- kill gateway -->               SIGKILL there
    <!-- part recorded day -->          from here to `end recorded day` is only for those who have what it needs

Each `sh` block without a terminal runs in the first one and ends by itself. `text` blocks show what is printed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

import attrs

LANGUAGES: Final = ("sh", "python", "text")
BLOCK_WITHIN_S: Final = 900.0
"""For a block in the first terminal; installing takes the longest."""
SAID_WITHIN_S: Final = 120.0
KILLED: Final = "(killed)\n"
"""What a terminal shows where something was killed in it."""
STATE: Final = '[ -f "$WALK_STATE" ] && . "$WALK_STATE"; trap \'export -p > "$WALK_STATE"\' EXIT; set -ea\n'
"""A terminal keeps its variables from one block to the next, and a block ends at its first failure."""
# A process that is started in the background may have been told to ignore Ctrl-C, and its children inherit that.
HEARS_CTRL_C: Final = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])"
)

_PIECE: Final = re.compile(
    r"^<!-- (?P<word>\w+) (?P<rest>[^\n]*?) -->$|^```(?P<language>[^\n]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)


class Stumbled(Exception):
    """A step did not go as the page says."""


@attrs.frozen
class Step:
    """One step: what to do, with what, and for a block its text and the terminal, file or exit code it is for."""

    word: str
    about: str = ""
    said: str = ""
    text: str = ""
    exit_code: int = 0
    part: str = ""


def read_steps(page: str) -> list[Step]:
    """The steps of a page, in order.

    Raises:
        ValueError: a comment or a block that nobody would carry out.
    """
    steps: list[Step] = []
    about, said, exit_code, part = "", "", 0, ""
    for piece in _PIECE.finditer(page):
        word, rest, language = piece["word"], piece["rest"], piece["language"]
        if language is not None:
            if language not in LANGUAGES:
                raise ValueError(f"a block of {language!r}: it would not be run; take one of {', '.join(LANGUAGES)}")
            if language == "python" and not about:
                raise ValueError(f"a python block that goes into no file: {piece['text'][:60]!r}")
            if language != "text":
                kind = "write" if language == "python" else "start" if about else "run"
                steps.append(Step(kind, about, said, piece["text"], exit_code, part))
                about, said, exit_code = "", "", 0
        elif word in ("in", "until"):
            found = re.fullmatch(r'(\w+) (?:until )?"(.+)"', rest)
            if found is None:
                raise ValueError(f'{word} {rest}: write a terminal and what it says, as gateway until "ready"')
            if word == "in":
                about, said = found[1], found[2]
            else:
                steps.append(Step("until", found[1], found[2], part=part))
        elif word == "into":
            about = rest
        elif word == "exit":
            exit_code = int(rest)
        elif word in ("part", "end"):
            part = rest if word == "part" else ""
        elif word in ("wait", "stop", "kill"):
            steps.append(Step(word, rest, part=part))
        else:
            raise ValueError(f"{piece[0]}: there is no such step")
    return steps


def write(folder: Path, step: Step) -> None:
    """Add a block to its file, below what is there."""
    with (folder / step.about).open("a", encoding="utf-8") as file:
        file.write(("\n\n" if file.tell() else "") + step.text)


class Terminal:
    """A shell window: one block at a time, everything that it printed, and how far that was read."""

    def __init__(self, name: str, folder: Path, env: dict[str, str], state: Path) -> None:
        self.name = name
        self.printed = ""
        self._read = 0
        self._folder = folder
        self._env = {**env, "WALK_STATE": str(state / f"{name}.sh")}
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    def start(self, block: str) -> None:
        """Type a block."""
        if self._process is not None and self._process.poll() is None:
            raise Stumbled(f"terminal {self.name} still runs something: the page has to stop it first")
        self.close()
        self._read = len(self.printed)
        self._process = subprocess.Popen(
            [sys.executable, "-c", HEARS_CTRL_C, "bash", "-c", STATE + block],
            cwd=self._folder,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._pump, args=(self._process,), daemon=True)
        self._reader.start()

    def _pump(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.printed += line.decode("utf-8", "replace")

    def until(self, words: str) -> None:
        """Wait until it prints these words, after what was read before."""
        end = time.monotonic() + SAID_WITHIN_S
        while True:
            ended = self._process is None or self._process.poll() is not None
            if ended and self._reader is not None:
                self._reader.join(timeout=SAID_WITHIN_S)
            found = self.printed.find(words, self._read)
            if found >= 0:
                self._read = found + len(words)
                return
            if ended or time.monotonic() > end:
                how = "ended" if ended else f"ran for {SAID_WITHIN_S:g} s"
                raise Stumbled(f"terminal {self.name} {how} and did not print {words!r}:\n{self.printed}")
            time.sleep(0.05)

    def wait(self, within_s: float) -> tuple[int, str]:
        """Wait until the block has ended: its exit code, and what this terminal printed since it was last read."""
        assert self._process is not None, self.name
        try:
            code = self._process.wait(timeout=within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Stumbled(f"terminal {self.name} still ran after {within_s:g} s:\n{self.printed}") from None
        self.close()
        text = self.printed[self._read :]
        self._read = len(self.printed)
        return code, text

    def stop(self) -> tuple[int, str]:
        """Ctrl-C, as a terminal sends it: to everything in the foreground."""
        assert self._process is not None, self.name
        os.killpg(self._process.pid, signal.SIGINT)
        return self.wait(SAID_WITHIN_S)

    def kill(self) -> None:
        """The window is closed, and nothing in it has a chance to say goodbye."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self.close()
            self.printed += KILLED

    def close(self) -> None:
        """Let go of a block that has ended."""
        if self._process is not None and self._process.poll() is not None and self._reader is not None:
            self._reader.join(timeout=SAID_WITHIN_S)
            assert self._process.stdout is not None
            self._process.stdout.close()


class Walk:
    """A newcomer in a copy of the project: terminals, files, and the output of each block.

    Args:
        folder: the copy of the project.
        env: the environment of every terminal.
        state: a folder for what the terminals keep between blocks.
        parts: the parts of the page that can be done here.
        replace: words of a block that are different here, and what they are.
    """

    def __init__(
        self, folder: Path, env: dict[str, str], state: Path, *, parts: set[str], replace: dict[str, str]
    ) -> None:
        self.folder = folder
        self.outputs: list[tuple[Step, str]] = []
        self._env, self._state, self._parts, self._replace = env, state, parts, replace
        self._terminals: dict[str, Terminal] = {}

    def terminal(self, name: str) -> Terminal:
        """The terminal of this name; opened if there is none."""
        if name not in self._terminals:
            self._terminals[name] = Terminal(name, self.folder, self._env, self._state)
        return self._terminals[name]

    def close(self) -> None:
        """Close every window."""
        for terminal in self._terminals.values():
            terminal.kill()

    def go(self, step: Step) -> None:
        """Do one step.

        Raises:
            Stumbled: it did not go as the page says.
        """
        if step.part and step.part not in self._parts:
            return
        if step.word == "write":
            write(self.folder, step)
            return
        terminal = self.terminal(step.about or "first")
        if step.word in ("run", "start"):
            text = step.text
            for word, here in self._replace.items():
                text = text.replace(word, here)
            terminal.start(text)
        if step.word == "run":
            self._ended_well(step, terminal.wait(BLOCK_WITHIN_S))
        elif step.word in ("start", "until"):
            terminal.until(step.said)
        elif step.word == "wait":
            self._ended_well(step, terminal.wait(SAID_WITHIN_S))
        elif step.word == "stop":
            self._ended_well(step, terminal.stop())
        elif step.word == "kill":
            terminal.kill()

    def _ended_well(self, step: Step, ended: tuple[int, str]) -> None:
        code, printed = ended
        self.outputs.append((step, printed))
        if code != step.exit_code:
            what = step.text or f"{step.word} {step.about}"
            raise Stumbled(f"exit code {code}, and not {step.exit_code}, of\n{what}\nwhich printed\n{printed}")

    def said(self, words: str, number: int = 0) -> str:
        """What the block that has these words printed; of several the one of this number."""
        found = [printed for step, printed in self.outputs if words in (step.text or f"{step.word} {step.about}")]
        assert len(found) > number, f"no block {number} with {words!r} was run"
        return found[number]
