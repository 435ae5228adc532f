"""The risk governor's pure part: state, rules, and `judge` that folds them to a verdict.

A verdict is a function of the situation and the proposal and nothing else, so any decision can be made again
from its record. Only this package makes an `Approved`.
"""

from quantmind.domain.risk.approval import Approved as Approved
from quantmind.domain.risk.approval import Denied as Denied
from quantmind.domain.risk.approval import Reason as Reason
from quantmind.domain.risk.approval import Terms as Terms
from quantmind.domain.risk.approval import Verdict as Verdict
from quantmind.domain.risk.judge import judge as judge
from quantmind.domain.risk.judge import judge_flattening as judge_flattening
from quantmind.domain.risk.mandate import Mandate as Mandate
from quantmind.domain.risk.mandate import MandateMode as MandateMode
from quantmind.domain.risk.policy import EaLimits as EaLimits
from quantmind.domain.risk.policy import Policy as Policy
from quantmind.domain.risk.state import Closing as Closing
from quantmind.domain.risk.state import Market as Market
from quantmind.domain.risk.state import Reservation as Reservation
from quantmind.domain.risk.state import Situation as Situation
from quantmind.domain.risk.state import TradingState as TradingState
from quantmind.domain.risk.state import UnknownOrder as UnknownOrder
