"""A configuration file to a `Config`, or to one report of all its faults."""

from collections.abc import Mapping
from pathlib import Path

from quantmind.config.check import FAULTY, Checker, is_secret
from quantmind.config.cross import check_together
from quantmind.config.faults import ConfigError, Fault
from quantmind.config.interpolate import secret_variables
from quantmind.config.model import Config
from quantmind.config.settings import walk
from quantmind.config.source import MAX_BYTES, parse


def load(path: Path, environ: Mapping[str, str], *, after: str = "--config") -> Config:
    """Read a configuration file.

    Args:
        path: The file; relative paths inside it count from its folder.
        environ: The environment that `${NAME}` is taken from.
        after: The option that named it, for who has to correct it.

    Raises:
        ConfigError: The file cannot be read or has faults; all of them, sorted by line.
    """
    try:
        with path.open("rb") as file:
            # A byte more than may be is enough to know; the path may be a device without end.
            text = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = (getattr(error, "strerror", None) or "not a path").lower()
        raise ConfigError([Fault(str(path), 0, "", f"cannot be read: {why}; check the name after {after}")]) from None
    return loads(text, name=str(path), environ=environ)


def loads(text: str | bytes, *, name: str, environ: Mapping[str, str]) -> Config:
    """Read a configuration from its text.

    Args:
        text: YAML; bytes must be UTF-8.
        name: The file's name, for faults; relative paths count from its folder.
        environ: The environment that `${NAME}` is taken from.

    Raises:
        ConfigError: The text has faults; all of them, sorted by line.
    """
    tree, faults = parse(text, name)
    path = Path(name)
    secret_keys = frozenset(setting.name for _, _, setting in walk(Config) if is_secret(setting.kind))
    secrets = frozenset(secret_variables(tree, secret_keys))
    checker = Checker(name, path.absolute().parent, environ, faults, secrets)
    config = checker.section(Config, tree, (), {"path": path})
    assert config is not FAULTY
    check_together(config, checker)
    if checker.faults:
        raise ConfigError(checker.faults)
    assert isinstance(config, Config)
    return config
