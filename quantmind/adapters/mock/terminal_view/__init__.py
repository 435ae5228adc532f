"""A paper account in MetaTrader 5's own shapes: requests and structures of its Python package, as dicts."""

from quantmind.adapters.mock.terminal_view.request import InvalidRequest as InvalidRequest
from quantmind.adapters.mock.terminal_view.view import TerminalView as TerminalView
