"""docs/security.md claims nothing that no test shows: each claim names a test, and each test that it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "security.md"
CLAIM = re.compile(r"\[(S\d+)\]")
ROW = re.compile(r"^\| (S\d+) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
HEADING = "## The tests"
WITHOUT_CLAIMS = ("## When a token has leaked", "## Reporting")
"""Sections that say what to do, and promise nothing."""


def parts() -> tuple[str, str]:
    """The page before its table of tests, and that table."""
    text, heading, table = PAGE.read_text(encoding="utf-8").partition(f"\n{HEADING}\n")
    assert heading
    return text, table


def rows() -> dict[str, list[tuple[str, str]]]:
    """The tests of each claim, by its id."""
    return {name: TEST.findall(tests) for name, tests in ROW.findall(parts()[1])}


def test_each_claim_has_a_row_and_each_row_a_claim() -> None:
    """Each id of the text stands in the table, once, and the other way round."""
    used = CLAIM.findall(parts()[0])
    listed = [name for name, _ in ROW.findall(parts()[1])]
    assert len(used) > 50
    assert len(listed) == len(set(listed))
    assert set(used) == set(listed)


def test_each_row_names_tests_that_are_there() -> None:
    """A function of that name, at the top of that file, with a check in it."""
    for name, tests in rows().items():
        assert tests, f"{name} names no test"
        for file, function in tests:
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            found = [
                each
                for each in tree.body
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == function
            ]
            assert found, f"{name}: there is no {file}::{function}"
            checks = [each for each in ast.walk(found[0]) if isinstance(each, ast.Assert) or _is_check(each)]
            assert checks, f"{name}: {file}::{function} checks nothing"


def _is_check(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute | ast.Name)
        and (node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id)
        in ("raises", "until", "no_secret_in", "differences")
    )


def test_each_line_of_a_list_makes_a_claim_with_a_test() -> None:
    """A point of a list, and a row of the table of ports, that names no test is a promise without one."""
    section = ""
    for point in points(parts()[0]):
        if point.startswith("#"):
            section = point
        elif section not in WITHOUT_CLAIMS and not point.startswith(("| port", "|---")):
            assert CLAIM.search(point), f"no test is named for: {point}"


def points(text: str) -> list[str]:
    """Headings, rows of tables and points of lists, each in one line; plain paragraphs are left out."""
    found: list[str] = []
    for line in text.splitlines():
        if line.startswith(("#", "|", "- ")):
            found.append(line)
        elif line.startswith("  ") and found and found[-1].startswith("- "):
            found[-1] += f" {line.strip()}"
    return found
