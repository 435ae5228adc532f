"""`quantmind rules explain`: each rule of a preset, or of a broker of the configuration, in plain sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from quantmind.cli.rules.words import Money, reset_words, sentences
from quantmind.config import Config, MockBrokerConfig
from quantmind.config.describe import described
from quantmind.config.policies import firm_rules, overrides, policy_of, preset_of, reset_of
from quantmind.config.presets import FIRMS_PAGE, SECOND_HAND, Preset
from quantmind.config.rules import ABSENT
from quantmind.config.strictness import RuleChange, Strictness
from quantmind.domain.risk import Policy
from quantmind.domain.risk.policy import Rules
from quantmind.domain.risk.resets import Reset

WORDS: Final = {
    Strictness.STRICTER: "stricter",
    Strictness.LOOSER: "LOOSER",
    Strictness.OTHER: "may be LOOSER",
    Strictness.SAME: "not looser",
}


def explained_preset(firm: Preset, money: Money) -> dict[str, Any]:
    """A preset as plain values, with sentences and amounts."""
    rules = _rules(firm_rules(firm), described(firm.rules), money)
    for rule in rules:
        rule["unverified"] = unverified(firm, rule["rule"])
    return {
        **about(firm),
        **_counted_from(reset_of(firm.reset), money),
        "reset_unverified": unverified(firm, "reset"),
        "rules": rules,
        "notes": list(firm.notes),
    }


def explained_broker(config: Config, name: str) -> dict[str, Any]:
    """What holds for a broker, as plain values: its preset, and what its account sets over that."""
    broker, account, policy = config.brokers[name], config.risk.account_for(name), policy_of(config, name)
    firm = preset_of(account)
    money = Money(policy.initial_capital, broker.currency if isinstance(broker, MockBrokerConfig) else "")
    own = described(account.rules)
    parameters = {**({} if firm is None else described(firm.rules)), **own}
    changes = {change.rule: change for change in overrides(account)}
    rules = _rules(policy.rules, parameters, money)
    for rule in rules:
        mine = getattr(account.rules, rule["rule"]) is not ABSENT
        rule["from"] = "configuration" if mine or firm is None else firm.name
        rule["unverified"] = {} if mine or firm is None else unverified(firm, rule["rule"])
        rule["change"] = _change(changes.get(rule["rule"]))
    gone = [change.rule for change in changes.values() if not change.has]
    return {
        "broker": name,
        "preset": None if firm is None else about(firm),
        **_counted_from(policy.reset, money),
        "reset_unverified": {} if firm is None or account.reset is not None else unverified(firm, "reset"),
        "reset_change": _change(changes.get("reset")),
        "limits": _limits(policy),
        "rules": rules,
        "turned_off": [{"rule": rule, "strictness": changes[rule].strictness.value} for rule in gone],
        "notes": [] if firm is None else list(firm.notes),
    }


def about(firm: Preset) -> dict[str, Any]:
    """Whose rules a preset has, of when, from where and how sure."""
    return {
        "name": firm.name,
        "firm": firm.firm,
        "plan": firm.plan,
        "phase": firm.phase,
        "version": firm.version,
        "date": firm.date,
        "sources": list(firm.sources),
        "parameters": len(firm.evidence),
        "verified": len(firm.evidence) - len(firm.unverified),
    }


def unverified(firm: Preset, rule: str) -> dict[str, str]:
    """The parameters of a rule (or of `reset`) that were not read on the firm's own pages, with how sure they are."""
    parts = ((name.partition("."), strength) for name, strength in firm.evidence.items())
    return {part[2] or part[0]: how for part, how in parts if part[0] == rule and how != FIRMS_PAGE}


def changed_words(change: RuleChange) -> list[str]:
    """What an account has otherwise than its preset, one line for each parameter."""
    return [f"{line}: {WORDS[strictness]}" for line, strictness in _changed(change)]


def looser_words(change: RuleChange, than: str) -> list[str]:
    """Of what an account has otherwise than its preset, that which allows more, or may."""
    loose = (Strictness.LOOSER, Strictness.OTHER)
    return [f"{line}: {WORDS[strictness]} than {than}" for line, strictness in _changed(change) if strictness in loose]


def _changed(change: RuleChange) -> list[tuple[str, Strictness]]:
    if not change.differences:
        return [(f"{change.rule} is {'added' if change.has else 'turned off'}", change.strictness)]
    lines = []
    for each in change.differences:
        what = change.rule if each.parameter in ("loss", change.rule) else f"{change.rule}.{each.parameter}"
        lines.append((f"{what} is {each.after} instead of {each.before}", each.strictness))
    return lines


def preset_text(found: Mapping[str, Any]) -> str:
    """An explained preset for people."""
    blocks = ["\n".join([f"{found['name']}: {whose(found)}", *_head(found), *_day(found)])]
    return "\n\n".join([*blocks, *map(_rule_text, found["rules"]), *_notes(found)])


def broker_text(found: Mapping[str, Any]) -> str:
    """What holds for a broker, for people."""
    preset = found["preset"]
    title = "no preset" if preset is None else f"preset {preset['name']}: {whose(preset)}"
    limits = found["limits"]
    head = [f"{found['broker']}: {title}", *([] if preset is None else _head(preset)), *_day(found)]
    head += [f"  {line}" for line in (found["reset_change"] or {}).get("words", ())]
    most = f"{limits['max_volume']} lots in one order and {limits['max_open_positions']} open positions"
    head.append(f"  at most {most}; a broken limit does: {limits['on_breach']}")
    if limits["observe_only"]:
        head.append("  observe_only: limits are judged and recorded, and refuse nothing")
    blocks = ["\n".join(head), *map(_rule_text, found["rules"])]
    for gone in found["turned_off"]:
        verdict = WORDS[Strictness(gone["strictness"])]
        blocks.append(f"{gone['rule']}\n  turned off in the configuration, {preset['name']} has it: {verdict}")
    if not found["rules"]:
        blocks.append("no further rules are set")
    return "\n\n".join([*blocks, *_notes(found)])


def whose(found: Mapping[str, Any]) -> str:
    """Firm, plan and phase."""
    return f"{found['firm']}, {found['plan']}, {found['phase']}"


def verified_words(found: Mapping[str, Any]) -> str:
    """How many parameters were read on the firm's own pages."""
    return f"{found['verified']} of {found['parameters']}"


def _rules(rules: Rules, parameters: Mapping[str, Any], money: Money) -> list[dict[str, Any]]:
    found = []
    for name in attrs.fields_dict(Rules):
        rule = getattr(rules, name)
        if rule is not None and rule is not False:
            found.append({"rule": name, "parameters": parameters[name], "sentences": sentences(name, rule, money)})
    return found


def _counted_from(reset: Reset, money: Money) -> dict[str, Any]:
    return {
        "capital": None if money.capital is None else f"{money.capital:f}",
        "currency": money.currency or None,
        "reset": str(reset),
        "reset_words": reset_words(reset),
    }


def _limits(policy: Policy) -> dict[str, Any]:
    return {
        "max_volume": f"{policy.max_volume:f}",
        "max_open_positions": policy.max_open_positions,
        "on_breach": policy.on_breach.value,
        "group": policy.group,
        "observe_only": policy.observe_only,
    }


def _change(change: RuleChange | None) -> dict[str, Any] | None:
    if change is None:
        return None
    return {"strictness": change.strictness.value, "words": changed_words(change)}


def _head(found: Mapping[str, Any]) -> list[str]:
    sure = f"{verified_words(found)} parameters verified on the firm's own pages"
    lines = [f"version {found['version']}, read on {found['date']}; {sure}; firms change their rules"]
    return [f"  {line}" for line in [*lines, *(f"source: {source}" for source in found["sources"])]]


def _day(found: Mapping[str, Any]) -> list[str]:
    lines = [f"a day ends at {found['reset_words']}"]
    if found["reset_unverified"]:
        lines.append(f"NOT VERIFIED: {_unsure(found['reset_unverified'])}")
    if found["capital"] is not None:
        lines.append(f"amounts are for an initial capital of {found['capital']} {found['currency'] or ''}".rstrip())
    return [f"  {line}" for line in lines]


def _unsure(found: Mapping[str, str]) -> str:
    """The parameters that are not verified; of those that somebody else says, that too."""
    return ", ".join(f"{name} (second-hand)" if how == SECOND_HAND else name for name, how in found.items())


def _rule_text(rule: Mapping[str, Any]) -> str:
    change = rule.get("change")
    lines = [f"  {sentence}" for sentence in rule["sentences"]]
    if rule["unverified"]:
        lines.append(f"  NOT VERIFIED: {_unsure(rule['unverified'])}")
    if change is not None:
        lines += [f"  {line}" for line in change["words"]]
    source = f" (of the {rule['from']})" if rule.get("from") == "configuration" else ""
    return "\n".join([f"{rule['rule']}{source}", *lines])


def _notes(found: Mapping[str, Any]) -> list[str]:
    return ["\n".join(["notes", *(f"  {note}" for note in found["notes"])])] if found["notes"] else []
