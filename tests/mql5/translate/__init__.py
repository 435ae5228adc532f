"""MQL5 to C++: a program and what it includes, as one text for a C++ compiler, or a list of what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import attrs

from .checks import problems_of
from .emit import Emitter
from .host_enums import tables
from .parser import Parser
from .preprocessor import Preprocessor
from .problems import NotMql5, Problem

__all__ = ["NotMql5", "Problem", "Translation", "translate"]

HERE = Path(__file__).resolve().parent
HOST = HERE.parent / "host"
BUILT_INS = HERE.parent / "checks" / "builtins.json"


@attrs.frozen
class Translation:
    """`text` is the C++; `files` are the sources that it hangs on."""

    text: str
    files: list[Path]
    handlers: list[str]
    properties: dict[str, str]


@cache
def built_ins() -> frozenset[str]:
    """Names of MQL5's functions."""
    return frozenset(json.loads(BUILT_INS.read_text(encoding="utf-8")))


def translate(source: Path, roots: Sequence[Path] = ()) -> Translation:
    """The C++ of a program; `roots` are the folders of `#include <...>`.

    Raises:
        NotMql5: with all that is wrong, as far as it can be told.
    """
    preprocessor = Preprocessor(roots)
    sources = preprocessor.run(source)
    parser = Parser(sources.tokens)
    model = parser.run()
    emitter = Emitter(sources.tokens, model)
    body = emitter.run()
    problems = [
        *preprocessor.problems,
        *problems_of(sources.tokens, model, built_ins()),
        *parser.problems,
        *emitter.problems,
    ]
    if problems:
        raise NotMql5(problems)
    handlers = emitter.handlers()
    marks = "".join(f"#define MQL_HAS_{name} 1\n" for name in handlers)
    used = {token.text for token in sources.tokens if token.kind == "word"}
    # What has no handlers is a part of something else, and has no main.
    behind = '#include "main.hpp"\n' if handlers else ""
    text = (
        f'{marks}#define MQL_PROGRAM "{source.stem}"\n#include "mql5.hpp"\n{tables(HOST, used)}'
        f"namespace prog\n{{\nusing namespace mql;\n{body}\n}}\n{behind}"
    )
    return Translation(text, sources.files, handlers, sources.properties)
