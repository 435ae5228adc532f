"""Supervised actors on Trio.

An actor is an async callable over an `Inbox`, made anew for each incarnation. A `Supervisor` starts, restarts and
stops actors; a `Pool` holds those that come and go. A `Ref` is an actor's address, valid over restarts. Whoever asks
gets an answer, `NotDelivered` (nothing had it: may be sent again) or `ReplyLost` (outcome unknown), and never waits
for an actor that has ended. Needs trio and attrs, and knows nothing of what its actors do.
"""

from .call import Call as Call
from .call import Request as Request
from .errors import ActorError as ActorError
from .errors import NotDelivered as NotDelivered
from .errors import ReplyLost as ReplyLost
from .errors import RestartLimitReached as RestartLimitReached
from .errors import StartFailed as StartFailed
from .events import Crashed as Crashed
from .events import GaveUp as GaveUp
from .events import LifecycleEvent as LifecycleEvent
from .events import Parked as Parked
from .events import Restarting as Restarting
from .events import Started as Started
from .events import Stopped as Stopped
from .events import log_event as log_event
from .inbox import Inbox as Inbox
from .mailbox import Mailbox as Mailbox
from .mailbox import MailboxPolicy as MailboxPolicy
from .mailbox import MailboxStatistics as MailboxStatistics
from .mailbox import Overflow as Overflow
from .policy import Backoff as Backoff
from .policy import Restart as Restart
from .policy import RestartWindow as RestartWindow
from .policy import Strategy as Strategy
from .policy import affected as affected
from .pool import Pool as Pool
from .ref import Ref as Ref
from .snapshot import Kind as Kind
from .snapshot import Snapshot as Snapshot
from .snapshot import State as State
from .spec import ActorSpec as ActorSpec
from .spec import Main as Main
from .supervisor import Supervisor as Supervisor
from .supervisor import supervise as supervise
from .until import run_until_stopping as run_until_stopping
