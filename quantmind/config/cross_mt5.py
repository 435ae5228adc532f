"""What a MetaTrader 5 broker needs that no single key can tell."""

from quantmind.config.brokers import Mt5SocketBrokerConfig
from quantmind.config.check import Checker
from quantmind.config.kinds import is_loopback


def check_socket(name: str, broker: Mt5SocketBrokerConfig, checker: Checker) -> None:
    """Report where a worker can't be reached, or not safely."""
    where = ("brokers", name)
    if not broker.enabled or broker.mode != "connect" or where not in checker.lines:
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
