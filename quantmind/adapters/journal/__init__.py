"""The durable record on SQLite: `SqliteJournal` implements the Journal port."""

from quantmind.adapters.journal.sqlite import SqliteJournal as SqliteJournal
