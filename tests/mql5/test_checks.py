"""Sources of MQL5 are looked at by two checks that know nothing of the translator; and the host by its own table."""

from __future__ import annotations

from pathlib import Path

import pytest
from mql5.checks import calls, grammar, host

HERE = Path(__file__).resolve().parent
SHIPPED = HERE.parents[1] / "mql5"
SOURCES = sorted([*SHIPPED.rglob("*.mq[5h]"), *SHIPPED.rglob("*.mqh"), *HERE.rglob("*.mq[5h]"), *HERE.rglob("*.mqh")])


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_a_grammar_of_others_knows_each_source(source: Path) -> None:
    """What it does not know is a mistake of ours, or a form that nobody else writes."""
    assert grammar.errors_in(source) == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_each_call_can_be(source: Path) -> None:
    """Functions are ours or MQL5's, and these have as many arguments as the reference says."""
    assert [str(wrong) for wrong in calls.wrong_calls(source, SOURCES)] == []


def test_the_host_invents_no_function() -> None:
    """A program that is right here must not call what no terminal has."""
    offered = {name: header for header, name in host.functions(HERE / "host")}
    assert len(offered) > 200
    assert {name: header for name, header in offered.items() if name not in calls.table()} == {}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("void F()\n  {\n   int x=;\n  }\n", 3),
        ("void F()\n  {\n   if(x\n     y();\n  }\n", 3),
        ("void F()\n  {\n   y(1,;\n  }\nint g=1;\n", 3),
    ],
)
def test_the_grammar_finds_mistakes(text: str, line: int) -> None:
    """At their lines."""
    found = grammar.errors_of(text)
    assert found
    assert abs(found[0][0] - line) <= 1


def test_what_mql5_adds_is_no_mistake_to_the_grammar() -> None:
    """Inputs, dates and colors."""
    text = "input group \"A\"\ninput int InpA=1; // it's\nsinput color InpC=C'1,2,3';\ndatetime g_t=D'2026.01.01';\n"
    assert grammar.errors_of(text) == []
    assert grammar.levelled(text).count("\n") == text.count("\n")


CALLS = [
    ("SocketReed(1,b,2,3);", ["there is no function SocketReed"]),
    ("SocketRead(1,b,2);", ["SocketRead takes 4 to 4 arguments, and has 3"]),
    ("GetTickCount64(1);", ["GetTickCount64 takes 0 to 0 arguments, and has 1"]),
    ('StringFind("a","b",1,2);', ["StringFind takes 2 to 3 arguments, and has 4"]),
    ("Print(MathMax(1,2),F(1,(2+3)));", []),
    ('Print("Unknown(1)"); // Unknown(2)', []),
    ("/* Unknown(1) */ F(1);", []),
    ("::GetLastError(1);", ["GetLastError takes 0 to 0 arguments, and has 1"]),
    ("MACRO(1); MOCRA(1);", ["there is no function MOCRA"]),
    ("CFoo foo(1); CFoo *p=new CFoo(1); p.Any(1);", []),
    ("char c='('; StringLen(c ,1);", ["StringLen takes 1 to 1 arguments, and has 2"]),
    ("return(Later(1));", []),
]


@pytest.mark.parametrize(("snippet", "messages"), CALLS, ids=[snippet for snippet, _ in CALLS])
def test_calls_that_can_not_be(tmp_path: Path, snippet: str, messages: list[str]) -> None:
    """Unknown names and wrong counts; not what is within a string, a comment or an object."""
    source = tmp_path / "a.mq5"
    before = "#define MACRO(x) (x)\nclass CFoo { };\nint F(int a,int b=1) {\n"
    source.write_text(f"{before}{snippet}\n}}\nint Later(int a) {{ return(a); }}\n", encoding="utf-8")
    assert [wrong.message for wrong in calls.wrong_calls(source)] == messages
    assert all(wrong.line == 4 for wrong in calls.wrong_calls(source))


def test_functions_of_other_files_may_be_called(tmp_path: Path) -> None:
    """Those that are named, and no others."""
    (tmp_path / "a.mqh").write_text("int Theirs(const int a) { return(a); }\n", encoding="utf-8")
    source = tmp_path / "a.mq5"
    source.write_text("void OnStart() { Theirs(1); }\n", encoding="utf-8")
    assert calls.wrong_calls(source, [tmp_path / "a.mqh"]) == []
    assert [wrong.message for wrong in calls.wrong_calls(source)] == ["there is no function Theirs"]
