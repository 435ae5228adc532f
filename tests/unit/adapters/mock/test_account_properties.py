"""Whatever is done to a paper account, it adds up to the last cent, and no shortcut of it shows."""

from examples import examples
from hypothesis import settings
from paper_account_machine import PaperAccountMachine

PaperAccountMachine.TestCase.settings = settings(max_examples=examples(300, 60), stateful_step_count=40, deadline=None)
TestPaperAccount = PaperAccountMachine.TestCase
