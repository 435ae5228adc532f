"""What a MetaTrader 5 broker needs that no single key can tell."""

from collections.abc import Mapping

from quantmind.config.brokers import BrokerConfig, Mt5SocketBrokerConfig
from quantmind.config.check import Checker
from quantmind.config.kinds import is_loopback


def check_socket(name: str, broker: Mt5SocketBrokerConfig, checker: Checker) -> None:
    """Report where a worker can't be reached, or not safely."""
    where = ("brokers", name)
    if not broker.enabled or where not in checker.lines:
        return
    if broker.mode == "listen":
        _refuse_what_is_for_connect(where, checker)
        return
    line = checker.lines[where]
    if broker.vps_host is None:
        checker.fault(line, (*where, "vps_host"), "missing; name the host of the worker, such as 127.0.0.1")
    elif not is_loopback(broker.vps_host):
        key = (*where, "vps_host")
        checker.fault(
            checker.lines.get(key, line),
            key,
            f"{checker.marks[key].shown} is not loopback, and what is said to a worker is not encrypted; lead a tunnel "
            "to it, such as ssh -L 5555:127.0.0.1:5555, and name 127.0.0.1",
        )
    if broker.token is None:
        checker.fault(line, (*where, "token"), "missing; give the one that the worker was started with, as ${NAME}")


def check_berths(brokers: Mapping[str, BrokerConfig], checker: Checker) -> None:
    """Report brokers among which a bridge that comes could not find its own."""
    waiting = {
        name: each
        for name, each in brokers.items()
        if isinstance(each, Mt5SocketBrokerConfig) and each.enabled and each.mode == "listen"
    }
    seen: dict[str | None, str] = {}
    for name, each in waiting.items():
        where = ("brokers", name)
        if where not in checker.lines:
            continue
        key = (*where, "account_id")
        line = checker.lines.get(key, checker.lines[where])
        if each.account_id is None and len(waiting) > 1:
            checker.fault(line, key, "missing; more than one broker waits for a bridge, so each must say its account")
        elif each.account_id is not None and not each.account_id.isdecimal():
            checker.fault(
                line, key, f"{checker.marks[key].shown} is no number of a MetaTrader 5 account, such as 5012345"
            )
        elif each.account_id in seen:
            other = seen[each.account_id]
            checker.fault(line, key, f"{checker.marks[key].shown} is the account of broker {other}, too; name it once")
        seen[each.account_id] = name


def _refuse_what_is_for_connect(where: tuple[str, ...], checker: Checker) -> None:
    for name, way_out in (
        ("vps_host", "the bridge comes to gateway.commands"),
        ("vps_port", "the bridge comes to gateway.commands"),
        ("token", "the bridge shows a token of the gateway with scope bridge: quantmind token add"),
    ):
        key = (*where, name)
        if key in checker.marks:
            checker.fault(
                checker.lines.get(key, checker.lines[where]), key, f"is for mode connect; leave it out, {way_out}"
            )
