"""MQL5 programs to executables, by g++; parts of them to fuzzers, by clang. What was built is kept by its contents."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs
import pytest
from mql5.translate import translate

from mql5 import terminal_library

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HOST = HERE / "host"
INCLUDE = ROOT / "mql5" / "Include"
CACHE = Path(os.environ.get("QUANTMIND_MQL5_CACHE") or ROOT / ".pytest_cache" / "mql5")
KEEP_S = 7 * 86400

BASE = (
    "-std=c++20",
    "-fwrapv",  # numbers wrap around in MQL5
    "-fno-strict-aliasing",
    "-ftrivial-auto-var-init=pattern",  # a variable that nobody has set holds nothing that looks right
    "-Wall",
    "-Wextra",
    "-Wno-unused-parameter",  # of handlers
    "-Wno-switch",  # MQL5 does not ask for all enumerators
    "-Werror=return-type",
)
SANITIZE = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")
FUZZ = ("-g", "-fsanitize=fuzzer-no-link,address,undefined", "-fno-sanitize-recover=undefined")


class MissingPart(Exception):
    """A compiler or a library that this computer does not have."""


class Rejected(Exception):
    """The C++ compiler does not take a program; the text is what it says, by lines of the sources."""


@attrs.frozen
class Compiler:
    """`command` with what it always gets."""

    command: str
    flags: tuple[str, ...]

    def with_flags(self, *flags: str) -> Compiler:
        return attrs.evolve(self, flags=(*self.flags, *flags))

    def call(self, *arguments: str | Path) -> None:
        said = subprocess.run(
            [self.command, *self.flags, *map(str, arguments)], capture_output=True, text=True, timeout=600
        )
        if said.returncode != 0:
            raise Rejected(said.stderr)

    def digest(self) -> str:
        return _digest(_version(self.command), repr(self.flags))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


@functools.cache
def _version(command: str) -> str:
    found = shutil.which(command)
    if found is None:
        raise MissingPart(f"{command} is not there: install it to compile MQL5 programs")
    return subprocess.run([found, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout


def gpp(*, sanitize: bool = False) -> Compiler:
    """g++ for programs.

    Raises:
        MissingPart: there is none.
    """
    _version("g++")
    if not _has_json():
        raise MissingPart(
            "nlohmann/json.hpp is not there: install nlohmann-json3-dev (or the like) for the made-up terminal"
        )
    flags = (*BASE, "-fno-lifetime-dse")  # what memory held before an object began to live stays
    return Compiler("g++", (*flags, "-O1", *(SANITIZE if sanitize else ())))


def clang(*, fuzz: bool = False) -> Compiler:
    """clang++, alone or with its fuzzer.

    Raises:
        MissingPart: there is none, or it has no fuzzer's library.
    """
    _version("clang++")
    if fuzz and not _has_fuzzer():
        raise MissingPart("clang++ has no libFuzzer: install its compiler-rt (libclang-rt-dev of its version)")
    return Compiler("clang++", (*BASE, "-O1", *(FUZZ if fuzz else ())))


@functools.cache
def _has_json() -> bool:
    asked = ["g++", "-x", "c++", "-E", "-"]
    source = "#if !__has_include(<nlohmann/json.hpp>)\n#error\n#endif\n"
    return subprocess.run(asked, input=source, text=True, capture_output=True, timeout=60).returncode == 0


@functools.cache
def _has_fuzzer() -> bool:
    asked = ["clang++", "-print-file-name=libclang_rt.fuzzer-x86_64.a"]
    said = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    return Path(said).is_file() or bool(list(Path(said).parent.glob("**/libclang_rt.fuzzer*.a")))


def _required(wanted: str, make: functools.partial[Compiler]) -> None:
    try:
        make()
    except MissingPart as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"{wanted}: {missing}")


def require_gpp() -> None:
    """Skips a test where there is no g++; in CI it fails."""
    _required("MQL5 programs", functools.partial(gpp))


def require_clang() -> None:
    """Skips a test where there is no clang++ with its fuzzer; in CI it fails."""
    _required("fuzzing", functools.partial(clang, fuzz=True))


@functools.cache
def _forget_old() -> None:
    # What nobody has used for a week was made of sources that are gone.
    oldest = time.time() - KEEP_S
    for path in CACHE.iterdir():
        with suppress(OSError):
            if path.is_file() and path.stat().st_mtime < oldest:
                path.unlink()


@contextmanager
def _made_once(path: Path) -> Iterator[Path | None]:
    # Where to build what is not there yet, with others kept waiting; None: it is there.
    path.parent.mkdir(parents=True, exist_ok=True)
    _forget_old()
    if path.exists():
        path.touch()  # in use
        yield None
        return
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            yield None
            return
        folder = path.with_suffix(f".{os.getpid()}")
        folder.mkdir(exist_ok=True)
        try:
            yield folder / path.name
            (folder / path.name).replace(path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def _host_digest() -> str:
    files = sorted(file for file in HOST.rglob("*") if file.suffix in (".hpp", ".cpp"))
    return _digest(*(f"{file.relative_to(HOST)}\n{file.read_text(encoding='utf-8')}" for file in files))


def library(compiler: Compiler) -> Path:
    """The host's own part, once for each compiler and its flags."""
    made = CACHE / f"libmqlhost-{_digest(_host_digest(), compiler.digest())}.a"
    with _made_once(made) as target:
        if target is None:
            return made
        objects = []
        for source in sorted((HOST / "lib").glob("*.cpp")):
            objects.append(target.parent / f"{source.stem}.o")
            compiler.call("-c", source, "-o", objects[-1])
        subprocess.run(["ar", "rcs", target, *objects], check=True, timeout=60)
    return made


def _linked(sources: Sequence[Path], compiler: Compiler, target: Path, *extra: str) -> None:
    libraries = [library(compiler), terminal_library.library()]
    compiler.call(f"-I{HOST}", *extra, *sources, "-o", target, *libraries)


def build(
    source: Path, *, sanitize: bool = False, roots: Sequence[Path] = (INCLUDE,), compiler: Compiler | None = None
) -> Path:
    """The executable of a program; with `sanitize` it ends at the first thing that C++ leaves undefined.

    Raises:
        NotMql5: it is not MQL5.
        Rejected: the compiler does not take it.
        MissingPart: there is no compiler.
    """
    compiler = compiler or gpp(sanitize=sanitize)
    text = translate(source, roots).text
    made = CACHE / f"{source.stem}-{_digest(text, _host_digest(), compiler.digest())}"
    with _made_once(made) as target:
        if target is not None:
            translated = target.parent / f"{source.stem}.cpp"
            translated.write_text(text, encoding="utf-8")
            _linked([translated], compiler, target)
    return made


def compile_only(
    source: Path,
    *,
    roots: Sequence[Path] = (INCLUDE,),
    compiler: Compiler | None = None,
    warnings_refuse: bool = False,
) -> None:
    """Compiles a program or a header without linking it: whether it can be, and no more.

    Raises:
        NotMql5: it is not MQL5.
        Rejected: the compiler does not take it, or warns.
    """
    compiler = (compiler or gpp()).with_flags(*(["-Werror"] if warnings_refuse else []))
    text = translate(source, roots).text
    made = CACHE / f"{source.stem}-{_digest(text, _host_digest(), compiler.digest())}.o"
    with _made_once(made) as target:
        if target is not None:
            translated = target.parent / f"{source.stem}.cpp"
            translated.write_text(text, encoding="utf-8")
            compiler.call(f"-I{HOST}", "-c", translated, "-o", target)


def build_fuzzer(harness: Path, *, program: Path, roots: Sequence[Path] = (INCLUDE,)) -> Path:
    """A fuzzer of MQL5 code: the harness is C++ and includes MQL_PROGRAM_FILE, which is `program`, translated.

    Raises:
        NotMql5, Rejected, MissingPart: as for `build`.
    """
    compiler = clang(fuzz=True)
    text = translate(program, roots).text
    made = (
        CACHE
        / f"{harness.stem}-{_digest(text, harness.read_text(encoding='utf-8'), _host_digest(), compiler.digest())}"
    )
    with _made_once(made) as target:
        if target is not None:
            translated = target.parent / f"{program.stem}.program.cpp"
            translated.write_text(text, encoding="utf-8")
            _linked([harness], compiler, target, f'-DMQL_PROGRAM_FILE="{translated}"', "-fsanitize=fuzzer")
    return made


def fuzz(fuzzer: Path, *, runs: int, corpus: Path, seconds: int = 0, most_bytes: int = 4096) -> str:
    """Runs a fuzzer: so many inputs, or so many seconds. What was useful goes into `corpus`; what it said is returned.

    Raises:
        AssertionError: it found something; the text says what, and which input.
    """
    corpus.mkdir(parents=True, exist_ok=True)
    limits = [f"-runs={runs}", f"-max_len={most_bytes}", f"-artifact_prefix={corpus.parent}/"]
    if seconds:
        limits.append(f"-max_total_time={seconds}")
    within = max(300, 4 * seconds, runs // 500)
    said = subprocess.run([fuzzer, *limits, corpus], capture_output=True, text=True, timeout=within)
    assert said.returncode == 0, said.stderr[-6000:]
    return said.stderr
