"""HTTP whose requests have bounds before anybody reads them: the size of a head, and its time."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 32 * 1024
"""Bytes of a request's address and headers."""

HEAD_WITHIN = 20.0
"""Seconds from a connection, or from a request's first byte, until its head is there."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\n"
_END = b"content-length: 0\r\nconnection: close\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """The server's protocol with bounds that it does not have itself."""

    _awaited: asyncio.TimerHandle | None = None
    _in_head = True
    _come = 0
    _named = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection: somebody is about to ask."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection is over."""
        self._no_longer_awaited()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes; a head that goes on and on is not waited for."""
        super().data_received(data)
        if self._in_head:
            self._come += len(data)
            if self._come > LARGEST_HEAD:
                self._end(_TOO_LARGE)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._in_head, self._come, self._named = True, 0, 0
        if self._awaited is None:
            self._await_head()

    def on_url(self, url: bytes) -> None:
        """A part of the address."""
        self._named += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One whole header."""
        self._named += len(name) + len(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A whole head; one that is too large and came in one piece is no request."""
        self._in_head = False
        self._no_longer_awaited()
        if self._named > LARGEST_HEAD:
            raise ValueError("a head that is too large")
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What is no request."""
        if self._named > LARGEST_HEAD:
            self._end(_TOO_LARGE)
        else:
            super().send_400_response(msg)

    def _await_head(self) -> None:
        self._awaited = self.loop.call_later(HEAD_WITHIN, self._end, _TOO_SLOW)

    def _no_longer_awaited(self) -> None:
        if self._awaited is not None:
            self._awaited.cancel()
            self._awaited = None

    def _end(self, status: bytes) -> None:
        self._no_longer_awaited()
        if not self.transport.is_closing():
            self.transport.write(status + _END)
            self.transport.close()
