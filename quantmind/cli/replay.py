"""`quantmind replay`: judge every recorded decision again, from the record alone.

Under its own policy each must come out as it was recorded. Under another one it tells what would have been different.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import attrs

from quantmind.adapters.journal.decisions import Asked, Damaged, decision_lines
from quantmind.adapters.state_folder import StateFolder
from quantmind.cli import replay_report as report
from quantmind.cli.gateway import as_json
from quantmind.cli.journal import source
from quantmind.cli.output import complain, leave_stdout
from quantmind.cli.trading import amount
from quantmind.config import AccountRisk, Config, load
from quantmind.config.policies import account_policy, policy_of
from quantmind.config.presets import preset, preset_names
from quantmind.config.suggest import suggestion
from quantmind.domain.risk import Approved, Policy
from quantmind.domain.risk.replay import Change, WhatIf, again, refusing, under
from quantmind.errors import EXIT_REFUSED, EXIT_UNAVAILABLE, EXIT_USAGE, JournalDown, StartError
from quantmind.wire.decisions import Recorded, differences, recorded

CONFIGURED: Final = "config"
"""As a policy: what the configuration sets for each account."""
_FILES: Final = (".yaml", ".yml", ".json")

Choose = Callable[[Recorded, Policy], Policy]
"""The other policy, for a decision and the policy that it was made by."""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """The subcommand and its options."""
    parser = commands.add_parser(
        "replay",
        parents=[common],
        help="judge every recorded decision again, or under another policy",
        description="Judges every recorded decision again, from the record alone. Under its own policy each must come "
        "out as it was recorded; under another one it tells what would have been different.",
    )
    parser.add_argument("--journal", type=Path, metavar="FILE", help="a journal elsewhere, or an export in JSON lines")
    parser.add_argument(
        "--policy",
        metavar="OTHER",
        help=f"a preset ({', '.join(preset_names())}), FILE.yaml or FILE.yaml:ACCOUNT, or {CONFIGURED}: what the "
        "configuration sets for each account",
    )
    parser.add_argument(
        "--capital", type=amount, metavar="MONEY", help="initial capital for it (default: of the record)"
    )
    parser.add_argument("--broker", metavar="NAME", help="only decisions of this account")
    parser.add_argument("--since", type=source.moment, metavar="TIME", help="as 2026-11-23T09:00:00Z")
    parser.add_argument("--until", type=source.moment, metavar="TIME", help="decisions before this time")
    parser.add_argument(
        "--all", action="store_true", help=f"tell of each decision (default: of the first {report.SHOWN} that differ)"
    )


def needs_config(options: argparse.Namespace) -> bool:
    """Whether the configuration says where the journal is, or what the other policy is."""
    return options.journal is None or options.policy == CONFIGURED


def replay(config: Config | None, options: argparse.Namespace) -> int:
    """Judge again and say what was found; 0 if all of it could be read and, under its own policy, is the same."""
    path = options.journal
    if path is None:
        assert config is not None
        path = StateFolder(config.gateway.state_dir).journal
    try:
        choose = _chosen(config, options)
    except _WrongPolicy as error:
        complain(f"quantmind: {error}")
        return EXIT_USAGE
    player = _Player(options, choose)
    try:
        player.play(path)
    except JournalDown as error:
        complain(f"quantmind: {error}")
        return EXIT_UNAVAILABLE
    except KeyboardInterrupt:
        complain("quantmind: interrupted; not everything was judged")
        return EXIT_REFUSED
    except OSError as error:
        return leave_stdout(error)
    tally = player.tally
    if options.json:
        print(as_json(report.as_dict(tally, options.policy, player.items)), flush=True)
    else:
        print(report.in_words(tally, str(path), options.policy), flush=True)
    return EXIT_REFUSED if tally.differing or tally.errors else 0


@attrs.define
class _Player:
    """Judges what it is given and tells of it."""

    options: argparse.Namespace
    choose: Choose | None
    tally: report.Tally = attrs.field(factory=report.Tally)
    items: list[Mapping[str, Any]] = attrs.field(factory=list)
    _seen: set[str | None] = attrs.field(factory=set)
    _told: int = 0

    def play(self, path: Path) -> None:
        """Judge every decision of a file. Raises JournalDown."""
        options = self.options
        for line in decision_lines(path, Asked(options.broker, options.since, options.until)):
            if isinstance(line, Damaged):
                self._wrong(f"{line.place}: {line.reason}")
                continue
            if line.order_id is not None and line.order_id in self._seen:
                self.tally.twice += 1
                continue
            self._seen.add(line.order_id)
            self.tally.saw(line)
            try:
                self._judge(recorded(line))
            except ValueError as error:
                self._wrong(f"line {line.seq} can't be judged: {error}")

    def _wrong(self, what: str) -> None:
        self.tally.errors.append(what)

    def _judge(self, was: Recorded) -> None:
        tally, situation = self.tally, was.situation
        if situation is None:
            tally.without_inputs += 1
            return
        verdict = again(was.proposal, situation, flattens=was.flattens)
        if was.overtaken and isinstance(verdict, Approved):
            tally.overtaken += 1
            return
        tally.judged += 1
        tally.approved += was.approved
        if self.choose is not None:
            other = self.choose(was, situation.policy)
            self._change(was, under(other, was.proposal, situation, flattens=was.flattens))
            return
        found = differences(was, verdict)
        tally.differing += bool(found)
        if situation.policy.observe_only:
            tally.observed += 1
            self._change(was, refusing(was.proposal, situation, flattens=was.flattens), tell=False)
        if found and self._room():
            self._tell(report.differs(was, found), report.item(was, found))
        elif self.options.all and not found:
            self._tell(report.same(was), report.item(was, found))

    def _change(self, was: Recorded, what: WhatIf, *, tell: bool = True) -> None:
        change = self.tally.changed(was, what)
        if tell and (self.options.all or (change not in (Change.SAME, Change.UNTOLD) and self._room())):
            self._tell(report.changed(change, was, what), report.changed_item(change, was, what))

    def _room(self) -> bool:
        self._told += 1
        return self.options.all or self._told <= report.SHOWN

    def _tell(self, text: str, item: Mapping[str, Any]) -> None:
        if self.options.json:
            self.items.append(item)
        else:
            print(text, flush=True)


# --- the other policy ----------------------------------------------------------------------------------------------


class _WrongPolicy(Exception):
    """There is no such policy."""


def _chosen(config: Config | None, options: argparse.Namespace) -> Choose | None:
    """Raises _WrongPolicy, ConfigError."""
    name, capital = options.policy, options.capital
    if name is None:
        if capital is not None:
            raise _WrongPolicy("--capital is for another policy; name one with --policy")
        return None
    if name in preset_names():
        return _of_preset(name, capital)
    if name == CONFIGURED:
        assert config is not None
        return _of_config(config, None, capital)
    file, _, account = name.rpartition(":")
    if name.endswith(_FILES):
        file, account = name, ""
    if not file.endswith(_FILES):
        raise _WrongPolicy(
            f"there is no preset {name[:64]!r}, and it is not FILE.yaml, FILE.yaml:ACCOUNT or {CONFIGURED}; "
            f"{suggestion(name, preset_names(), 'presets')}"
        )
    other = load(Path(file), os.environ, after="--policy")
    if account and account not in other.brokers:
        raise _WrongPolicy(f"{file} has no broker {account[:64]!r}; there are {', '.join(other.brokers)}")
    return _of_config(other, account or None, capital)


def _of_preset(name: str, capital: Decimal | None) -> Choose:
    """The preset's rules and reset; the account's own limits stay as they are in the record."""
    made = account_policy(AccountRisk(preset=preset(name).name))

    def choose(was: Recorded, own: Policy) -> Policy:
        del was
        initial = own.initial_capital if capital is None else capital
        return attrs.evolve(own, preset=name, rules=made.rules, reset=made.reset, initial_capital=initial)

    return choose


def _of_config(config: Config, account: str | None, capital: Decimal | None) -> Choose:
    """What a configuration sets for one account, or for each its own."""

    made: dict[str, Policy] = {}

    def choose(was: Recorded, own: Policy) -> Policy:
        del own
        name = was.proposal.broker if account is None else account
        if name not in made:
            if name not in config.brokers:
                raise StartError(f"{config.path} has no broker {name}; name an account, or --broker", EXIT_USAGE)
            policy = policy_of(config, name)
            made[name] = policy if capital is None else attrs.evolve(policy, initial_capital=capital)
        return made[name]

    return choose
