"""The JSON Schema of the configuration, made from the table of keys, for editors."""

import json
from collections.abc import Mapping
from typing import Any, Final

from quantmind.config.describe import described
from quantmind.config.kinds import Leaf
from quantmind.config.model import Config
from quantmind.config.pending import is_pending
from quantmind.config.settings import Anything, Kind, ListOf, MapOf, Maybe, OneOf, Section, Setting, settings_of, walk

_VARIABLE: Final = {"$ref": "#/$defs/variable"}


def schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) of a configuration file.

    What it cannot say is left to the loader: checks between keys, files that must exist, exact numbers.
    """
    paths: dict[type, dict[str, str]] = {}
    for path, model, setting in walk(Config):
        paths.setdefault(model, {})[setting.name] = path
    definitions = {model.__name__: _object(model, names) for model, names in paths.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "QuantMind configuration",
        **definitions.pop("Config"),
        "$defs": {
            "variable": {
                "description": "A value from the environment: ${NAME} or ${NAME:-default}.",
                "type": "string",
                "pattern": r"\$\{",
            },
            **definitions,
        },
    }


def schema_text() -> str:
    """Return the schema as the text of config/brokers.schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _object(model: type, paths: Mapping[str, str]) -> dict[str, Any]:
    settings = settings_of(model)
    # A section with nothing in it ("gateway:") has its defaults, as when it is left out.
    shape: dict[str, Any] = {
        "description": (model.__doc__ or "").strip().split("\n")[0],
        "type": ["object", "null"],
        "properties": {name: _property(paths[name], setting) for name, setting in settings.items()},
        "additionalProperties": False,
    }
    required = [name for name, setting in settings.items() if setting.required]
    return {**shape, "required": required} if required else shape


def _property(path: str, setting: Setting) -> dict[str, Any]:
    about = setting.about + (" Not implemented yet." if is_pending(path) else "")
    shape = {"description": about, **_shape(setting.kind)}
    if setting.default_text is None and not setting.required and setting.name != "type":
        default = described(setting.default_value())
        if not isinstance(default, dict) or not default:
            shape["default"] = int(default) if isinstance(default, float) and default.is_integer() else default
    return shape


def _shape(kind: Kind) -> dict[str, Any]:
    match kind:
        case Anything():
            return {}
        case Maybe(inner):
            return {"anyOf": [{"type": "null"}, _shape(inner)]}
        case ListOf(inner):
            return {"type": "array", "items": _shape(inner)}
        case MapOf():
            names = {"propertyNames": kind.name.schema(), "additionalProperties": _shape(kind.kind)}
            return {"type": ["object", "null"] if not kind.least else "object", "minProperties": kind.least, **names}
        case Section(model):
            return {"$ref": f"#/$defs/{model.__name__}"}
        case OneOf(classes):
            return _one_of(classes)
        case _:
            return _leaf(kind)


def _one_of(classes: Mapping[str, type]) -> dict[str, Any]:
    # With if and then an editor complains about the type that is meant, not about each that is not.
    choices = [
        {
            "if": {"properties": {"type": {"const": name}}},
            "then": {"$ref": f"#/$defs/{model.__name__}"},
        }
        for name, model in classes.items()
    ]
    return {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"anyOf": [{"enum": list(classes)}, _VARIABLE]}},
        "allOf": choices,
    }


def _leaf(kind: Leaf) -> dict[str, Any]:
    shape = dict(kind.schema())
    takes_text = "string" in shape.get("type", ()) and "pattern" not in shape
    return shape if takes_text else {"anyOf": [shape, _VARIABLE]}
