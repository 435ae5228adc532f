"""The file of tokens in the state folder, as text: read as strictly as the configuration, and written."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from quantmind.config.check import FAULTY, Checker
from quantmind.config.cross_tokens import check_token_table
from quantmind.config.faults import ConfigError
from quantmind.config.model import TOKEN_NAME, TokenConfig
from quantmind.config.settings import MapOf, Section, setting
from quantmind.config.source import parse

MAX_TOKENS: Final = 1000
"""All are compared with each token that is shown."""

_HEAD: Final = """\
# Tokens of this gateway: written by `quantmind token`, read by a running gateway within seconds.
# It holds hashes and no token. What is wrong with it is in /status; until it is right, the last that was right holds.
"""


@attrs.frozen(kw_only=True)
class TokenFile:
    """All that may stand in the file."""

    tokens: Mapping[str, TokenConfig] = setting(
        MapOf(TOKEN_NAME, Section(TokenConfig), "token"), "Tokens by name.", default=dict
    )


def parse_tokens(text: str | bytes, name: str) -> Mapping[str, TokenConfig]:
    """Read the file's text; `name` is for the faults.

    Raises:
        ConfigError: The text has faults; all of them, sorted by line.
    """
    tree, faults = parse(text, name)
    checker = Checker(name, Path(), {}, faults)
    read = checker.section(TokenFile, tree, (), {})
    assert read is not FAULTY
    assert isinstance(read, TokenFile)
    check_token_table(read.tokens, checker, None)
    if len(read.tokens) > MAX_TOKENS:
        checker.fault(1, ("tokens",), f"it has {len(read.tokens)} tokens, at most {MAX_TOKENS} are taken")
    if checker.faults:
        raise ConfigError(checker.faults)
    return read.tokens


def text_of(tokens: Mapping[str, TokenConfig]) -> str:
    """Return the text of a file with these tokens: one line for each."""
    if not tokens:
        return f"{_HEAD}tokens: {{}}\n"
    lines = [f"  {json.dumps(name)}: {json.dumps(_plain(token))}\n" for name, token in sorted(tokens.items())]
    return f"{_HEAD}tokens:\n{''.join(lines)}"


def _plain(token: TokenConfig) -> dict[str, Any]:
    # A secret has no null: without a hash the key is left out.
    hashed = {} if token.hash is None else {"hash": token.hash.reveal()}
    return {
        **hashed,
        "scopes": list(token.scopes),
        "eas": list(token.eas),
        "brokers": list(token.brokers),
        "expires": token.expires,
        "rate_limit_per_s": token.rate_limit_per_s,
    }
