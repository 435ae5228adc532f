"""The JSON of the MQL5 library, compared with Python's."""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import re
import string
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mql5.build import build, build_fuzzer, require_clang, require_gpp
from mql5.program import run

HERE = Path(__file__).parent
COMMANDS = sorted((HERE.parent / "protocol" / "commands").glob("*.json"))

Run = Callable[..., list[str]]


def records(documents: list[bytes]) -> bytes:
    return b"".join(struct.pack(">I", len(document)) + document for document in documents)


def answers(data: bytes) -> list[str]:
    found, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found.append(data[at + 4 : at + 4 + length].decode())
        at += 4 + length
    return found


@pytest.fixture
def ask(tmp_path: Path) -> Run:
    """One run of a program for many documents; one answer for each."""
    require_gpp()
    files = tmp_path / "MQL5" / "Files"
    files.mkdir(parents=True)

    def asked(name: str, documents: list[bytes], **inputs: object) -> list[str]:
        (files / "json.in").write_bytes(records(documents))
        done = run(build(HERE / "programs" / f"{name}.mq5"), inputs=inputs, folder=tmp_path, timeout=300)
        assert done.exit_code == 0, done.errors
        found = answers((files / "json.out").read_bytes())
        assert len(found) == len(documents)
        return found

    return asked


def gathered(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """Examples of a strategy at once: to start a program for each would take too long."""
    made: list[Any] = []

    @settings(max_examples=count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(strategy)
    def gather(example: Any) -> None:
        made.append(example)

    gather()
    return made


class Digits(str):
    """A number as it was written."""

    __slots__ = ()


def compact(value: Any) -> str:
    """JSON without spaces, and with its numbers digit by digit."""
    if isinstance(value, Digits):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{compact(key)}:{compact(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(compact(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def expected(document: bytes) -> str:
    return "+" + compact(json.loads(document.decode(), parse_float=Digits))


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
integers = st.one_of(
    st.integers(-(2**63), 2**64 - 1),
    st.sampled_from([2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1]),
    st.integers(-(10**60), 10**60),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), integers, st.floats(allow_nan=False, allow_infinity=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=6), st.dictionaries(texts, inner, max_size=6)),
    max_leaves=10,
)
documents = st.builds(
    lambda value, ascii_only, indent: json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode(),
    values,
    st.booleans(),
    st.sampled_from([None, 0, 1, "\t"]),
)


@pytest.mark.parametrize("count", [600, pytest.param(8000, marks=pytest.mark.long)])
def test_documents_are_read_as_python_reads_them(ask: Run, count: int) -> None:
    """Any documents, in one run: written again, each is what Python writes."""
    made = gathered(documents, count)
    for document, answer in zip(made, ask("json_echo", made), strict=True):
        assert answer == expected(document), document


def made_by_chance(luck: random.Random, depth: int = 4) -> Any:
    match luck.randrange(8 if depth else 6):
        case 0:
            return luck.choice([None, True, False])
        case 1:
            return luck.randrange(-(2**63), 2**64)
        case 2:
            return round(luck.uniform(-5000, 5000), luck.randrange(1, 9))
        case 3:
            return luck.uniform(-1, 1) * 10 ** luck.randrange(-300, 300)
        case 4 | 5:
            return "".join(luck.choices('abcd "\\\n\x01é€😀', k=luck.randrange(12)))
        case 6:
            return [made_by_chance(luck, depth - 1) for _ in range(luck.randrange(6))]
    return {
        f"{luck.choice('aé€')}{luck.randrange(99)}": made_by_chance(luck, depth - 1) for _ in range(luck.randrange(40))
    }


def test_many_documents(ask: Run) -> None:
    """Thousands of documents by chance, in all ways to write them."""
    luck = random.Random(7)
    made = []
    for _ in range(5000):
        indent, ascii_only = luck.choice([None, None, 1]), luck.random() < 0.5
        made.append(json.dumps(made_by_chance(luck), indent=indent, ensure_ascii=ascii_only).encode())
    for document, answer in zip(made, ask("json_echo", made), strict=True):
        assert answer == expected(document), document


def test_golden_commands_are_read_and_written(ask: Run) -> None:
    """Each recorded command and answer of the gateway comes out as it went in, digit by digit."""
    assert len(COMMANDS) > 50
    made = [path.read_bytes() for path in sorted((HERE.parent / "protocol").rglob("*.json"))]
    for path in COMMANDS:
        case = json.loads(path.read_text(encoding="utf-8"), parse_float=Digits)
        made += [compact(case[part]).encode() for part in ("send", "expect") if part in case]
    for document, answer in zip(made, ask("json_echo", made), strict=True):
        assert answer == expected(document), document
    assert any(b"0.1" in document for document in made)


GOOD = [
    b"null", b"true", b"false", b" true ", b"\t\r\n 1\n", b"0", b"-0", b"-1", b"10", b"0.1", b"-0.0", b"1.50",
    b"1e1", b"1E1", b"1e+1", b"1e-1", b"0e0", b"0.0e+00", b"1.25E-07", b"123456789012345678901234567890",
    b"1" * 64, b"18446744073709551615", b"-9223372036854775808", b'""', b'"a"', b'" "', b'"\x7f"', b'"/"',
    rb'"\/"', rb'"\"\\\b\f\n\r\t"', rb'"\u0001"', rb'"\u00e9"', rb'"\u00E9"', rb'"\ud83d\ude00"', rb'"\uD83D\uDE00x"',
    rb'"\uffff"', rb'"\u2028"', rb'"\\u0000"', '"é"'.encode(), '"€"'.encode(), '"😀"'.encode(), '"\U0010ffff"'.encode(),
    '"\ud7ff\ue000"'.encode(), '"\ufeff"'.encode(), '"\x80߿ࠀ\uffff\U00010000"'.encode(),
    rb'"x\ny\u20acz"', b"[]", b"[ ]", b"[1]", b"[1,2]", b"[ 1 , 2 ]", b"[[],[[]]]", b"[null,true,false]", b'["",{}]',
    b"{}", b"{ }", b'{"a":1}', b'{ "a" : 1 , "b" : [ ] }', b'{"":""}', b'{"a":{"a":{"a":1}}}', b'{"a":1,"A":2}',
    b'{"a":1,"a ":2}', b'[{"a":1},{"a":2}]', b'{"a":"\\"}"}', rb'{"\u0061b":1,"a\n":2}', b"[" * 32 + b"]" * 32,
    '{"\u00e9":1,"e\u0301":2}'.encode(), b"[1]" + b" " * 5000,
]  # fmt: skip
"""Documents by RFC 8259."""

BAD: list[tuple[bytes, str]] = [
    (b"", "byte 0: no document"),
    (b" \n", "byte 2: no document"),
    (b"\xef\xbb\xbf1", "byte 0: no value"),
    (b"\x00", "byte 0: no value"),
    (b"1\x00", "byte 1: something behind"),
    (b"nul", "byte 0: no value"),
    (b"nulL", "byte 0: no value"),
    (b"True", "byte 0: no value"),
    (b"NULL", "byte 0: no value"),
    (b"truee", "byte 4: something behind"),
    (b"NaN", "byte 0: no value"),
    (b"Infinity", "byte 0: no value"),
    (b"-Infinity", "byte 0: a minus"),
    (b"1 2", "byte 2: something behind"),
    (b"{}{}", "byte 2: something behind"),
    (b"[1],", "byte 3: something behind"),
    (b"[]]", "byte 2: something behind"),
    (b"+1", "byte 0: no value"),
    (b".5", "byte 0: no value"),
    (b"-", "byte 0: a minus"),
    (b"--1", "byte 0: a minus"),
    (b"- 1", "byte 0: a minus"),
    (b"-.5", "byte 0: a minus"),
    (b"01", "byte 0: a number with a leading zero"),
    (b"-01", "byte 0: a number with a leading zero"),
    (b"00", "byte 0: a number with a leading zero"),
    (b"[1,02]", "byte 3: a number with a leading zero"),
    (b"1.", "byte 0: a number without digits behind its point"),
    (b"1.e1", "byte 0: a number without digits behind its point"),
    (b"0.x", "byte 0: a number without digits behind its point"),
    (b"1e", "byte 0: a number without digits in its exponent"),
    (b"1e+", "byte 0: a number without digits in its exponent"),
    (b"1e-x", "byte 0: a number without digits in its exponent"),
    (b"1e1.5", "byte 3: something behind"),
    (b"0x10", "byte 1: something behind"),
    (b"1_000", "byte 1: something behind"),
    (b"1,5", "byte 1: something behind"),
    (b"1f", "byte 1: something behind"),
    ("1\u0661".encode(), "byte 1: something behind"),
    (b"1" * 65, "byte 0: a number of more than 64 characters"),
    (b"0." + b"0" * 63, "byte 0: a number of more than 64 characters"),
    (b'"', "byte 0: a string without an end"),
    (b'"a', "byte 0: a string without an end"),
    (b'[1,"a]', "byte 3: a string without an end"),
    (b'"a""b"', "byte 3: something behind"),
    (b"'a'", "byte 0: no value"),
    (b'"a\nb"', "byte 2: a control character"),
    (b'"a\tb"', "byte 2: a control character"),
    (b'"a\x00b"', "byte 2: a control character"),
    (b'"\x1f"', "byte 1: a control character"),
    (rb'"\x41"', "byte 1: an escape that JSON does not know"),
    (rb'"\a"', "byte 1: an escape that JSON does not know"),
    (rb'"\v"', "byte 1: an escape that JSON does not know"),
    (rb'"\0"', "byte 1: an escape that JSON does not know"),
    (rb'"\'"', "byte 1: an escape that JSON does not know"),
    (rb'"\U0041"', "byte 1: an escape that JSON does not know"),
    (b'"\\\xc3\xa9"', "byte 1: an escape that JSON does not know"),
    (b'"\\\n"', "byte 1: an escape that JSON does not know"),
    (b'"a\\', "byte 2: the document ends within a string"),
    (b'"\\"', "byte 0: a string without an end"),
    (rb'"\u"', r"byte 1: \u needs four hexadecimal digits"),
    (rb'"\u004"', r"byte 1: \u needs four hexadecimal digits"),
    (rb'"\u00', r"byte 1: \u needs four hexadecimal digits"),
    (rb'"\u00g0"', r"byte 1: \u needs four hexadecimal digits"),
    (rb'"\u+041"', r"byte 1: \u needs four hexadecimal digits"),
    (rb'"\u 041"', r"byte 1: \u needs four hexadecimal digits"),
    (rb'"ab\u0000"', r"byte 3: \u0000 in a string"),
    (rb'{"\u0000":1}', r"byte 2: \u0000 in a string"),
    (rb'"\ud800"', "byte 1: a lone surrogate"),
    (rb'"\ud800x"', "byte 1: a lone surrogate"),
    (rb'"\udc00"', "byte 1: a lone surrogate"),
    (rb'"\ud800\ud800"', "byte 1: a lone surrogate"),
    (rb'"\ud800\u0041"', "byte 1: a lone surrogate"),
    (rb'"\ud800\n"', "byte 1: a lone surrogate"),
    (rb'"\ude00\ud83d"', "byte 1: a lone surrogate"),
    (rb'"\ud83d\ude0"', "byte 1: a lone surrogate"),
    (rb'"\ud83d\u', "byte 1: a lone surrogate"),
    (rb'"\ud83dxude00"', "byte 1: a lone surrogate"),
    (rb'"\ud83d\nde00x"', "byte 1: a lone surrogate"),
    (b'"\x80"', "byte 1: no UTF-8"),
    (b'"\xbf"', "byte 1: no UTF-8"),
    (b'"\xc3"', "byte 1: no UTF-8"),
    (b'"\xc3', "byte 1: no UTF-8"),
    (b'"\xe2\x82"', "byte 1: no UTF-8"),
    (b'"\xf0\x9f\x98"', "byte 1: no UTF-8"),
    (b'"\xc3\x28"', "byte 1: no UTF-8"),
    (b'"\xe2\x28\xa1"', "byte 1: no UTF-8"),
    (b'"\xe2\x82\x28"', "byte 1: no UTF-8"),
    (b'"\xc0\xaf"', "byte 1: no UTF-8"),
    (b'"\xc1\xbf"', "byte 1: no UTF-8"),
    (b'"\xc0\x80"', "byte 1: no UTF-8"),
    (b'"\xe0\x80\x80"', "byte 1: no UTF-8"),
    (b'"\xe0\x9f\xbf"', "byte 1: no UTF-8"),
    (b'"\xf0\x80\x80\x80"', "byte 1: no UTF-8"),
    (b'"\xf0\x8f\xbf\xbf"', "byte 1: no UTF-8"),
    (b'"\xed\xa0\x80"', "byte 1: no UTF-8"),
    (b'"\xed\xbf\xbf"', "byte 1: no UTF-8"),
    (b'"\xed\xa0\xbd\xed\xb8\x80"', "byte 1: no UTF-8"),
    (b'"\xf4\x90\x80\x80"', "byte 1: no UTF-8"),
    (b'"\xf5\x80\x80\x80"', "byte 1: no UTF-8"),
    (b'"\xff"', "byte 1: no UTF-8"),
    (b'"ab\xe9"', "byte 3: no UTF-8"),
    (b'{"\xe9":1}', "byte 2: no UTF-8"),
    (b"\xc2\xa01", "byte 0: no value"),
    (b"\x0c1", "byte 0: no value"),
    (b"\x0b1", "byte 0: no value"),
    (b"[", "byte 1: the document ends too early"),
    (b"[1", "byte 2: the document ends too early"),
    (b"[1,", "byte 3: the document ends too early"),
    (b"]", "byte 0: no value"),
    (b"[1,]", "byte 3: no value"),
    (b"[,1]", "byte 1: no value"),
    (b"[,]", "byte 1: no value"),
    (b"[1,,2]", "byte 3: no value"),
    (b"[1 2]", "byte 3: no comma and no end of the array"),
    (b"[1}", "byte 2: no comma and no end of the array"),
    (b"[1:2]", "byte 2: no comma and no end of the array"),
    (b'["a":1]', "byte 4: no comma and no end of the array"),
    (b"[1;2]", "byte 2: no comma and no end of the array"),
    (b"[}", "byte 1: no value"),
    (b"{", "byte 1: the document ends too early"),
    (b'{"a"', "byte 4: no colon"),
    (b'{"a":', "byte 5: the document ends too early"),
    (b'{"a":1', "byte 6: the document ends too early"),
    (b'{"a":1,', "byte 7: the document ends too early"),
    (b"}", "byte 0: no value"),
    (b"{]", "byte 1: no key"),
    (b'{"a":1]', "byte 6: no comma and no end of the object"),
    (b'{"a":1,}', "byte 7: no key"),
    (b'{,"a":1}', "byte 1: no key"),
    (b'{"a":1,,"b":2}', "byte 7: no key"),
    (b'{"a":}', "byte 5: no value"),
    (b'{"a"}', "byte 4: no colon"),
    (b'{"a",1}', "byte 4: no colon"),
    (b'{"a" 1}', "byte 5: no colon"),
    (b'{"a"::1}', "byte 5: no value"),
    (b'{"a"=1}', "byte 4: no colon"),
    (b'{"a":1 "b":2}', "byte 7: no comma and no end of the object"),
    (b'{"a":1;"b":2}', "byte 6: no comma and no end of the object"),
    (b"{a:1}", "byte 1: no key"),
    (b"{'a':1}", "byte 1: no key"),
    (b"{1:1}", "byte 1: no key"),
    (b"{null:1}", "byte 1: no key"),
    (b'{"a":1,2}', "byte 7: no key"),
    (b'{"a":1,"a":1}', 'byte 11: the key "a" twice in one object'),
    (b'{"":1,"":2}', 'byte 9: the key "" twice in one object'),
    (b'{"a":1,"b":2,"a":3}', 'byte 17: the key "a" twice in one object'),
    (rb'{"a":1,"\u0061":2}', 'byte 16: the key "a" twice in one object'),
    (b'[{"x":{"b":[],"b":[]}}]', 'byte 18: the key "b" twice in one object'),
    ('{"é":1,"\\u00e9":2}'.encode(), "byte 17: the key \"é\" twice in one object"),
    (b'{"' + b"k" * 99 + b'":1,"' + b"k" * 99 + b'":2}', "byte 207: a key twice in one object"),
    (b"// no\n1", "byte 0: no value"),
    (b"1 // no", "byte 2: something behind"),
    (b"[1,/* no */2]", "byte 3: no value"),
    (b"# no\n1", "byte 0: no value"),
    (b"undefined", "byte 0: no value"),
    (b"[" * 33 + b"]" * 33, "byte 32: deeper than 32"),
    (b'{"a":' * 33 + b"1" + b"}" * 33, "byte 160: deeper than 32"),
    (b"[" * 100_000, "byte 32: deeper than 32"),
    ("1".encode("utf-16"), "byte 0: no value"),
]  # fmt: skip
"""What is refused, and why."""


def test_what_is_json_is_taken(ask: Run) -> None:
    for document, answer in zip(GOOD, ask("json_echo", GOOD), strict=True):
        assert answer == expected(document), document


def test_what_is_no_json_is_refused(ask: Run) -> None:
    """Each refusal says where and why."""
    given_ = [document for document, _ in BAD]
    for (document, why), answer in zip(BAD, ask("json_echo", given_), strict=True):
        assert answer.startswith(f"-{why}"), document


def test_each_document_cut_short_is_refused(ask: Run) -> None:
    """No beginning of an object or of an array is a document."""
    whole = rb'{"ticket":18446744073709551615,"text":"\ud83d\ude00\n","list":[1.5e-3,true,null,{}]}'
    cut = [whole[:length] for length in range(len(whole))]
    assert all(answer.startswith("-byte ") for answer in ask("json_echo", cut))
    assert ask("json_echo", [whole]) == [expected(whole)]


def test_nothing_is_left_of_the_document_before(ask: Run) -> None:
    """What a longer document left in the reader is not taken for the end of a shorter one."""
    longer = b'["' + b"a" * 40 + b'"]'
    for shorter in (rb'"\u004', rb'"\ud83d\ude0', b"tru", b'["a', b"-", b'"\xc3', b"[1"):
        before = shorter + {b"tru": b"e", b"-": b"1", b'"\xc3': b'\xa9"', b"[1": b"]"}.get(shorter, b'00"')
        found = ask("json_echo", [longer, before, shorter])
        assert found[2].startswith("-byte "), shorter
        assert found[2] == ask("json_echo", [shorter])[0]


def test_limits(ask: Run) -> None:
    """Depth, values and bytes: what is just within is taken, one more is not."""
    assert ask("json_echo", [b'[[{"a":1}]]', b"[[[[]]]]"], InpDepth=3) == ['+[[{"a":1}]]', "-byte 3: deeper than 3"]
    assert ask("json_echo", [b"[1,2]", b"[1,2,3]"], InpNodes=3) == ["+[1,2]", "-byte 5: more than 3 values"]
    assert ask("json_echo", [b"[1]", b"[1 ]"], InpBytes=3) == ["+[1]", "-byte 0: more than 3 bytes"]


def fnv(text: bytes, state: int = 0x811C9DC5) -> int:
    for byte in text:
        state = (state ^ byte) * 16777619 & 0xFFFFFFFF
    return state


def keys_alike(pairs: int) -> list[str]:
    """2**pairs different keys that have one hash: two blocks with one effect, that many times."""
    luck, state, blocks = random.Random(7), fnv(b""), []
    while len(blocks) < pairs:
        seen: dict[int, str] = {}
        while True:
            block = "".join(luck.choices(string.ascii_letters + string.digits, k=6))
            after = fnv(block.encode(), state)
            if seen.setdefault(after, block) != block:
                blocks.append((seen[after], block))
                state = after
                break
    return ["".join(choice) for choice in itertools.product(*blocks)]


def test_objects_with_many_members(ask: Run) -> None:
    """A key that is there twice is found among many; keys with one hash are told apart, or refused if many."""
    many = {f"k{number}": number for number in range(5000)}
    whole = json.dumps(many)[:-1]
    alike = keys_alike(7)
    assert len({fnv(key.encode()) for key in alike}) == 1
    some = dict.fromkeys(alike[:60], 1) | {f"k{number}": number for number in range(40)}
    given_ = [
        f"{whole}}}".encode(),
        f'{whole},"k4321":1}}'.encode(),
        f'{whole},"\\u006b0":1}}'.encode(),
        json.dumps(some).encode(),
        f'{json.dumps(some)[:-1]},"{alike[59]}":1}}'.encode(),
        json.dumps(dict.fromkeys(alike, 1)).encode(),
    ]
    found = ask("json_echo", given_)
    assert found[0] == expected(given_[0])
    assert found[1].endswith('the key "k4321" twice in one object')
    assert found[2].endswith('the key "k0" twice in one object')
    assert found[3] == expected(given_[3])
    assert found[4].endswith(f'the key "{alike[59]}" twice in one object')
    assert found[5].endswith("too many keys with one hash")


def test_the_time_is_that_of_the_bytes(ask: Run) -> None:
    """Documents of megabytes that would take minutes if any of it were quadratic."""
    given_ = [
        json.dumps({f"key number {number}": number for number in range(60_000)}).encode(),
        json.dumps(["é\n" * 8] * 60_000).encode(),
        b'"' + rb"\u00e9" * 600_000 + b'"',
        b"[" + b"{}," * 60_000 + b"[]]",
        b'["' + b'\\"' * 1_000_000 + b'"]' + b" " * 1_000_000,
    ]
    run_echo = ask("json_echo", given_[1:])
    assert run_echo == [expected(document) for document in given_[1:]]
    (answer,) = ask("json_echo", [given_[0][:-1] + b',"key number 7":0}'])
    assert "twice" in answer


number_texts = st.one_of(
    integers.map(str),
    st.from_regex(r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.from_regex(r"(0|[1-9][0-9]{0,6})\.[0-9]{1,8}", fullmatch=True),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(
        ["1.0", "1e3", "-0", "-0.0", "1e400", "-1e400", "1e-400", "9007199254740993", "0.1", "1e22", "1e23"]
    ),
    st.sampled_from(
        [str(sign * (2**power + step)) for sign in (1, -1) for power in (53, 63, 64) for step in (-1, 0, 1)]
    ),
)


@pytest.mark.parametrize("count", [600, pytest.param(8000, marks=pytest.mark.long)])
def test_every_question_of_the_reader(ask: Run, count: int) -> None:
    """Numbers are exact, integers are integers, and a fallback answers for what is something else."""
    made = [f'{{"v":{text}}}' for text in gathered(number_texts, count)]
    made += [f'{{"v":{json.dumps(value)}}}' for value in gathered(values, count // 8)]
    for document, answer in zip(made, ask("json_values", [text.encode() for text in made]), strict=True):
        value = json.loads(document, parse_float=Digits)["v"]
        raw = document[5:-1]
        assert json.loads(answer) == [row("v", value, raw), row("nowhere"), row("nowhere")], document


def row(key: str, value: Any = ..., raw: str = "") -> list[Any]:
    """What json_values says of a member; `...` stands for one that is not there."""
    kinds = {type(...): 0, type(None): 1, bool: 2, int: 3, Digits: 3, str: 4, list: 5, dict: 6}
    kind = kinds[type(value)]
    whole = type(value) is int
    number = float(raw) if kind == 3 else -7.5
    return [
        key,
        kind,
        len(value) if kind > 4 else 0,
        value if kind == 4 else "none",
        written(number if math.isfinite(number) else -7.5),
        value if whole and -(2**63) <= value < 2**63 else -7,
        value if whole and 0 <= value < 2**64 else 7,
        whole and -(2**63) <= value < 2**64,
        value is True,
        kind > 1,
        raw,
    ]


def written(number: float) -> str:
    return f"{number:.17g}"


class Model:
    """The writer, as it is meant."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.open: list[tuple[str, list[str], list[str]]] = []
        self.key: str | None = None
        self.result = ""
        self.failed = False

    def value(self, text: str) -> None:
        if self.result or (self.open and self.open[-1][0] == "{" and self.key is None):
            self.failed = True
        elif not self.open:
            self.result = text
        else:
            self.open[-1][1].append(text if self.key is None else f"{self.key}:{text}")
            self.key = None

    def call(self, method: str, *arguments: Any) -> None:
        if method.endswith("At"):
            self.call("Key", arguments[0])
            self.call({"Raw": "RawJson"}.get(method[:-2], method[:-2]), *arguments[1:])
        elif method == "Clear":
            self.clear()
        elif method in {"BeginObject", "BeginArray"}:
            if self.result or (self.open and self.open[-1][0] == "{" and self.key is None) or len(self.open) == 64:
                self.failed = True
            else:
                self.open.append(("{" if method == "BeginObject" else "[", [], [self.key] if self.key else []))
                self.key = None
        elif method in {"EndObject", "EndArray"}:
            opening = "{" if method == "EndObject" else "["
            if not self.open or self.open[-1][0] != opening or self.key is not None:
                self.failed = True
                return
            _, parts, key = self.open.pop()
            self.key = key[0] if key else None
            self.value(opening + ",".join(parts) + {"{": "}", "[": "]"}[opening])
        elif method == "Key":
            key = json.dumps(whole(arguments[0]), ensure_ascii=False)
            if not self.open or self.open[-1][0] != "{" or self.key is not None:
                self.failed = True
                return
            self.failed |= any(part.startswith(f"{key}:") for part in self.open[-1][1])
            self.key = key
        else:
            self.value(self.text(method, *arguments))

    def text(self, method: str, *arguments: Any) -> str:
        match method:
            case "Text":
                return json.dumps(whole(arguments[0]), ensure_ascii=False)
            case "RawJson":
                self.failed |= not arguments[0]
                return whole(arguments[0])
            case "Number":
                return self.number(*arguments)
            case "Null":
                return "null"
        return json.dumps(arguments[0])

    def number(self, value: Any, digits: int) -> str:
        text = "" if isinstance(value, str) else f"{float(value):.{min(max(digits, 0), 16)}f}"
        if not text or len(text) > 64:
            self.failed = True
            return "null"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
        return "0" if text == "-0" else text


def whole(text: str) -> str:
    """The text that the program makes of an argument."""
    units = text.replace("<high>", "\ud83d").replace("<low>", "\ude00").encode("utf-16-le", "surrogatepass")
    return re.sub("[\ud800-\udfff]", "\ufffd", units.decode("utf-16-le", "surrogatepass"))


names = st.sampled_from(["a", "b", "c", "é", 'q"', "<high>", "<low>x", "<high><low>"])
written_texts = st.one_of(names, texts)
figures = st.one_of(
    st.floats(-1e12, 1e12),
    st.floats(-1, 1),
    st.sampled_from([0.1, 1.1, 1e30, 1e200, -0.0, "nan", "inf", "-inf", "most"]),
)
digits = st.integers(-1, 20)
longs, ulongs = (
    st.integers(-(2**63), 2**63 - 1),
    st.one_of(st.integers(0, 2**64 - 1), st.integers(2**64 - 20, 2**64 - 1)),
)
raws = st.sampled_from(["1", "0.10", "[1, 2]", '{"x":"é"}', ""])
calls = st.one_of(
    st.sampled_from([["BeginObject"], ["EndObject"], ["BeginArray"], ["EndArray"], ["Null"]]),
    st.sampled_from([["BeginObject"], ["BeginArray"], ["EndObject"], ["EndArray"]]),
    st.tuples(st.just("Key"), written_texts),
    st.tuples(st.just("Text"), written_texts),
    st.tuples(st.just("Long"), longs),
    st.tuples(st.just("Ulong"), ulongs),
    st.tuples(st.just("Bool"), st.booleans()),
    st.tuples(st.just("Number"), figures, digits),
    st.tuples(st.just("RawJson"), raws),
    st.tuples(st.just("TextAt"), written_texts, written_texts),
    st.tuples(st.just("LongAt"), written_texts, longs),
    st.tuples(st.just("UlongAt"), written_texts, ulongs),
    st.tuples(st.just("BoolAt"), written_texts, st.booleans()),
    st.tuples(st.just("NullAt"), written_texts),
    st.tuples(st.just("NumberAt"), written_texts, figures, digits),
    st.tuples(st.just("RawAt"), written_texts, raws),
)


@st.composite
def balanced(draw: st.DrawFn) -> list[list[Any]]:
    """Calls that mostly make a document: what may be said next is known."""
    made: list[list[Any]] = []
    open_: list[str] = []
    for _ in range(draw(st.integers(1, 25))):
        if open_ and draw(st.integers(0, 3)) == 0:
            made.append([f"End{open_.pop()}"])
        elif draw(st.integers(0, 3)) == 0 or not open_:
            if open_ and open_[-1] == "Object":
                made.append(["Key", draw(texts)])
            open_.append(draw(st.sampled_from(["Object", "Array"])))
            made.append([f"Begin{open_[-1]}"])
        else:
            at = open_[-1] == "Object"
            made.append(
                list(draw(calls.filter(lambda call, at=at: call[0].endswith("At") == at and len(call) > 1 + at)))
            )
        if not open_:
            break
    return made + [[f"End{kind}"] for kind in reversed(open_)]


def said(calls_: Any) -> str:
    model = Model()
    for call in calls_:
        model.call(*call)
    return ("failed " if model.failed else "fine ") + ("" if model.failed else model.result)


@pytest.mark.parametrize("count", [300, pytest.param(4000, marks=pytest.mark.long)])
def test_the_writer(ask: Run, count: int) -> None:
    """Any calls give what they should give, or nothing; and what is given is read back."""
    made = gathered(balanced(), count) + gathered(st.lists(calls, max_size=12), count // 2)
    found = ask("json_write", [json.dumps(calls_).encode() for calls_ in made])
    for calls_, answer in zip(made, found, strict=True):
        assert answer == said(calls_), calls_
    good = [answer[5:].encode() for answer in found if answer.startswith("fine ") and len(answer) > 5]
    assert len(good) > count // 4
    for document, answer in zip(good, ask("json_echo", good), strict=True):
        assert answer == expected(document)


@pytest.mark.parametrize(
    ("calls_", "answer"),
    [
        ([], "fine "),
        ([["Null"]], "fine null"),
        ([["Null"], ["Null"]], "failed "),
        ([["BeginObject"]], "fine "),
        ([["BeginObject"], ["EndArray"]], "failed "),
        ([["EndObject"]], "failed "),
        ([["Key", "a"]], "failed "),
        ([["BeginArray"], ["Key", "a"]], "failed "),
        ([["BeginObject"], ["Null"]], "failed "),
        ([["BeginObject"], ["Key", "a"], ["Key", "b"]], "failed "),
        ([["BeginObject"], ["Key", "a"], ["EndObject"]], "failed "),
        ([["BeginObject"], ["NullAt", "a"], ["NullAt", "a"], ["EndObject"]], "failed "),
        ([["BeginObject"], ["EndObject"], ["BeginArray"]], "failed "),
        ([["BeginArray"]] * 65, "failed "),
        ([["BeginArray"]] * 64 + [["EndArray"]] * 64, "fine " + "[" * 64 + "]" * 64),
        ([["EndObject"], ["Clear"], ["Ulong", 2**64 - 1]], "fine 18446744073709551615"),
        ([["Long", -(2**63)]], "fine -9223372036854775808"),
        ([["Number", 1.1, 5]], "fine 1.1"),
        ([["Number", 0.1 + 0.2, 2]], "fine 0.3"),
        ([["Number", 100.0, 2]], "fine 100"),
        ([["Number", 100.0, 0]], "fine 100"),
        ([["Number", -0.001, 2]], "fine 0"),
        ([["Number", 1.08512, 99]], "fine 1.0851200000000001"),
        ([["Number", "nan", 2]], "failed "),
        ([["Number", "-inf", 2]], "failed "),
        ([["Number", "most", 2]], "failed "),
        ([["Text", "\x01\x1f\"\\/\b\f\n\r\t\x7fé"]], 'fine "\\u0001\\u001f\\"\\\\/\\b\\f\\n\\r\\t\x7fé"'),
        ([["Text", "<high><low>"]], 'fine "😀"'),
        ([["Text", "<high>-<low>"]], 'fine "\ufffd-\ufffd"'),
        ([["Text", "<low><high>"]], 'fine "\ufffd\ufffd"'),
        ([["RawJson", ""]], "failed "),
        ([["BeginArray"], ["RawJson", "0.10"], ["RawJson", "{}"], ["EndArray"]], "fine [0.10,{}]"),
    ],
)  # fmt: skip
def test_what_the_writer_is_told(ask: Run, calls_: list[list[Any]], answer: str) -> None:
    """By hand, one of each; the model says the same."""
    assert ask("json_write", [json.dumps(calls_).encode()]) == [answer]
    assert said(calls_) == answer


SEEDS = [
    b'{"type":"trade_open","volume":0.1,"ticket":18446744073709551615,"sl":null,"ok":true,"list":[1,-2.5e-3,"x"]}',
    rb'["\ud83d\ude00\n\u00e9\"","\\"]',
    '{"é":"😀","":{}}'.encode(),
    b'{"a":1,"a":2}',
    b"\x00\x14a\x00\x55ab\x00\x01\x1ca\x00\x02b\x00\x01\x01",
    b"\x02\x15\x00a\x26\x00\x01\x00\x02\x4a\x00\x00\x00\x01\x00\x00\x00\x00\x03",
]


def fuzz(tmp_path: Path, runs: int, longest: int) -> None:
    require_clang()
    folder = tmp_path / "inputs"
    folder.mkdir()
    for number, seed in enumerate(SEEDS):
        (folder / f"seed{number}").write_bytes(seed)
    binary = build_fuzzer(HERE / "fuzz" / "json_fuzz.cpp", program=HERE / "fuzz" / "json_fuzz.mqh")
    done = subprocess.run(
        [binary, f"-runs={runs}", "-seed=7", f"-max_len={longest}", "-timeout=10", folder],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=2400,
        cwd=tmp_path,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1"},
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
    assert f"Done {runs} runs" in done.stderr


def test_any_bytes(tmp_path: Path) -> None:
    """Bytes by libFuzzer: no crash, no loop, and what is read, or written, can be written, or read, again."""
    fuzz(tmp_path, 100_000, 400)


@pytest.mark.long
def test_any_bytes_for_long(tmp_path: Path) -> None:
    fuzz(tmp_path, 1_000_000, 2000)
