"""The tables of keys in docs/configuration.md, made from the table of keys in the model."""

from itertools import pairwise
from typing import Any, Final

from quantmind.config.describe import described
from quantmind.config.kinds import Choice
from quantmind.config.model import Config
from quantmind.config.pending import is_pending, pending_values
from quantmind.config.settings import Anything, Kind, ListOf, MapOf, Maybe, OneOf, Section, Setting, walk

BEGIN: Final = "<!-- keys: made by python -m quantmind.config.generate -->"
END: Final = "<!-- end of keys -->"

_PENDING: Final = " **Not in this version yet.**"


def key_tables() -> str:
    """Return one Markdown table for each group of keys, in the order of the file."""
    lines: list[str] = []
    group: type | None = None
    for path, model, setting in sorted(walk(Config), key=_place):
        if model is not group:
            group = model
            above = path.rpartition(".")[0]
            kind = f" with `type: {_type(model)}`" if _type(model) else ""
            title = f"`{_named(above)}`{kind}" if above else "The file"
            lines += ["", f"### {title}", "", "| key | value | default | meaning |", "|---|---|---|---|"]
        cells = (f"`{setting.name}`", _value(setting.kind), _default(setting), _about(path, setting))
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines).strip() + "\n"


def with_tables(page: str) -> str:
    """Return the documentation page with the tables between its two marks made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{key_tables()}\n{END}{after}"


def _place(line: tuple[str, type, Setting]) -> int:
    # Keys of a group stand together, though groups are nested in the file.
    _, model, _ = line
    return list(dict.fromkeys(each for _, each, _ in walk(Config))).index(model)


def _type(model: type) -> str:
    kind = next((each.kind for _, owner, each in walk(model) if owner is model and each.name == "type"), None)
    return " or ".join(kind.options) if isinstance(kind, Choice) else ""


def _named(path: str) -> str:
    names = {"brokers": "broker", "symbols": "symbol", "eas": "ea", "tokens": "token", "accounts": "broker"}
    parts = path.split(".")
    return ".".join(f"<{names[before]}>" if part == "*" else part for before, part in pairwise(["", *parts]))


def _value(kind: Kind) -> str:
    match kind:
        case Maybe(inner):
            return f"{_value(inner)}, or null"
        case ListOf(inner, items):
            return f"a list of {items}" if isinstance(inner, Anything) else f"a list of {items}; each {_value(inner)}"
        case MapOf(kind=Section() | OneOf() | Anything()):
            return f"{kind.names} names, each with its keys"
        case MapOf():
            return f"{kind.names} names ({kind.name.says}), each with {_value(kind.kind)}"
        case Section() | OneOf():
            return "keys, see below"
        case Anything():
            return "not settled"
        case Choice():
            return ", ".join(f"`{option}`" for option in kind.options)
        case _:
            return kind.says


def _default(setting: Setting) -> str:
    if setting.required or setting.name == "type":
        return "must be written"
    if setting.default_text is not None:
        return f"`{setting.default_text}`"
    return "see below" if isinstance(setting.kind, Section) else f"`{_yaml(described(setting.default_value()))}`"


def _yaml(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case list():
            return f"[{', '.join(map(_yaml, value))}]"
        case "":
            return '""'
    return str(value)


def _about(path: str, setting: Setting) -> str:
    if is_pending(path):
        return setting.about + _PENDING
    refused = pending_values(path)
    if isinstance(setting.kind, Choice):
        refused = tuple(value for value in refused if value in setting.kind.options)
    return setting.about + "".join(f" `{value}`:{_PENDING}" for value in refused)
