"""Recorded ticks: which formats there are, reading them for a replay, and writing our own."""

from quantmind.adapters.mock.recordings.errors import ReplayError as ReplayError
from quantmind.adapters.mock.recordings.merge import Merged as Merged
from quantmind.adapters.mock.recordings.reader import Reader as Reader
from quantmind.adapters.mock.recordings.registry import FORMATS as FORMATS
from quantmind.adapters.mock.recordings.registry import Inspected as Inspected
from quantmind.adapters.mock.recordings.registry import Recording as Recording
from quantmind.adapters.mock.recordings.zones import parse_zone as parse_zone
