"""A paper account that is read back from its file goes on as the one that was never away."""

import tempfile
from pathlib import Path

from examples import examples
from hypothesis import settings
from hypothesis.stateful import rule
from paper_account_machine import PaperAccountMachine, make

from quantmind.adapters.mock.account_file import AccountFile, Rows
from quantmind.adapters.mock.record import Mark, history_since, mark_of, record_of, restore


class RestartedAccountMachine(PaperAccountMachine):
    """All that the other machine does, and each restart goes through the file; the twin never stops."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "account.db"
        self.mark = Mark()
        self.rows = Rows()

    @rule()
    def restart(self):
        books, snapshot = self.account.books, self.account.snapshot()
        file, _ = AccountFile.open(self.path)
        self.rows = file.write(record_of(books, "demo"), history_since(books, self.mark), self.rows)
        self.mark = mark_of(books)
        file.close()
        file, kept = AccountFile.open(self.path)
        file.close()
        assert kept is not None
        assert kept.rows == self.rows
        again = make(self.terms, self.symbol_terms)
        restore(again, kept.record, kept.history, "demo")
        assert again.snapshot() == snapshot
        self.account = again

    def teardown(self):
        super().teardown()
        self.folder.cleanup()


RestartedAccountMachine.TestCase.settings = settings(
    max_examples=examples(200, 25), stateful_step_count=40, deadline=None
)
TestRestartedAccount = RestartedAccountMachine.TestCase
