"""What the translator takes, and what it makes of it."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from mql5.build import Rejected, compile_only, require_gpp
from mql5.translate import NotMql5, Translation, translate


def program(folder: Path, text: str, name: str = "Program.mq5") -> Path:
    source = folder / name
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(text, encoding="utf-8")
    return source


def translated(folder: Path, text: str) -> Translation:
    return translate(program(folder, text), [folder / "Include"])


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_files_of_each_encoding(tmp_path: Path, mark: bytes, encoding: str, ending: str) -> None:
    """UTF-8 with and without its mark, UTF-16 with it, both kinds of lines."""
    source = tmp_path / "Program.mq5"
    text = f'void OnStart(){ending}  {{{ending}   Print("hé");{ending}  }}{ending}'
    source.write_bytes(mark + text.encode(encoding))
    made = translate(source)
    assert 'u"hé"' in made.text
    assert made.handlers == ["OnStart"]


def test_a_file_of_another_encoding_is_refused(tmp_path: Path) -> None:
    """What a letter means in a code page hangs on the computer."""
    source = tmp_path / "Program.mq5"
    source.write_bytes(b'void OnStart() { Print("h\xe9"); }\n')
    with pytest.raises(NotMql5, match="neither UTF-8 nor UTF-16"):
        translate(source)


def test_includes_are_found(tmp_path: Path) -> None:
    """By roots and beside the file, with both slashes; a file is taken once."""
    program(tmp_path, "int FromRoot() { return(1); }\n", "Include/Some/Root.mqh")
    program(tmp_path, '#include "deeper\\More.mqh"\nint Beside() { return(2); }\n', "parts/Beside.mqh")
    program(tmp_path, "int More() { return(3); }\n", "parts/deeper/More.mqh")
    made = translated(
        tmp_path,
        '#include <Some\\Root.mqh>\n#include <Some/Root.mqh> // again\n#include "parts\\Beside.mqh"\n'
        "void OnStart() { Print(FromRoot()+Beside()+More()); }\n",
    )
    assert [path.name for path in made.files] == ["Program.mq5", "Root.mqh", "Beside.mqh", "More.mqh"]
    assert made.text.count("int FromRoot") == 2  # announced, and once defined


def test_properties_are_read(tmp_path: Path) -> None:
    """Those of the program."""
    made = translated(tmp_path, '#property copyright "Us"\n#property version "1.20"\nvoid OnStart() {}\n')
    assert made.properties == {"copyright": "Us", "version": "1.20"}


def test_parts_that_are_left_out_are_not_looked_at(tmp_path: Path) -> None:
    """Conditions within conditions, #else, #undef."""
    made = translated(
        tmp_path,
        "#define A\n#ifdef A\n#ifndef B\nint g_one=1;\n#else\nthis -> is none\n#endif\n#else\n#ifdef A\n"
        "nor this\n#else\nnor that\n#endif\n#endif\n#undef A\n#ifdef A\nthis -> is none\n#endif\nvoid OnStart() {}\n",
    )
    assert "g_one" in made.text
    assert "none" not in made.text


def test_errors_of_the_compiler_are_of_the_source(tmp_path: Path) -> None:
    """File and line, of an included file and behind macros of several lines too."""
    require_gpp()
    program(tmp_path, "#define LONG(a) \\\n   (a)\\\n   +1\n\nint Wrong()\n  {\n   return(nothing);\n  }\n", "a.mqh")
    source = program(
        tmp_path, '#include "a.mqh"\n\n/* a comment\n   of two lines */\nvoid OnStart() { nowhere=LONG(1); }\n'
    )
    with pytest.raises(Rejected) as refusal:
        compile_only(source)
    assert f"{tmp_path / 'a.mqh'}:7:" in str(refusal.value)
    assert f"{source}:5:" in str(refusal.value)


def test_what_has_no_handlers_has_no_main(tmp_path: Path) -> None:
    """A header can be a part of another program."""
    assert "main.hpp" not in translated(tmp_path, "int F() { return(1); }\n").text
    assert "main.hpp" in translated(tmp_path, "void OnTick() {}\n").text


TAKEN = [
    "int a,b[3],c[]; void OnStart() { a=0; ArrayResize(c,1); b[0]=c[0]; }",
    ('void OnStart() { const string names[]={"a","b"}; for(int i=0,n=ArraySize(names); i<n; i++) Print(names[i]); }'),
    (
        "class CA { public: virtual void F(void)=0; }; "
        "class CB : public CA { public: virtual void F(void) override {} };void OnStart() { CB b; "
        "CA *p=GetPointer(b); p.F(); }"
    ),
    (
        "typedef int (*TOp)(int,int); int Add(int a,int b) { return(a+b); } void OnStart() { TOp op=Add; "
        "Print(op(1,2)); }"
    ),
    ("class CA; class CB { public: CA *a; }; class CA { public: int x; }; void OnStart() { CB b; b.a=NULL; }"),
    (
        "struct SA { int x; }; struct SB : public SA { SA inner[2]; }; SB Made(void) { SB b; "
        "ZeroMemory(b); return(b); }void OnStart() { SB b=Made(); Print(b.x+b.inner[1].x+Made().x); }"
    ),
    (
        "void F(const string &s,double &d,int &i) { d=StringLen(s); i=1; } void OnStart() { double d; "
        'int i; F("a",d,i); }'
    ),
    (
        "class CA { int m[2][3]; public: CA() { m[1][2]=1; } int Get() const { return(m[1][2]); } }; "
        "void OnStart() { CA a; a.Get(); }"
    ),
    (
        "void OnStart() { int n=0; if(n==0) Print(1); else if(n==1) { Print(2); } else Print(3); "
        "int k=(n>0) ? 1 : 2; Print(k); }"
    ),
    (
        "enum ENUM_A { A_ONE=1, A_TWO, }; input ENUM_A InpA=A_TWO; "
        "void OnStart() { switch(InpA) { case A_ONE: Print(1); break; } }"
    ),
    "void OnStart() { MqlDateTime t={}; MqlTick tick={}; t.year=1; Print(tick.bid+t.year); }",
    (
        "int g_a[2]={1,2,}; int g_b[]={(1,2),F(3,4)}; int F(int a,int b) { return(a+b); } "
        "void OnStart() { Print(ArraySize(g_b)); }"
    ),
    (
        'void OnStart() { string s=NULL; if(s==NULL) s="a"; s+="b"; s=s+"c"+IntegerToString(1); '
        "Print(s,1,true,1.5,'a'); }"
    ),
    (
        "class CA { public: CA *Self() { return(GetPointer(this)); } int X() { return(1); } }; "
        "void OnStart() { CA a; Print(a.Self().X()); }"
    ),
    (
        "template<typename K,typename V> class CMap { K k[]; V v[]; "
        "public: int Size() { return(ArraySize(k)); } };void OnStart() { CMap<string,int> m; "
        "Print(m.Size()); }"
    ),
    (
        "void OnStart() { datetime a=D'2026.01.01',b=0; a=TimeLocal(); b=a-60; "
        "if(a>b) Print((string)(a-b),MathMax(a,b)); color c=clrRed; c=0; }"
    ),
    (
        "int g_n=0; void OnDeinit(const int reason) { g_n=reason; } "
        "int OnInit() { return(INIT_SUCCEEDED); } void OnTick() {}"
    ),
    (
        "void OnStart() { for(;;) { if(IsStopped()) return; break; } while(!IsStopped()) break; "
        "do { break; } while(true); }"
    ),
    (
        "void F(int &a[],const double &b[][2],string &c[2]) { ArrayResize(a,1); } "
        "void OnStart() { int a[]; double b[1][2]; string c[2]; F(a,b,c); }"
    ),
]


@pytest.mark.parametrize("text", TAKEN)
def test_what_is_taken(tmp_path: Path, text: str) -> None:
    """Forms of MQL5 that other programs have."""
    require_gpp()
    compile_only(program(tmp_path, text + "\n"))
