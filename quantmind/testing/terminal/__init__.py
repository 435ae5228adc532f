"""A MetaTrader 5 terminal and its trade server, made up: a paper account that programs reach as they reach a real one.

`FakeTerminal` lives in one process; whatever imports `quantmind.testing.mt5` in another one sees it as the MetaTrader5
package shows a terminal. A program may be killed, and its account is still there. `Faults` are what goes wrong with
real ones: `python -m quantmind.testing.terminal --help` has them for trying an EA's or a program's own handling.
"""

from quantmind.testing.terminal.fake import FakeTerminal as FakeTerminal
from quantmind.testing.terminal.faults import Faults as Faults
from quantmind.testing.terminal.requests import Done as Done
