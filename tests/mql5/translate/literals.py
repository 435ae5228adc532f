"""Literals of MQL5 as C++."""

from __future__ import annotations

import calendar
import re

DATE = re.compile(r"(\d{4})\.(\d{1,2})\.(\d{1,2})(?:[ T](\d{1,2})(?::(\d{1,2})(?::(\d{1,2}))?)?)?")
REAL = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fF]?")
ESCAPE = re.compile(r"\\(?:x(?P<hex>[0-9a-fA-F]{1,4})|(?P<decimal>[0-9]{1,5})|(?P<plain>[ntr\\'\"])|(?P<other>.))")
HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
MOST_CODE = 0xFFFF


class NoLiteral(Exception):
    """What looks like a literal and is none."""


def date(text: str) -> str:
    """D'2026.01.02 03:04:05'; one without a date would hang on the day of the build."""
    match = DATE.fullmatch(text[2:-1].strip())
    if match is None:
        raise NoLiteral(f"{text} is no date this host takes (D'yyyy.mm.dd hh:mi:ss')")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        raise NoLiteral(f"{text} is no date of the calendar")
    return f"::mql::datetime({calendar.timegm((year, month, day, hour, minute, second))}L)"


def color(text: str) -> str:
    """C'red,green,blue'."""
    try:
        red, green, blue = (int(part.strip(), 0) for part in text[2:-1].split(","))
    except ValueError:
        raise NoLiteral(f"{text} is no color (C'red,green,blue')") from None
    if not all(0 <= part <= 255 for part in (red, green, blue)):
        raise NoLiteral(f"{text}: each part of a color is 0 to 255")
    return f"::mql::color(0x{blue << 16 | green << 8 | red:06X}u)"


def escaped(text: str) -> str:
    """A literal with its escapes as C++ reads them: in MQL5, \\x has four digits at most and a number is decimal."""

    def written(match: re.Match[str]) -> str:
        if match["plain"]:
            return match[0]
        if match["other"]:
            raise NoLiteral(f"{match[0]} is no escape of MQL5")
        code = int(match["hex"], 16) if match["hex"] else int(match["decimal"])
        if code > MOST_CODE:
            raise NoLiteral(f"{match[0]} is no letter: codes go up to {MOST_CODE}")
        # A digit behind it would be one of the same escape in C++.
        follows = text[match.end() : match.end() + 1]
        return f"\\x{code:04X}" + ('" u"' if follows in HEX_DIGITS and text[0] == '"' else "")

    return ESCAPE.sub(written, text)


def char(text: str) -> str:
    """'a', of two bytes as any letter."""
    if len(ESCAPE.sub(".", text[1:-1])) > 1:
        raise NoLiteral(f"{text} has more than one letter")
    return f"::mql::ushort(u{escaped(text)})"


def number(text: str) -> str:
    """A number as it is, unless C++ would take it in another way or MQL5 not at all."""
    if text[:2] in ("0x", "0X"):
        if re.fullmatch(r"0[xX][0-9a-fA-F]+", text) is None:
            raise NoLiteral(f"{text} is no number of MQL5")
        return text
    if REAL.fullmatch(text) is None or (text[-1] in "fF" and text[:-1].isdigit()):
        raise NoLiteral(f"{text} is no number of MQL5 (no suffix but f)")
    if text.isdigit():
        plain = text.lstrip("0") or "0"
        return plain + "UL" if int(plain) > 2**63 - 1 else plain
    return text


def string(texts: list[str]) -> str:
    """Literals that stand side by side are one."""
    return "::mql::string(" + " ".join("u" + escaped(text) for text in texts) + ")"
