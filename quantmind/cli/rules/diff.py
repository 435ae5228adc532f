"""`quantmind rules diff`: what a second preset has otherwise than a first one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quantmind.cli.rules.explain import unverified
from quantmind.config.policies import firm_rules, reset_of
from quantmind.config.presets import Preset
from quantmind.config.strictness import RuleChange, Strictness, compare, compare_resets

_WORDS = {
    Strictness.STRICTER.value: "stricter",
    Strictness.LOOSER.value: "looser",
    Strictness.OTHER.value: "cannot be told which is stricter",
    Strictness.SAME.value: "neither stricter nor looser",
}


def compared(before: Preset, after: Preset) -> dict[str, Any]:
    """The difference of two presets as plain values; stricter and looser are of the second."""
    fixed = {firm.capital for firm in (before, after) if firm.capital is not None}
    capital = fixed.pop() if len(fixed) == 1 else None
    changes = (
        *compare_resets(reset_of(before.reset), reset_of(after.reset)),
        *compare(firm_rules(before), firm_rules(after), capital),
    )
    return {
        "before": before.name,
        "after": after.name,
        "capital": None if capital is None else str(capital),
        "changes": [_change(change, before, after) for change in changes],
    }


def _change(change: RuleChange, before: Preset, after: Preset) -> dict[str, Any]:
    only = None if change.differences else (after.name if change.has else before.name)
    return {
        "rule": change.rule,
        "strictness": change.strictness.value,
        "only": only,
        "differences": [
            {
                "parameter": each.parameter,
                "before": each.before,
                "after": each.after,
                "strictness": each.strictness.value,
            }
            for each in change.differences
        ],
        "unverified": {
            firm.name: list(unsure) for firm in (before, after) if (unsure := unverified(firm, change.rule))
        },
    }


def diff_text(found: Mapping[str, Any]) -> str:
    """The difference for people."""
    before, after = found["before"], found["after"]
    if not found["changes"]:
        return f"{before} and {after} have the same rules"
    lines = [f"{after}, compared with {before}"]
    if found["capital"] is not None:
        lines.append(f"  amounts are compared for an initial capital of {found['capital']}")
    for change in found["changes"]:
        lines += ["", f"{change['rule']}: {_title(change)}"]
        for each in change["differences"]:
            lines.append(f"  {each['parameter']}: {each['before']} -> {each['after']}{_each(change, each)}")
        lines += [f"  NOT VERIFIED in {name}: {', '.join(names)}" for name, names in change["unverified"].items()]
    return "\n".join(lines)


def _title(change: Mapping[str, Any]) -> str:
    words = _WORDS[change["strictness"]]
    return words if change["only"] is None else f"only {change['only']} has it, {words}"


def _each(change: Mapping[str, Any], each: Mapping[str, Any]) -> str:
    return "" if len(change["differences"]) == 1 else f" ({_WORDS[each['strictness']]})"
