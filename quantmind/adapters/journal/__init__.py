"""The durable record on SQLite: `SqliteJournal` implements the Journal port, `LogReader` the Log port."""

from quantmind.adapters.journal.reader import LogReader as LogReader
from quantmind.adapters.journal.retention import Bounds as Bounds
from quantmind.adapters.journal.sqlite import SqliteJournal as SqliteJournal
