"""Words of the language, and those of C++ that MQL5 does not have."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


BASE_TYPES = _words("bool char uchar short ushort int uint long ulong float double string datetime color void")
SCALARS = BASE_TYPES - {"void"}
CONTROL = _words(
    "if else while do for switch case default break continue return new delete sizeof operator this true false NULL "
    "const static virtual public private protected class struct enum interface template typename input sinput extern "
    "override final typedef dynamic_cast"
)
RESERVED = BASE_TYPES | CONTROL | {"group", "pack", "offsetof", "union", "import", "export"}
"""Not to be used as names."""

CPP_ONLY = _words(
    "auto nullptr constexpr consteval constinit static_cast reinterpret_cast const_cast goto try catch throw unsigned "
    "signed size_t volatile mutable explicit noexcept friend std asm wchar_t char8_t char16_t char32_t decltype "
    "static_assert thread_local typeid register alignas alignof concept requires co_await co_return co_yield namespace "
    "using inline and or not xor bitand bitor compl and_eq or_eq xor_eq not_eq int8_t int16_t int32_t int64_t uint8_t "
    "uint16_t uint32_t uint64_t"
)
NOT_SUPPORTED = {
    "interface": "interfaces are not supported by this host: use a class with virtual methods",
    "union": "unions are not supported by this host",
    "extern": "`extern` variables: write input",
    "matrix": "matrices and vectors are not supported by this host",
    "vector": "matrices and vectors are not supported by this host",
}
HANDLERS = {
    "OnStart": ("void|int", ()),
    "OnInit": ("void|int", ()),
    "OnDeinit": ("void", ("const int",)),
    "OnTick": ("void", ()),
    "OnTimer": ("void", ()),
    "OnTrade": ("void", ()),
    "OnTradeTransaction": (
        "void",
        ("const MqlTradeTransaction &", "const MqlTradeRequest &", "const MqlTradeResult &"),
    ),
    "OnBookEvent": ("void", ("const string &",)),
    "OnChartEvent": ("void", ("const int", "const long &", "const double &", "const string &")),
}
"""What each handler returns and takes."""

UNHANDLED = _words("OnCalculate OnTester OnTesterInit OnTesterDeinit OnTesterPass")
