"""Checks of tokens: names that are taken, hashes that are there twice, brokers that there are not, and warnings."""

import time
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from quantmind.config.check import Checker
from quantmind.config.model import Config, TokenConfig
from quantmind.config.suggest import suggestion

OWNER: Final = "owner"
"""The name of the token that QUANTMIND_TOKEN or the first start gives."""
SOON_S: Final = 14 * 86_400.0


def check_tokens(config: Config, checker: Checker) -> None:
    """Report tokens of the configuration that can't be meant so."""
    brokers = [path[1] for path in checker.lines if len(path) == 2 and path[0] == "brokers"]
    check_token_table(config.tokens, checker, brokers)


def check_token_table(tokens: Mapping[str, TokenConfig], checker: Checker, brokers: Collection[str] | None) -> None:
    """Report what is wrong between the keys of tokens, each right by itself; `brokers` None: any may be named."""
    hashes: dict[str, str] = {}
    for name, token in tokens.items():
        path = ("tokens", name)
        line = checker.lines.get(path, 1)
        if name == OWNER:
            message = "this is the name of the gateway's own token; choose another"
            checker.fault(line, path, message)
        if not token.scopes:
            checker.fault(line, path, "it has no scope; name at least one of read, ea, bridge, trade, admin")
        if "bridge" in token.scopes and not token.brokers:
            message = "a token with scope bridge needs brokers: name those that it brings prices of"
            checker.fault(line, path, message)
        if token.hash is not None:
            other = hashes.setdefault(token.hash.reveal(), name)
            if other != name:
                checker.fault(line, (*path, "hash"), f'it is also the hash of "{other}"; make a token for each')
        for broker in token.brokers:
            if brokers is not None and broker not in brokers:
                way_out = suggestion(broker, list(brokers), "brokers")
                checker.fault(line, (*path, "brokers"), f'no broker is called "{broker}"; {way_out}')


def token_warnings(tokens: Mapping[str, TokenConfig], now: float | None = None) -> Iterator[tuple[str, str]]:
    """Give (name, what to look at) of tokens that work otherwise than somebody may think; `now` is Unix seconds."""
    at = time.time() if now is None else now
    for name, token in tokens.items():
        ends = token.expires_at
        if token.hash is None:
            yield name, "it has no hash and opens nothing; make one with `quantmind token add`"
        if ends is not None and ends <= at:
            yield name, f"it has expired ({token.expires}) and opens nothing; revoke it or make another"
        elif ends is not None and ends - at <= SOON_S:
            left = (ends - at) / 86_400
            yield name, f"it expires in {left:.1f} days ({token.expires})"
        if "admin" in token.scopes and ends is None:
            yield name, "it has the scope admin and never expires; give it an end"
