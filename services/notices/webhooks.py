"""Notices as CloudEvents to registered addresses: signed, and never to where they must not go.

The body is a CloudEvent 1.0 in JSON. It is signed as Standard Webhooks has it: HMAC-SHA256 over
``id.timestamp.body`` with the address's own secret, in ``webhook-signature``.
"""

import asyncio
import base64
import hmac
import ipaddress
import json
import socket
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpcore

from services.keys import Keyring, Purpose, derived_by
from services.notices.failures import NotDelivered, Refused
from store.notices import Notice

WITHIN = 15.0
"""Seconds that one attempt may take in all."""

LONGEST_URL = 500


class Webhooks:
    """Sends to https addresses in the open Internet, and to the hosts that are named.

    ``allowed`` are hosts, ``host`` or ``host:port``, that may be in a private network and may be
    spoken to without TLS. A redirect is a failure: nobody is sent where nobody registered.
    """

    def __init__(self, keyring: Keyring, allowed: Iterable[str] = (), source: str = "") -> None:
        self._keyring = keyring
        self._allowed = frozenset(one.strip().lower() for one in allowed if one.strip())
        self._source = source

    def secret(self, address_id: str, now: datetime) -> str:
        """The secret of an address, as its receiver checks signatures with it."""
        key = self._keyring.current(Purpose.WEBHOOKS, now)
        return f"whsec_{base64.b64encode(derived_by(key, address_id)).decode()}"

    def wrong(self, url: str) -> str:
        """Why nothing is sent to an address, in Chinese; "" where something is."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return "不是网址"
        if len(url) > LONGEST_URL or not url.isascii() or any(mark <= " " for mark in url):
            return f"网址至多 {LONGEST_URL} 个字符，只用 ASCII，没有空格"
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return "应是 https:// 开头的网址"
        if parts.username is not None or parts.password is not None or parts.fragment:
            return "网址里不能有用户名、密码和 # 之后的部分"
        if parts.scheme != "https" and not self._names(parts.hostname, port or 80):
            return "应是 https:// 开头的网址；内部网络的主机须先由运维列入 ZHIBAO_WEBHOOK_HOSTS"
        return ""

    async def send(
        self, url: str, address_id: str, delivery_id: str, notice: Notice, now: datetime
    ) -> None:
        """Sends a notice to an address. Raises NotDelivered."""
        if wrong := self.wrong(url):
            raise Refused(wrong)
        body = json.dumps(event(notice, delivery_id, self._source), ensure_ascii=False).encode()
        stamp = str(int(now.timestamp()))
        signed = f"{delivery_id}.{stamp}.".encode() + body
        # by every key that holds: receivers learn of a new one while the old one holds as well
        signatures = [
            base64.b64encode(hmac.digest(derived_by(key, address_id), signed, "sha256")).decode()
            for key in self._keyring.valid(Purpose.WEBHOOKS, now)
        ]
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "webhook-id": delivery_id,
            "webhook-timestamp": stamp,
            "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        }
        try:
            async with asyncio.timeout(WITHIN):
                status = await self._post(url, headers, body)
        except TimeoutError:
            raise NotDelivered("对方没有按时答复") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError):
            raise NotDelivered("连不上对方") from None
        if status == 410:
            raise Refused("对方已停用这一网址（HTTP 410）")
        if not 200 <= status < 300:
            raise NotDelivered(f"对方答复 HTTP {status}")

    # --- private steps -----------------------------------------------------------------------

    async def _post(self, url: str, headers: dict[str, str], body: bytes) -> int:
        # neither proxies of the environment nor redirects are followed at this level
        async with (
            httpcore.AsyncConnectionPool(network_backend=_Guarded(self._names)) as pool,
            pool.stream("POST", url, headers=list(headers.items()), content=body) as response,
        ):
            # the answer's body is nobody's business, and may be endless
            return int(response.status)

    def _names(self, host: str, port: int) -> bool:
        """Whether somebody who runs the system has named this host."""
        host = host.lower()
        return host in self._allowed or f"{host}:{port}" in self._allowed


def event(notice: Notice, delivery_id: str, source: str) -> dict[str, Any]:
    """A notice as a CloudEvent. Its ``id`` is that of the delivery, however often it is sent."""
    return {
        "specversion": "1.0",
        "id": delivery_id,
        "source": source or "urn:zhibao",
        "type": f"cn.zhibao.notice.{notice.kind.value}",
        "subject": notice.case_id,
        "time": notice.served_at.isoformat(),
        "datacontenttype": "application/json",
        "data": {
            "notice": notice.id,
            "case_id": notice.case_id,
            "institution": notice.institution,
            "addressee": notice.addressee,
            "title": notice.title,
            "body": notice.body,
            "document_sha256": notice.document_sha256,
        },
    }


class _Guarded(httpcore.AsyncNetworkBackend):
    """Connects to addresses of the open Internet only, as they are at that very moment.

    A name is resolved once, and the address that was looked at is the one connected to.
    """

    def __init__(self, named: Any) -> None:
        self._named = named
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the base class has it
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection, or Refused."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(one[4][0]) for one in found]
        if not self._named(host, port) and not all(map(_open_internet, addresses)):
            raise Refused("网址指向内部网络；确需推送的，须先由运维列入 ZHIBAO_WEBHOOK_HOSTS")
        return await self._backend.connect_tcp(
            addresses[0], port, timeout, local_address, socket_options
        )


def _open_internet(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo and found.teredo[1])
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner:
            return _open_internet(str(inner))
    return found.is_global and not found.is_multicast


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
