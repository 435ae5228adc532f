"""The figures of GET /status that GET /metrics has: one row for each.

A figure that is new in /status needs a row in `METRICS`, or a reason in `LEFT_OUT`. docs/metrics.md shows the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from quantmind.domain.breaker import BreakerState
from quantmind.edges.rest.metric_rows import (
    UNREADABLE,
    Metric,
    Read,
    always,
    broken,
    built,
    causes,
    holds,
    is_there,
    later,
    length,
    moment,
    number,
    one_of,
    seconds,
    silent,
    total_s,
)
from quantmind.ports import Recovery


def _counter(name: str, path: str, what: str, *labels: str, read: Read = number, **more: Any) -> Metric:
    return Metric(name, "counter", what, path, labels, read, **more)


def _gauge(name: str, path: str, what: str, *labels: str, read: Read = number, **more: Any) -> Metric:
    return Metric(name, "gauge", what, path, labels, read, **more)


def _state(name: str, path: str, what: str, *labels: str, known: tuple[str, ...]) -> Metric:
    return Metric(name, "gauge", what, path, labels, one_of(*known), of_read=("state",))


def _error(name: str, path: str, what: str, *labels: str, **more: Any) -> Metric:
    return Metric(name, "gauge", f"1 while {what}, else 0.", path, labels, is_there, **more)


def _took(key: str, **more: Any) -> Metric:
    path = f"latency.commands.*.{key}".removesuffix(".")
    what = "From receipt to answer, by type of command."
    return Metric("command_duration_seconds", "summary", what, path, ("type",), **more)


def _named(label: str, value: str) -> tuple[tuple[str, ...], Any]:
    """Which labels come from the path, and which are fixed, where one of them may be either."""
    return ((), {"fixed": ((label, value),)}) if value else ((label,), {})


def _door(path: str, door: str = "") -> tuple[Metric, ...]:
    """A door for commands; without a name it is the last `*` of the path."""
    labels, of = _named("door", door)
    return (
        _gauge("commands_in_flight", f"{path}.in_flight", "Commands that wait for their answer.", *labels, **of),
        _counter("commands_received", f"{path}.received", "Commands that came.", *labels, **of),
        _counter("commands_heartbeats", f"{path}.heartbeats", "Heartbeats among them.", *labels, **of),
        _counter("commands_malformed", f"{path}.malformed", "Messages that are no command.", *labels, **of),
        _counter("commands_unauthorized", f"{path}.unauthorized", "Refused for their token.", *labels, **of),
        _counter("commands_busy", f"{path}.busy", "Turned away: too many, too fast, or a restart.", *labels, **of),
        _counter("commands_timed_out", f"{path}.timed_out", "Not answered in time by those inside.", *labels, **of),
        _counter("commands_lost", f"{path}.lost", "Answers that a crash inside lost.", *labels, **of),
        _counter(
            "commands_unnoted", f"{path}.unnoted", "Commands without a line of their own in the log.", *labels, **of
        ),
        _counter(
            "commands_without_place", f"{path}.no_place.*", "Busy for want of a place, by whose.", *labels, "of", **of
        ),
        _counter("commands_answered", f"{path}.by_status.*", "Answers by their status.", *labels, "status", **of),
    )


def _socket(path: str, socket: str = "") -> tuple[Metric, ...]:
    """A ZeroMQ socket; without a name it is the last `*` of the path."""
    labels, of = _named("socket", socket)
    return (
        _counter("zmq_received", f"{path}.received", "Messages taken, malformed ones among them.", *labels, **of),
        _counter("zmq_sent", f"{path}.sent", "Messages that libzmq took.", *labels, **of),
        _counter("zmq_unroutable", f"{path}.unroutable", "Messages to a peer that had gone.", *labels, **of),
        _counter("zmq_full", f"{path}.full", "Messages not sent, or subscribers found full.", *labels, **of),
        _counter("zmq_malformed", f"{path}.malformed", "Messages that are none of ours.", *labels, **of),
        _counter("zmq_cut", f"{path}.cut", "Connections shut down: they brought too much.", *labels, **of),
    )


_FEED: Final = ("connecting", "waiting", "live", "degraded", "stale", "closed", "ended", "failed")
_ORDERS: Final = ("connecting", "reconciling", "ready", "degraded", "failed")
_BREAKER: Final = tuple(state.value for state in BreakerState)
_BOOKS: Final = ("beginning", "agreed", "in_doubt", "drift", "blind", "unwritten")
_TRADING: Final = ("active", "reduce_only", "halted")
_ACTOR: Final = ("starting", "running", "backing_off", "stopping", "stopped", "failed", "parked")
_B: Final = "brokers.*"
_A: Final = "tree.*"
_J: Final = "journal"
_E: Final = "journal.emergency"
_C: Final = "channels"
_I: Final = "ingest"
_X: Final = "exchanges.*"
_BRIDGES: Final = "bridges"
_G: Final = "bridges.brokers.*.guard"

BROKER: Final = (
    _state("broker_feed_state", f"{_B}.feed", "Of its prices: 1 for the state that it is in.", "broker", known=_FEED),
    _error("broker_feed_error", f"{_B}.feed_error", "something is wrong with its feed", "broker"),
    _state(
        "broker_orders_state",
        f"{_B}.orders",
        "Of its way for orders: 1 for the state that it is in.",
        "broker",
        known=_ORDERS,
    ),
    _error("broker_orders_error", f"{_B}.orders_error", "something is wrong with its way for orders", "broker"),
    _error("broker_closes_error", f"{_B}.closes_error", "what reduces risk can't be sent to it", "broker"),
    _error("broker_account_error", f"{_B}.account_error", "its account can't be read", "broker"),
    _error("broker_deals_error", f"{_B}.deals_error", "its newest deals can't be read", "broker"),
    _gauge(
        "broker_degraded",
        f"{_B}.condition.causes",
        "1 for each cause that keeps new risk from the account, 0 for the others.",
        "broker",
        read=causes,
        of_read=("cause",),
    ),
    _gauge(
        "broker_symbol_silent",
        f"{_B}.silent.*",
        "1 for each symbol that is silent, as stale or closed.",
        "broker",
        "symbol",
        read=silent,
        of_read=("state",),
    ),
    _state(
        "broker_breaker_state",
        f"{_B}.breaker.state",
        "Of its circuit breaker: 1 for the state that it is in.",
        "broker",
        known=_BREAKER,
    ),
    _gauge("broker_breaker_probe_seconds", f"{_B}.breaker.probe_in_s", "Until a probe of it counts.", "broker"),
    _counter("broker_call_failures", f"{_B}.breaker.failures", "Calls to it that failed.", "broker"),
    _gauge(
        "broker_call_failures_in_a_row",
        f"{_B}.breaker.in_a_row.*",
        "Since one was answered, by path.",
        "broker",
        "path",
    ),
    _counter("broker_breaker_opened", f"{_B}.breaker.opened", "How often its circuit breaker opened.", "broker"),
    *(
        _counter(
            "broker_feed_recoveries",
            f"{_B}.recoveries.{step.value}",
            "Steps that were tried with a silent feed.",
            "broker",
            fixed=(("step", step.value),),
        )
        for step in Recovery
    ),
    _counter("broker_ticks_polled", f"{_B}.ticks_polled", "Ticks that its feed gave.", "broker"),
    _counter("broker_ticks_crossed", f"{_B}.ticks_crossed", "Ticks left out: the bid was above the ask.", "broker"),
    _counter("broker_ticks_dropped", f"{_B}.ticks_dropped", "Ticks that found no room.", "broker"),
    _counter(
        "broker_polls_skipped", f"{_B}.polls_skipped", "Polls left out since the one before took too long.", "broker"
    ),
    _gauge("broker_account_age_seconds", f"{_B}.account_age_ms", "Since its account was read.", "broker", read=seconds),
    _gauge(
        "broker_tick_age_seconds",
        f"{_B}.tick_age_ms.*",
        "Since the price was confirmed.",
        "broker",
        "symbol",
        read=seconds,
    ),
    _state(
        "broker_trading_state",
        f"{_B}.trading.state",
        "What the account may do: 1 for the state.",
        "broker",
        known=_TRADING,
    ),
    _gauge(
        "broker_trading_hold",
        f"{_B}.trading.holds",
        "1 for each rule that holds the account, at this state.",
        "broker",
        read=holds,
        of_read=("rule", "state"),
    ),
    _state(
        "broker_books_state",
        f"{_B}.books.state",
        "Of its reconciliation: 1 for the state that it is in.",
        "broker",
        known=_BOOKS,
    ),
    _error("broker_books_error", f"{_B}.books.error", "its books can't be compared or written", "broker"),
    _counter("broker_books_recorded", f"{_B}.books.recorded", "Deals, positions and orders written down.", "broker"),
    _counter("broker_books_outside", f"{_B}.books.outside", "Deals that no order of ours explains.", "broker"),
    _counter("broker_books_drifts", f"{_B}.books.drifts", "Positions that the deals did not explain.", "broker"),
    _gauge(
        "broker_books_flagged", f"{_B}.books.flagged", "Positions that wait for an admin's word.", "broker", read=length
    ),
)
"""Of each broker."""


def _line(path: str, line: str = "") -> tuple[Metric, ...]:
    """A connection to an exchange; without a name it is the last `*` of the path."""
    labels, of = _named("line", line)
    return (
        _error("exchange_line_lost", f"{path}.lost", "nothing is told on the connection", "broker", *labels, **of),
        _gauge("exchange_line_open_seconds", f"{path}.open_s", "Since it was opened.", "broker", *labels, **of),
        _gauge(
            "exchange_line_quiet_seconds", f"{path}.quiet_s", "Since a message came on it.", "broker", *labels, **of
        ),
        _counter("exchange_line_messages", f"{path}.received", "Messages that came on it.", "broker", *labels, **of),
        _counter(
            "exchange_line_replaced",
            f"{path}.replaced",
            "How often it was replaced without a gap.",
            "broker",
            *labels,
            **of,
        ),
        _counter(
            "exchange_line_unseen",
            f"{path}.unseen",
            "Replacements before the new one had told of all that the old one had.",
            "broker",
            *labels,
            **of,
        ),
        _counter(
            "exchange_line_gaps",
            f"{path}.gaps.*",
            "How often it broke and nothing was told meanwhile, by why.",
            "broker",
            *labels,
            "reason",
            **of,
        ),
    )


_UNREAD: Final = "Messages of an exchange that could not be read, of prices or of the account."
_SILENT: Final = "How often prices moved, or what is held, and the connection said nothing."

EXCHANGE: Final = (
    _gauge("exchange_connected", f"{_X}.connected", "1 while it is connected, else 0.", "broker"),
    *_line(f"{_X}.market.lines.*"),
    *_line(f"{_X}.user", "account"),
    _counter("exchange_duplicates", f"{_X}.market.duplicates", "Prices and trades that were told twice.", "broker"),
    _counter(
        "exchange_lost_trades",
        f"{_X}.market.lost_trades.*",
        "Trades that were never told, by their numbers.",
        "broker",
        "symbol",
    ),
    _counter(
        "exchange_stalls",
        f"{_X}.market.stalls",
        "How often one of two connections fell behind, and was waited for no longer.",
        "broker",
    ),
    _counter("exchange_resets", f"{_X}.market.resets", "How often the exchange began to number anew.", "broker"),
    _counter("exchange_ticks_dropped", f"{_X}.market.dropped", "Ticks that found no room until the poll.", "broker"),
    _counter("exchange_ticks_crossed", f"{_X}.market.crossed", "Prices that nobody could trade on.", "broker"),
    _counter("exchange_unreadable", f"{_X}.market.faults", _UNREAD, "broker", fixed=(("of", "market"),)),
    _counter("exchange_unreadable", f"{_X}.user.faults", _UNREAD, "broker", fixed=(("of", "account"),)),
    _counter("exchange_price_looks", f"{_X}.market.looks", "Questions for prices of quiet symbols.", "broker"),
    _counter("exchange_price_looks_failed", f"{_X}.market.failed_looks", "Those without an answer.", "broker"),
    _counter(
        "exchange_silent_deaths",
        f"{_X}.market.silent_deaths",
        _SILENT,
        "broker",
        fixed=(("of", "market"),),
    ),
    _counter(
        "exchange_silent_deaths",
        f"{_X}.silent_deaths",
        _SILENT,
        "broker",
        fixed=(("of", "account"),),
    ),
    _counter(
        "exchange_trades_restarts",
        f"{_X}.market.trades_restarts",
        "How often the connection for trades was made anew since none came.",
        "broker",
    ),
    _counter("exchange_account_events", f"{_X}.user.events", "What was told of the account.", "broker"),
    _gauge(
        "exchange_clock_offset_seconds",
        f"{_X}.clock.offset_ms",
        "By how much its clock is ahead of this machine's.",
        "broker",
        read=seconds,
    ),
    _gauge(
        "exchange_clock_error_seconds",
        f"{_X}.clock.error_ms",
        "By how much that may be wrong either way.",
        "broker",
        read=seconds,
    ),
    _gauge(
        "exchange_clock_event_bound_seconds",
        f"{_X}.clock.event_bound_ms",
        "By how much it is ahead at the least, by what has just come from it.",
        "broker",
        read=seconds,
    ),
    _gauge("exchange_clock_age_seconds", f"{_X}.clock.measured_s_ago", "Since it was measured.", "broker"),
    _counter("exchange_clock_measurements", f"{_X}.clock.measurements", "How often it was measured.", "broker"),
    _counter("exchange_clock_jumps", f"{_X}.clock.jumps", "How often this machine's clock jumped.", "broker"),
    _counter("exchange_clock_refusals", f"{_X}.clock.refusals", "Requests refused for their time.", "broker"),
    _gauge(
        "exchange_limit_used", f"{_X}.budget.used.*.used", "Used of a limit in its present window.", "broker", "limit"
    ),
    _gauge("exchange_limit_most", f"{_X}.budget.used.*.limit", "What may be used of it.", "broker", "limit"),
    _gauge(
        "exchange_banned_until_timestamp_seconds",
        f"{_X}.budget.banned_until",
        "Until when nothing is sent; absent: it is.",
        "broker",
    ),
    _counter("exchange_bans", f"{_X}.budget.bans", "Answers with 418.", "broker"),
    _counter("exchange_throttled", f"{_X}.budget.throttled", "Answers with 429.", "broker"),
    _counter("exchange_requests_held_back", f"{_X}.budget.held_back", "Requests that a limit kept back.", "broker"),
    _counter("exchange_requests", f"{_X}.requests.requests", "Requests over REST.", "broker"),
    _counter("exchange_requests_resent", f"{_X}.requests.resent", "Questions that broke off, sent again.", "broker"),
    _counter(
        "exchange_requests_unknown", f"{_X}.requests.unknown", "Those of which nobody knows the outcome.", "broker"
    ),
    _counter("exchange_requests_refused", f"{_X}.requests.refusals", "Those that were refused.", "broker"),
    _counter("exchange_stops_placed", f"{_X}.stops.placed", "How often stops of positions were placed.", "broker"),
    _counter("exchange_stops_failed", f"{_X}.stops.failed", "How often they could not be.", "broker"),
    _gauge(
        "exchange_stops_missing",
        f"{_X}.stops.missing",
        "Positions without the stops that are wanted.",
        "broker",
        read=length,
    ),
    _counter("exchange_account_reads", f"{_X}.reads", "How often the whole account was read.", "broker"),
    _gauge(
        "exchange_symbols_missing",
        f"{_X}.symbols_missing",
        "Symbols of the configuration that the exchange does not trade.",
        "broker",
        read=length,
    ),
    _gauge(
        "exchange_settings_unset",
        f"{_X}.settings_unset",
        "Settings that could not be changed while positions or orders are open.",
        "broker",
        read=length,
    ),
    _gauge(
        "exchange_assets_not_counted",
        f"{_X}.not_counted",
        "Assets that are held and count for nothing.",
        "broker",
        read=length,
    ),
    _counter("exchange_strange", f"{_X}.strange.*", "Words that are new to the gateway.", "broker", "word"),
)
"""Of each broker at an exchange."""

METRICS: Final = (
    _gauge("up", "", "1: the gateway answers.", read=always),
    _gauge("build_info", "", "1; what runs is in the labels.", read=built, of_read=("version", "protocol")),
    _gauge("status_part_failed", "*", "1 where a part of /status can't be shown, else 0.", "part", read=broken),
    _gauge(UNREADABLE, "", "Figures of another form than is known here; report them.", read=later),
    *BROKER,
    _gauge("actors", "actors.by_state.*", "How many there are in each state.", "state"),
    _counter("restarts", "actors.restarts", "Starts of actors after their first, all together."),
    _state("actor_state", f"{_A}.state", "1 for the state that the actor is in.", "actor", known=_ACTOR),
    _gauge("actor_state_seconds", f"{_A}.in_state_s", "For how long it has been in it.", "actor"),
    _gauge("actor_incarnation", f"{_A}.incarnation", "Which start it is; 0 before the first.", "actor"),
    _counter("actor_restarts", f"{_A}.restarts", "Its starts after the first.", "actor"),
    _error("actor_error", f"{_A}.last_error", "its last end was an error", "actor"),
    _gauge("actor_mailbox_queued", f"{_A}.mailbox.queued", "Messages that wait for it.", "actor"),
    _gauge("actor_mailbox_capacity", f"{_A}.mailbox.capacity", "How many may wait.", "actor"),
    _gauge("actor_mailbox_peak", f"{_A}.mailbox.peak", "The most that ever waited.", "actor"),
    _counter("actor_mailbox_dropped", f"{_A}.mailbox.dropped", "Messages dropped for newer ones.", "actor"),
    _counter("actor_mailbox_conflated", f"{_A}.mailbox.conflated", "Messages replaced by newer ones.", "actor"),
    _counter("actor_mailbox_refused", f"{_A}.mailbox.refused", "Messages refused: it was full, or down.", "actor"),
    _counter("actor_mailbox_expired", f"{_A}.mailbox.expired", "Messages whose time was over.", "actor"),
    _gauge(
        "command_slow_after_seconds",
        "latency.warning_ms",
        "A command that takes longer in the gateway is slow.",
        read=seconds,
    ),
    _counter(
        "commands_slow",
        "latency.warnings",
        "Commands that were slow, in the gateway or by over a second at the broker.",
    ),
    _took("p50_ms", read=seconds, fixed=(("quantile", "0.5"),)),
    _took("p99_ms", read=seconds, fixed=(("quantile", "0.99"),)),
    _took("", read=total_s, suffix="_sum"),
    _took("count", suffix="_count"),
    _gauge("command_duration_max_seconds", "latency.commands.*.max_ms", "The slowest of a type.", "type", read=seconds),
    *_door("http_commands", "http"),
    *_door("zmq_commands", "zmq"),
    *_door("secure.endpoints.*"),
    *_door("nodes.commands", "node"),
    *_socket("zmq_commands.socket", "commands"),
    *_socket("publish", "publish"),
    *_socket("ingest.socket", "ingest"),
    *_socket("secure.endpoints.*.socket"),
    _counter("publish_failures", "publish.failed", "Messages that could not be published."),
    _gauge("eas", "eas", "EAs that have sent a command since the start."),
    _gauge("websocket_clients", "websocket.clients", "Clients that are connected."),
    _counter("websocket_accepted", "websocket.accepted", "Clients that were let in."),
    _counter("websocket_messages", "websocket.messages", "Messages that clients sent."),
    _counter("websocket_refused", "websocket.refused.*", "Connections turned away, by reason.", "reason"),
    _counter("websocket_closed", "websocket.closed.*", "Connections that ended, by close code.", "code"),
    _counter("websocket_errors", "websocket.errors.*", "Errors sent, by code.", "code"),
    _counter("hub_ticks_published", "hub.ticks_published", "Ticks that went out."),
    _counter("hub_ticks_unchanged", "hub.ticks_unchanged", "Ticks left out: as the one before."),
    _counter("hub_ticks_unknown", "hub.ticks_unknown", "Ticks left out: of no known symbol."),
    _counter("hub_batches", "hub.batches", "Batches of ticks that came."),
    _counter("hub_pushes", "hub.pushes", "Batches that were given to clients."),
    _gauge("hub_sinks", "hub.sinks", "Clients that have subscribed."),
    _gauge("hub_groups", "hub.groups", "Different sets of symbols that they have."),
    _counter("hub_sink_errors", "hub.sink_errors", "Clients given up for an error of their own."),
    _counter("hub_resumed", "hub.resumed", "Subscriptions that went on without a gap."),
    _counter("hub_not_resumed", "hub.not_resumed", "Subscriptions that asked to, and began anew."),
    _gauge("hub_history_bytes", "hub.history_bytes", "Ticks kept for who comes back."),
    _gauge("http_connections", "http.connections", "Connections that are open."),
    _counter("http_accepted", "http.accepted", "Connections taken."),
    _counter("http_turned_away", "http.turned_away", "Connections beyond the most that may be."),
    _counter("http_made_room", "http.made_room", "Connections closed for another one."),
    _counter("http_stalled", "http.stalled", "Connections cut: nothing of the answer was taken."),
    _counter("http_failed", "http.failed", "Connections that ended by an error."),
    _gauge("loop_lag_seconds", "loop.last_ms", "How late the event loop was when last measured.", read=seconds),
    _gauge("loop_lag_max_seconds", "loop.max_ms", "The most that it was.", read=seconds),
    _counter("loop_late", "loop.late", "How often that was too late."),
    _counter("turns_waited", "turns.*.waited", "Pieces of work beyond a share that waited.", "door"),
    _counter("turns_pressed", "turns.*.pressed", "Those that came though the loop was busy.", "door"),
    _gauge("turns_waiting", "turns.*.waiting", "Those that wait now.", "door"),
    _counter("loop_stalls", "loop.stalls", "How often it stood still for a second or more."),
    _gauge("loop_stalled_seconds", "loop.stalled_s", "The longest of these times."),
    _error("journal_down", f"{_J}.down", "the journal can't be written"),
    _counter("journal_commits", f"{_J}.commits", "Transactions."),
    _counter("journal_records", f"{_J}.records", "Records written, but for notes."),
    _counter("journal_failures", f"{_J}.failures", "Transactions that failed."),
    _gauge("journal_largest_group", f"{_J}.largest_group", "The most that one transaction took in."),
    _counter("journal_unnoted", f"{_J}.unnoted", "Records that were not written: there was no room for them."),
    _counter("journal_impossible", f"{_J}.impossible", "Steps that an order's life does not have."),
    _gauge("journal_last_seq", f"{_J}.last_seq", "The number of the newest line."),
    _gauge("journal_size_bytes", f"{_J}.bytes", "The file."),
    _counter("journal_pruned", f"{_J}.pruned", "Lines that were too old, or too many."),
    _counter("journal_lost_lines", f"{_J}.lost_lines", "Lines that a crash of the machine took."),
    _gauge("journal_wal_bytes", f"{_J}.wal_bytes", "The write-ahead log."),
    _error("journal_checkpoint_error", f"{_J}.checkpoint_error", "the write-ahead log can't be taken in"),
    _error("journal_emergency_error", f"{_E}.error", "the emergency file can't be used"),
    _gauge("journal_emergency_size_bytes", f"{_E}.size", "The emergency file."),
    _gauge("journal_emergency_used_bytes", f"{_E}.used", "What is in it."),
    _counter("journal_emergency_kept", f"{_E}.kept", "Records kept in it."),
    _gauge("journal_emergency_waiting", f"{_E}.waiting", "Records in it that wait for the journal."),
    _counter("journal_emergency_refused", f"{_E}.refused", "Records that found no room in it."),
    _counter("journal_emergency_torn", f"{_E}.torn", "Records in it that were cut off."),
    _gauge("router_revision", "state.revision", "Changes of regime and mandate."),
    _gauge("router_durable", "state.durable", "1 while what holds is on disk, else 0."),
    _error("router_error", "state.error", "regime or mandate can't be kept"),
    _state("router_mandate", "state.mandate", "1 for the mandate that holds.", known=("normal", "reduced", "none")),
    _gauge("router_max_multiplier", "state.max_multiplier", "What no EA's multiplier counts above."),
    _gauge("router_eas", "state.eas", "EAs that are remembered."),
    _gauge("router_eas_missing", "state.missing", "Those that were not heard since the start."),
    _error("news_error", "news.error", "the calendar of events can't be used"),
    _gauge(
        "news_refreshed_timestamp_seconds",
        "news.refreshed_at",
        "When the calendar's file was last written.",
        read=moment,
    ),
    _gauge("news_looked_timestamp_seconds", "news.looked_at", "When it was last looked at.", read=moment),
    _counter("news_read", "news.read", "How often it was read."),
    _gauge("news_events", "news.events", "Events in it."),
    _gauge("news_events_by_impact", "news.by_impact.*", "Events by their impact.", "impact"),
    _gauge("stop_file_present", "stop_file.there", "1 while the file STOP is there, else 0."),
    _gauge("stop_file_flatten", "stop_file.flatten", "1 while it also has everything closed, else 0."),
    _gauge("stop_file_looked_timestamp_seconds", "stop_file.looked_at", "When it was last looked for.", read=moment),
    _error("stop_file_error", "stop_file.error", "it can't be looked for, or its halt is not confirmed"),
    _gauge("tokens_known", "tokens.known", "Tokens that there are, expired ones among them."),
    _gauge("tokens_expired", "tokens.expired", "Those that have expired.", read=length),
    _gauge("tokens_looked_timestamp_seconds", "tokens.looked_at", "When their file was last looked at.", read=moment),
    _error("tokens_error", "tokens.error", "the file of tokens can't be used"),
    _counter("tokens_denied", "tokens.denied.*", "What was denied, by door and reason.", "door", "reason"),
    _gauge("channel_subscribers", f"{_C}.subscribers.*", "Clients that have the channel.", "channel"),
    _counter("channels_snapshots", f"{_C}.snapshots", "Snapshots that were made."),
    _counter("channels_resumed", f"{_C}.resumed", "Subscriptions that went on without a gap."),
    _counter("channels_not_resumed", f"{_C}.not_resumed", "Subscriptions that asked to, and began anew."),
    _counter("channels_read_from_log", f"{_C}.read_from_log", "Lines that came from the log."),
    _counter("channels_began_anew", f"{_C}.began_anew", "Clients given new snapshots without having asked."),
    _counter("channels_too_slow", f"{_C}.too_slow", "Clients closed for not taking their lines."),
    _counter("channels_unreadable", f"{_C}.unreadable", "Clients closed since lines could not be read."),
    _gauge("channels_journal_seq", f"{_C}.journal_seq", "Up to which line of the journal they are told."),
    _error("channels_error", f"{_C}.error", "what holds is not known yet"),
    _gauge("channels_reaches_back_to", f"{_C}.reaches_back_to", "From which line on they are told from memory."),
    _gauge("channels_lines", f"{_C}.lines", "Lines in memory."),
    _gauge("channels_bytes", f"{_C}.bytes", "What those take."),
    _gauge("channels_holds", f"{_C}.holds", "What a snapshot has, but for accounts."),
    _counter("channels_loads", f"{_C}.loads", "How often what holds was read from the log."),
    _counter("channels_gaps", f"{_C}.gaps", "Lines that were missing."),
    _counter("channels_faults", f"{_C}.faults", "Lines that could not be understood."),
    *EXCHANGE,
    _counter("bridges_received", f"{_BRIDGES}.received", "What terminals that came by themselves have said."),
    _counter(
        "bridges_refused", f"{_BRIDGES}.refused.*", "What was refused of bridges and other gateways, by why.", "reason"
    ),
    _gauge("bridge_connected", f"{_BRIDGES}.brokers.*.connected", "1 while its bridge is there.", "broker"),
    _counter("bridge_arrivals", f"{_BRIDGES}.brokers.*.arrivals", "How often a bridge came.", "broker"),
    _counter("bridge_received", f"{_BRIDGES}.brokers.*.received", "Messages of the bridge that came last.", "broker"),
    _counter("bridge_strange", f"{_BRIDGES}.brokers.*.strange", "Those that had not its session.", "broker"),
    _gauge("bridge_guard_seq", f"{_G}.seq", "The last guard message to its bridge in this session.", "broker"),
    _counter("bridge_guard_sent", f"{_G}.sent", "Guard messages to its bridges.", "broker"),
    _gauge("bridge_guard_acknowledged", f"{_G}.acknowledged", "The last one that the bridge has.", "broker"),
    _state(
        "bridge_guard_state",
        f"{_G}.state",
        "Of the bridge's guard: 1 for the state that it said last.",
        "broker",
        known=("watching", "cut_off", "flattening", "flat", "off"),
    ),
    _gauge("bridge_guard_age_seconds", f"{_G}.age_s", "Since the bridge last acknowledged one.", "broker"),
    _counter("bridge_guard_faults", f"{_G}.faults", "What it said of its guard that was none.", "broker"),
    _error("bridge_guard_held", f"{_G}.held", "no guard message is sent to it", "broker"),
    _gauge("nodes", "nodes.guests", "Other gateways that trade here.", read=length),
    _counter("nodes_requests", "nodes.requests", "What they asked."),
    _counter("nodes_orders", "nodes.orders", "Orders among that."),
    _counter("nodes_errors", "nodes.errors", "What was answered by an error."),
    _counter("ingest_granted", f"{_I}.connections.granted", "Senders of ticks that were let in."),
    _counter("ingest_denied", f"{_I}.connections.denied.*", "Senders that were not, by reason.", "reason"),
    _counter("ingest_received", f"{_I}.received", "Ticks that came, good or not."),
    _counter("ingest_accepted", f"{_I}.accepted.*", "Ticks that were taken in.", "broker"),
    _counter("ingest_dropped", f"{_I}.dropped.*.*", "Ticks that were not, by reason.", "broker", "reason"),
    _counter("ingest_feed_accepted", f"{_I}.brokers.*.accepted", "Ticks that its feed took.", "broker"),
    _counter(
        "ingest_feed_conflated", f"{_I}.brokers.*.conflated", "Ticks replaced by newer ones between polls.", "broker"
    ),
    _counter(
        "ingest_feed_waited", f"{_I}.brokers.*.waited", "Ticks that were too old when they were polled.", "broker"
    ),
    _gauge(
        "ingest_feed_newest_timestamp_seconds",
        f"{_I}.brokers.*.newest_msc",
        "The time of its newest tick.",
        "broker",
        read=seconds,
    ),
    _gauge("ingest_feed_waiting", f"{_I}.brokers.*.waiting", "Ticks that wait for the next poll.", "broker"),
    _counter("tls_opened", "tls.opened", "Connections whose handshake worked."),
    _gauge("tls_opening", "tls.opening", "Handshakes under way."),
    _counter("tls_failed", "tls.failed.*", "Handshakes that did not work, by reason.", "reason"),
    _gauge(
        "tls_certificate_expires_timestamp_seconds",
        "tls.certificate.not_after",
        "When the certificate ends.",
        read=moment,
    ),
    _counter("tls_certificate_renewed", "tls.certificate.renewed", "New certificates taken."),
    _error("tls_certificate_problem", "tls.certificate.problem", "a new certificate can't be used"),
    _gauge("tls_certificate_warnings", "tls.certificate.warnings", "What is odd about it.", read=length),
    _counter("secure_granted", "secure.connections.granted", "Connections let in by PLAIN or CURVE."),
    _counter("secure_denied", "secure.connections.denied.*", "Connections that were not, by reason.", "reason"),
    _gauge(
        "secure_keys", "secure.endpoints.*.clients.allowed", "Keys that may connect; absent where any may.", "socket"
    ),
    _error("secure_keys_problem", "secure.endpoints.*.clients.problem", "the folder of keys can't be read", "socket"),
)
"""Every row, in the order of /status. Rows with the same name are one metric."""

LEFT_OUT: Final[Mapping[str, str]] = {
    "protocol": "a label of quantmind_build_info",
    "commands.*": "the same as http_commands, by an older name",
    "actors.total": "the sum of quantmind_actors",
    "latency.commands.*.mean_ms": "the sum of quantmind_command_duration_seconds by its count",
    "brokers.*.recoveries.last.*": "the last step; how many there were is quantmind_broker_feed_recoveries_total",
    "brokers.*.books.flagged.*": "single positions; how many there are is quantmind_broker_books_flagged",
    "tls.certificate.days_left": "quantmind_tls_certificate_expires_timestamp_seconds less the time",
    "secure.endpoints.*.port": "of the configuration",
    "bridges.brokers.*.account": "whose it is",
    "bridges.brokers.*.since": "when it came; how often that was is quantmind_bridge_arrivals_total",
}
"""Numbers of /status that are no metrics, and why. `*` at the end: all below."""
