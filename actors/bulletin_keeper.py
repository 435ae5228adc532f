"""The actor that keeps the bulletin true: it loads what holds, at the start and after each gap."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any, Final

import attrs
import trio

from actors import durable
from actors.bulletin import Bulletin
from actors.runtime import Backoff, Inbox, run_until_stopping
from quantmind.errors import JournalDown
from quantmind.ports import Journal

logger: Final = logging.getLogger("quantmind.bulletin")

LOAD_WITHIN_S: Final = 5.0


@attrs.define
class BulletinKeeper:
    """Loads the bulletin whenever it asks for it. A journal that can't be read is tried again until it can.

    Ready after the first try, so that who connects at once finds something in it.
    """

    bulletin: Bulletin
    journal: Journal
    backoff: Backoff = attrs.field(factory=lambda: Backoff(first=0.1, cap=5.0))

    async def __call__(self, inbox: Inbox[Any]) -> None:
        """Keep it true until asked to stop."""
        await run_until_stopping(inbox, partial(self._load_for_ever, inbox))

    async def _load_for_ever(self, inbox: Inbox[Any]) -> None:
        tries = 0
        if not self.bulletin.wants_load.is_set():
            inbox.ready()  # an earlier incarnation has loaded it
        while True:
            await self.bulletin.wants_load.wait()
            if await self._load():
                tries = 0
            inbox.ready()
            # Also after one that went well: lines that never follow each other must not keep the journal busy.
            await trio.sleep(self.backoff.delay(tries))
            tries += 1

    async def _load(self) -> bool:
        bulletin = self.bulletin
        try:
            standing = await durable.within(self.journal.standing(), LOAD_WITHIN_S)
        except JournalDown as error:
            logger.warning("fail.bulletin reason=%s", error)
            bulletin.error = f"what holds can't be read from the journal ({error})"
            return False
        bulletin.load(standing)
        logger.info("load.bulletin journal_seq=%d generation=%d", bulletin.seq, bulletin.generation)
        return True
