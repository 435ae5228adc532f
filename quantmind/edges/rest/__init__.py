"""The REST door: a Quart-Trio app over boards, the commands door and the governor."""

from quantmind.edges.rest.app import make_app as make_app
from quantmind.edges.rest.context import RestContext as RestContext
