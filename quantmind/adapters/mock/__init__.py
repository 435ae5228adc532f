"""The paper broker: a MetaTrader-5-like account inside the process, over made-up or recorded prices."""

from quantmind.adapters.mock.account import PaperAccount as PaperAccount
from quantmind.adapters.mock.account_file import AccountFileError as AccountFileError
from quantmind.adapters.mock.broker import MockBroker as MockBroker
from quantmind.adapters.mock.build import build as build
from quantmind.adapters.mock.build import inlets as inlets
from quantmind.adapters.mock.faults import Faults as Faults
from quantmind.adapters.mock.feed import Feed as Feed
from quantmind.adapters.mock.feed import FeedStep as FeedStep
from quantmind.adapters.mock.ingest_feed import IngestFeed as IngestFeed
from quantmind.adapters.mock.market import Market as Market
from quantmind.adapters.mock.random_walk import RandomWalk as RandomWalk
from quantmind.adapters.mock.random_walk import WalkSymbol as WalkSymbol
from quantmind.adapters.mock.random_walk import usual_walk as usual_walk
from quantmind.adapters.mock.recordings import Recording as Recording
from quantmind.adapters.mock.recordings import ReplayError as ReplayError
from quantmind.adapters.mock.replay import Replay as Replay
from quantmind.adapters.mock.terms import Terms as Terms
