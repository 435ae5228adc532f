"""What is wrong with a source, and where."""

from __future__ import annotations

from pathlib import Path

import attrs


@attrs.frozen
class Problem:
    """One mistake, at a line of a file."""

    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class NotMql5(Exception):
    """A source is not what MQL5 takes, or what this host can translate; `problems` has at least one entry."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
