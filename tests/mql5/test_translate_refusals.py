"""What the translator refuses: C++ that is not MQL5, and MQL5 that this host can't do."""

from __future__ import annotations

from pathlib import Path

import pytest
from mql5.build import Rejected, compile_only, require_gpp
from mql5.translate import NotMql5, translate

# Outside of functions: what stands on line 2 of a program, and what is said of it.
OUTSIDE = [
    ("void F(uchar b[]) {}", "the array `b` has to be passed by reference: uchar &b[]"),
    ("void F(const int b[][3]) {}", "the array `b` has to be passed by reference"),
    ("class CFoo { public: int x; }; void F(CFoo a) {}", "the object `a` has to be passed by reference: const CFoo &a"),
    ("struct SFoo { int x; }; void F(const SFoo a) {}", "the object `a` has to be passed by reference"),
    ("void F(MqlTick tick) {}", "the object `tick` has to be passed by reference"),
    ("int &F(int x) { return(x); }", "a function can't return a reference"),
    ("int g_x=1; int &g_r=g_x;", "`g_r` is a reference: only parameters may be"),
    ("class CFoo { int &m_r; };", "`m_r` is a reference: only parameters may be"),
    ("enum { A_=1, B_=2 };", "an enum needs a name"),
    ("class CA {}; class CB {}; class CC : public CA, public CB {};", "CC has several bases, and MQL5 allows one"),
    ("int StringLen(const string s) { return(0); }", "`StringLen` is a built-in function and can't be defined again"),
    ("int MathAbs(int x,int y) { return(0); }", "`MathAbs` is a built-in function and can't be defined again"),
    ("template<typename T=int> class CQ { T a; };", "a template parameter can't have a default"),
    ("template<class T> void F(T a) {}", "a template parameter is `typename T`, and this is `class`"),
    ("template<int N> void F(int a) {}", "a template parameter is `typename T`, and this is `int`"),
    ("template<typename T> void F(T &a[]) {}", "arrays as parameters of a function template are not supported"),
    ("void F(int a,...) {}", "a function can't have a variable number of parameters"),
    ("class CD { public: CD()=default; };", "a method can be =0, and not =default"),
    ("using T=int;", "`using` is C++, not MQL5"),
    ("namespace a { int x; }", "`namespace` is C++, not MQL5"),
    ("static_assert(true);", "`static_assert` is C++, not MQL5"),
    ("constexpr int N=3;", "`constexpr` is C++, not MQL5"),
    ("friend void F();", "`friend` is C++, not MQL5"),
    ("interface IFoo { void F(); };", "interfaces are not supported by this host"),
    ("union UFoo { int a; double b; };", "unions are not supported by this host"),
    ("struct SFoo pack(1) { int a; };", "packed structs are not supported by this host"),
    ("extern int InpA=1;", "`extern` variables: write input"),
    ("int char=1;", "`char` is a reserved word and can't be a name"),
    ("int group=1;", "`group` is a reserved word and can't be a name"),
    ("class color { int x; };", "`color` is a reserved word and can't be a name"),
    ("void F(const int delete) {}", "`delete` is a reserved word and can't be a name"),
    ("void F(int *p) {}", "there are no pointers to int: only to objects of classes"),
    ("double *g_p;", "there are no pointers to double: only to objects of classes"),
    ("input int InpA[3]={1,2,3};", "an input is one value, and stands outside of functions"),
    ("input MqlTick InpT;", "an input can't be an object"),
    ("input int " + "A" * 64 + "=1;", "the name of an input has 63 characters at most"),
    ("input group;", "input group needs a name in quotes"),
    ("#property strict", "#property strict is MQL4"),
    ("#property nonsense 1", "#property nonsense is not known"),
    ('#property version "one"', '#property version is a string of two numbers, as "1.0", and is "one"'),
    ("#if 1", "#if is no directive of MQL5"),
    ("#pragma once", "#pragma is no directive of MQL5"),
    ("#import \"user32.dll\"", "#import: libraries and resources are not for this project"),
    ("#resource \"a.bmp\"", "#resource: libraries and resources are not for this project"),
    ("#include <Nothing/There.mqh>", "the included file Nothing/There.mqh is not there"),
    ("#include Nothing", "#include needs <a path> or \"a path\""),
    ("#ifdef A_NAME", "#ifdef without #endif"),
    ("#endif", "#endif without #ifdef"),
    ("#define F(a,b,c,d,e,f,g,h,i) a", "the macro F has 9 parameters, and 8 are allowed"),
    ("#define F(a,...) a", "the macro F has a variable number of parameters"),
    ("void OnTick(int x) {}", "OnTick is void OnTick()"),
    ("void OnDeinit(int reason) {}", "OnDeinit is void OnDeinit(const int)"),
    ("int OnTimer() { return(0); }", "OnTimer is void OnTimer()"),
    ("void OnTradeTransaction(const MqlTradeTransaction &t) {}", "OnTradeTransaction is void OnTradeTransaction("),
    ("int OnCalculate(const int a) { return(0); }", "this host does not call OnCalculate"),
    ("class CFoo { int x; }", "`;` is missing behind class CFoo"),
    ("void F() { int x=1;", "`{` is not closed"),
    ("void F() { int x=1; }}", "`}` closes nothing"),
    ("int g_a[][];", "only the first dimension of an array may be open"),
    ("x=1;", "a name is expected, and this is `=`"),
]  # fmt: skip

# Within OnStart, on line 4.
INSIDE = [
    ("int a=1; int &r=a;", "`r` is a reference: only parameters may be"),
    ("CFoo *p=NULL; p->x=1;", "`->` is not MQL5: members of what a pointer points to are behind `.`"),
    ("auto a=1;", "`auto` is C++, not MQL5"),
    ("string s=nullptr;", "`nullptr` is C++, not MQL5"),
    ("int a[]={1,2}; for(int x : a) Print(x);", "a `for` over the items of an array is not MQL5"),
    ("int f=[](int x){return(x);}(1);", "lambdas are C++, not MQL5"),
    ("int f=[&](int x){return(x);}(1);", "lambdas are C++, not MQL5"),
    ("std::string s;", "`std::` is C++, not MQL5"),
    ("int a=static_cast<int>(1.5);", "`static_cast` is C++, not MQL5"),
    ("unsigned int a=1;", "`unsigned` is C++, not MQL5"),
    ("size_t a=1;", "`size_t` is C++, not MQL5"),
    ("goto done;", "`goto` is C++, not MQL5"),
    ("try { Print(1); } catch(int e) {}", "`try` is C++, not MQL5"),
    ("throw 1;", "`throw` is C++, not MQL5"),
    ("volatile int v=1;", "`volatile` is C++, not MQL5"),
    ("if(1 and 2) Print(1);", "`and` is C++, not MQL5"),
    ("int v=1; int *p=&v;", "there are no pointers to int: only to objects of classes"),
    ("CFoo *p=NULL; Print(*p);", "`*` before a pointer is C++: members are behind `.`"),
    ("CFoo **p=NULL;", "there are no pointers to pointers"),
    ("int n=3; double *p=new double[3];", "`new` makes objects of classes"),
    ("delete[] p;", "delete[] is C++: arrays are freed by ArrayFree"),
    ("int x{5};", "`x` is initialised by braces alone: write `=`"),
    ("MqlTick t={.bid=1};", "members can't be initialised by name"),
    ("if(int k=1) Print(k);", "a variable can't be declared within `if(...)`"),
    ("int x=1'000;", "numbers have no digit separators"),
    ("int x=1'0; int y=2'1;", "numbers have no digit separators"),
    ("int x=10UL;", "10UL is no number of MQL5"),
    ("int x=0b101;", "0b101 is no number of MQL5"),
    ('string s=R"(a)";', "a string can't have the prefix R"),
    ('string s=L"a";', "a string can't have the prefix L"),
    ("ushort char=1;", "`char` is a reserved word and can't be a name"),
    ("int input=1;", "`input` is a reserved word and can't be a name"),
    ('string s="a\\vb";', "\\v is no escape of MQL5"),
    ('string s="\\70000";', "\\70000 is no letter: codes go up to 65535"),
    ("ushort c='\\x0041B';", "'\\x0041B' has more than one letter"),
    ("ushort c='ab';", "'ab' has more than one letter"),
    ("datetime d=D'2026.13.01';", "D'2026.13.01' is no date of the calendar"),
    ("datetime d=D'12:00';", "D'12:00' is no date this host takes"),
    ("color c=C'1,2';", "C'1,2' is no color (C'red,green,blue')"),
    ("color c=C'1,2,256';", "C'1,2,256': each part of a color is 0 to 255"),
    ("class CBar { int x; };", "a class can't be declared within a function"),
    ("for(int a[3];;) Print(1);", "an array can't be declared within `for(...)`"),
    ("Print(1) @ 2;", "`@` has no meaning here"),
    ("\n#define TWO(a,b) a+b\nPrint(TWO(1));", "the macro TWO takes 2 arguments, and has 1"),
]  # fmt: skip

# What looks like MQL5 to the translator, and is none for the compiler.
COMPILED = [
    ("uchar a[],b[]; a=b;", "deleted"),
    ('string s="a"; switch(s) { case "a": break; }', "switch quantity not an integer"),
    ("SocketFoo(1);", "SocketFoo"),
    ("int s=SocketCreate(); uchar b[]; SocketRead(s,b,10);", "SocketRead"),
    ("InpX=3;", "InpX"),
    ("MqlTick t; int x=t;", "cannot convert"),
    ('string s=" a "; StringTrimLeft(s+"b");', "cannot bind"),
    ('StringTrimLeft("abc");', "cannot bind"),
    ('int x="5"*2;', "no match"),
    ('string s="5"; int x=s;', "cannot convert"),
    ('string s="a"+5;', "deleted"),
    ('string s=5+"a";', "deleted"),
    ("string s=5;", "conversion"),
    ("const int k; Print(k);", "uninitialized"),
    ("int n=3; double p[n];", "not usable in a constant expression"),
    ("int a[]; Print(a.size(1));", "size"),
    ("int x=D'2026.01.01';", "cannot convert"),
    ("ENUM_TIMEFRAMES p=5;", "invalid conversion"),
    ("const double d[2]={1,2}; d[0]=3;", "read-only"),
    ("CFoo foo; Change(foo);", "discards qualifiers|assignment of member"),
]

PROGRAM = "input int InpX=1;\n{outside}\nvoid OnStart()\n  {{ {inside}\n  }}\n"


def refused(folder: Path, outside: str = "", inside: str = "") -> list[tuple[int, str]]:
    source = folder / "Program.mq5"
    source.write_text(PROGRAM.format(outside=outside, inside=inside), encoding="utf-8")
    with pytest.raises(NotMql5) as refusal:
        translate(source)
    assert {problem.file for problem in refusal.value.problems} == {source}
    return [(problem.line, problem.message) for problem in refusal.value.problems]


@pytest.mark.parametrize(("snippet", "message"), OUTSIDE, ids=[snippet for snippet, _ in OUTSIDE])
def test_what_is_refused_outside_of_functions(tmp_path: Path, snippet: str, message: str) -> None:
    """The mistake is named, at its line."""
    found = refused(tmp_path, outside=snippet)
    assert any(line == 2 and message in said for line, said in found), found


@pytest.mark.parametrize(("snippet", "message"), INSIDE, ids=[snippet for snippet, _ in INSIDE])
def test_what_is_refused_within_a_function(tmp_path: Path, snippet: str, message: str) -> None:
    """The mistake is named, at its line."""
    found = refused(tmp_path, outside="class CFoo { public: int x; };", inside=snippet)
    assert any(line == 4 + snippet.count("\n") and message in said for line, said in found), found


@pytest.mark.parametrize(("snippet", "message"), COMPILED, ids=[snippet for snippet, _ in COMPILED])
def test_what_the_compiler_refuses(tmp_path: Path, snippet: str, message: str) -> None:
    """Types are checked by g++, whose errors are of the MQL5 line."""
    require_gpp()
    source = tmp_path / "Program.mq5"
    outside = "class CFoo { public: int x; }; void Change(const CFoo &foo) { foo.x=1; }"
    text = PROGRAM.format(outside=outside if "Change" in snippet else "", inside=snippet)
    source.write_text(text, encoding="utf-8")
    with pytest.raises(Rejected) as refusal:
        compile_only(source)
    line = 2 if "Change" in snippet else 4
    assert f"{source}:{line}:" in str(refusal.value)
    assert any(part in str(refusal.value) for part in message.split("|")), str(refusal.value)


def test_a_function_that_ends_without_a_value_is_refused(tmp_path: Path) -> None:
    """Not all paths return something: g++ would only warn."""
    require_gpp()
    source = tmp_path / "Program.mq5"
    source.write_text("int F(int a) { if(a>0) return(1); }\nvoid OnStart() { F(1); }\n", encoding="utf-8")
    with pytest.raises(Rejected, match="return-type"):
        compile_only(source)


def test_property_in_an_included_file_is_refused(tmp_path: Path) -> None:
    """MetaEditor ignores it silently."""
    (tmp_path / "a.mqh").write_text('int g_a=1;\n#property version "1.0"\n', encoding="utf-8")
    source = tmp_path / "Program.mq5"
    source.write_text('#include "a.mqh"\nvoid OnStart() {}\n', encoding="utf-8")
    with pytest.raises(NotMql5) as refusal:
        translate(source)
    (problem,) = refusal.value.problems
    assert (problem.file.name, problem.line) == ("a.mqh", 2)
    assert "#property in an included file is ignored" in problem.message


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """One run of the translator finds what does not hang on something else."""
    source = tmp_path / "Program.mq5"
    source.write_text("#pragma once\nvoid F(uchar b[]) {}\nvoid OnStart()\n  {\n   auto x=1;\n  }\n", encoding="utf-8")
    with pytest.raises(NotMql5) as refusal:
        translate(source)
    assert sorted(problem.line for problem in refusal.value.problems) == [1, 2, 5]
