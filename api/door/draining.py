"""Ending without anybody noticing: what is under way ends, and nobody new is sent here."""

import asyncio
import time

from starlette.types import Message, Receive

from domain.refusals import Code, Refusal, Refused

_BUFFERED = 0.1
"""Seconds for a part of a body that is here already, once bodies are cut off."""

PAUSE = 30.0
"""Seconds that a sender may stand still over a whole body, beside what its size gives it."""

SLOWEST = 1024
"""Bytes a second: who sends slower keeps a place that others wait for."""


class Draining:
    """Whether this process is about to end, and the bodies that are still coming in."""

    def __init__(self) -> None:
        self.begun = False
        self._cut = False
        self._coming: set[asyncio.Future[Message]] = set()

    def begin(self) -> None:
        """From now on the process says that it is not ready, and keeps no connection open."""
        self.begun = True

    def cut(self) -> None:
        """Gives up bodies that are still coming in: a slow sender is not to hold up the end.

        What came of a file of report numbers is kept, and the sender goes on from there.
        """
        self._cut = True
        for coming in tuple(self._coming):
            coming.cancel()

    def receiving(self, receive: Receive) -> Receive:
        """The same body, until it is cut off or comes too slowly: reading it raises Refused then.

        Only the sender's own time counts, not what is done with the parts of the body meanwhile.
        """
        whole, patience = False, PAUSE

        async def receive_unless_cut() -> Message:
            nonlocal whole, patience
            if whole:
                return await receive()
            coming, since = asyncio.ensure_future(receive()), time.monotonic()
            self._coming.add(coming)
            try:
                await asyncio.wait({coming}, timeout=_BUFFERED if self._cut else max(patience, 0))
                if coming.cancelled() or (self._cut and not coming.done()):
                    params = {"part": "正在停止的本服务"}
                    raise Refused(Refusal(code=Code.UNAVAILABLE, params=params))
                if not coming.done():
                    raise Refused(Refusal(code=Code.TOO_SLOW))
                message = coming.result()
            finally:
                self._coming.discard(coming)
                coming.cancel()
            came = len(message.get("body", b"")) / SLOWEST
            patience = min(PAUSE, patience + came - (time.monotonic() - since))
            whole = not message.get("more_body", False)
            return message

        return receive_unless_cut
