"""Gateways one after the other, as `faults.chaos.gateway` forks them, each on what its configuration names.

python -m faults.chaos_binance.gateway --config brokers.yaml --broker-port 0 --folder FOLDER --token TOKEN
"""

from __future__ import annotations

from faults.chaos import gateway

import quantmind.adapters.binance.build  # noqa: F401 - loaded once, before anything is forked
from quantmind.app import serve
from quantmind.config import Config


async def run(config: Config, *, token: str, broker_port: int) -> int:
    """Serve until a signal comes."""
    del broker_port  # the exchange's address is in the configuration

    def announce(addresses: dict[str, str], _token_from: str) -> None:
        gateway.tell(ready=True, addresses=addresses)

    return await serve(config, token=token, announce=announce)


if __name__ == "__main__":
    gateway.run = run
    gateway.main()
