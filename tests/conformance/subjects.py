"""Every subject that the cases are run with. A later adapter adds its own here, and changes no case."""

from __future__ import annotations

from conformance.binance_subject import binance_kind
from conformance.ea_subject import ea_kind
from conformance.mock_subject import mock_kind
from conformance.mt5_subject import mt5_kind
from conformance.subject import Capability, Kind

SUBJECTS: tuple[Kind, ...] = (
    mock_kind("mock-hedging", "hedging"),
    mock_kind("mock-netting", "netting"),
    mock_kind("mock-hedging-kept", "hedging", persist=True),
    mock_kind("mock-netting-kept", "netting", persist=True),
    mt5_kind("mt5-hedging", "hedging"),
    mt5_kind("mt5-netting", "netting"),
    mt5_kind("mt5-socket-hedging", "hedging", apart=True),
    mt5_kind("mt5-socket-netting", "netting", apart=True),
    mt5_kind("mt5-listen-hedging", "hedging", calls=True),
    mt5_kind("mt5-listen-netting", "netting", calls=True),
    ea_kind("mt5-ea-hedging", "hedging"),
    ea_kind("mt5-ea-netting", "netting"),
    binance_kind("binance-spot", "spot"),
    binance_kind("binance-futures", "futures"),
    binance_kind("binance-futures-hedge", "futures", hedges=True),
    # Stand-ins for brokers that refuse a used tag, so that their cases are tried before such a broker is there.
    mock_kind("mock-unique-tags", "hedging", uniqueness=Capability.UNIQUE_TAGS),
    mock_kind("mock-unique-waiting-tags", "netting", uniqueness=Capability.UNIQUE_WAITING_TAGS),
)
