"""Where the router's state may be kept: in memory, or in the journal's store."""

from quantmind.adapters.state.journal import JournalState as JournalState
from quantmind.adapters.state.memory import MemoryState as MemoryState
