"""Notices leave the system: a real SMTP server and a real HTTP sink, failing and coming back."""

import asyncio
import base64
import contextlib
import hmac
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from domain.case.commands import SYSTEM
from domain.contacts import ContactRole, ContactSource, Reachable
from domain.notices import Channel, DeliveryState, NewNotice, NoticeKind
from services.keys import Keyring
from services.notices import delivery, mail, webhooks
from services.notices.delivery import ATTEMPTS, Delivering, again
from services.notices.mail import MailServer
from services.notices.outbox import OutboxService
from services.notices.serving import serve
from services.notices.webhooks import Webhooks
from store import contacts, institutions, notices
from tests.system import institution

pytestmark = pytest.mark.anyio

KEYS = Keyring(None, "a-key-for-tests-only-a-key-for-tests-only")
PASSWORD = "a-password-that-nobody-may-read"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2033, 3, 14, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Postbox:
    """What a mail server does with what it is sent: ``says`` is its answer."""

    def __init__(self) -> None:
        self.says = "250 OK"
        self.to = "250 OK"
        self.mails: list[EmailMessage] = []

    async def handle_RCPT(self, _: Any, __: Any, envelope: Any, address: str, ___: Any) -> str:
        if self.to.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.to

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:
        if self.says.startswith("250"):
            got = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(got, EmailMessage)
            self.mails.append(got)
        return self.says


class Sink:
    """An HTTP server that keeps what it is sent and answers what it is told to."""

    def __init__(self) -> None:
        self.answer = b"HTTP/1.1 204 No Content\r\n\r\n"
        self.silent = False
        self.over = asyncio.Event()
        self.got: list[tuple[str, dict[str, str], bytes]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.got.append((first, headers, body))
        if self.silent:
            await self.over.wait()
        writer.write(self.answer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@pytest.fixture
async def sink() -> AsyncIterator[tuple[Sink, str]]:
    sink = Sink()
    server = await asyncio.start_server(sink, "127.0.0.1", 0)
    async with server:
        yield sink, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        sink.over.set()
        await asyncio.sleep(0.05)


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server shows, and what a client has to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    shown = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    shown.load_cert_chain(file)
    return shown, ssl.create_default_context(cafile=file)


@asynccontextmanager
async def mail_server(box: Postbox, **options: Any) -> AsyncIterator[MailServer]:
    """A real SMTP server with a postbox behind it."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(box, **options), "localhost", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield MailServer("localhost", port, "notices@zhibao.example")
        await asyncio.sleep(0.05)


@pytest.fixture
async def served(engine: AsyncEngine) -> str:
    """An institution with somebody to write to."""
    async with engine.begin() as connection:
        await institutions.save(connection, [institution("inst-1")])
        await contacts.add(
            connection,
            {"inst-1": Reachable(name="（生成）", mail="somebody@example.org")},
            ContactRole.LIAISON,
            ContactSource.FILER,
            "clerk-1",
            datetime.now(UTC),
        )
    return "inst-1"


async def new(
    engine: AsyncEngine,
    clock: Clock,
    *channels: Channel,
    title: str = "（生成）催报",
    kind: NoticeKind = NoticeKind.REMINDER_TO_FILE,
    key: str = "1",
) -> str:
    notice = NewNotice(
        case_id="filing/2024/inst-1",
        key=key,
        kind=kind,
        institution="inst-1",
        addressee="inst-1",
        title=title,
        body="（生成）请尽快填报",
        served_by=SYSTEM,
        served_at=clock.now,
        channels=channels,
    )
    async with engine.begin() as connection:
        return await serve(connection, notice, clock.now)


async def ways(engine: AsyncEngine, notice: str) -> dict[str, tuple[str, int, str]]:
    async with engine.connect() as connection:
        found = await notices.by_id(connection, notice)
    assert found is not None
    return {
        one.channel.value: (one.state.value, one.attempts, one.failure) for one in found.deliveries
    }


async def test_mail_goes_out_once_over_tls_signed_in_and_is_proved(
    engine: AsyncEngine, served: str, tmp_path: Path
) -> None:
    clock, box = Clock(), Postbox()
    shown, trusted = certificate(tmp_path)

    def known(_: Any, __: Any, ___: Any, ____: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        return AuthResult(success=given.password == PASSWORD.encode())

    options = {"authenticator": known, "auth_required": True, "require_starttls": True}
    async with mail_server(box, tls_context=shown, **options) as plain:
        server = plain._replace(user="zhibao", password=SecretStr(PASSWORD), trusted=trusted)
        title = "（生成）催报\nBcc: other@example.org"
        notice = await new(engine, clock, Channel.MAIL, title=title)
        workers = [Delivering(engine, server, Webhooks(KEYS), clock) for _ in range(4)]
        await asyncio.gather(*(worker.deliver() for worker in workers))
        [got] = box.mails
        assert got["To"] == "somebody@example.org"
        assert got["Subject"] == "（生成）催报 Bcc: other@example.org"
        assert got["Bcc"] is None
        assert got.get_content().strip() == "（生成）请尽快填报"
        assert got["Message-ID"].endswith("@zhibao.example>")
        assert await ways(engine, notice) == {
            "message": ("delivered", 0, ""), "mail": ("delivered", 1, ""),
        }  # fmt: skip
        async with engine.connect() as connection:
            kept = await connection.execute(
                text("SELECT event, step::text FROM journal WHERE case_id = :id ORDER BY sequence"),
                {"id": f"notice/{notice}"},
            )
            proof = kept.all()
        assert [row.event for row in proof] == ["notice_served", "notice_delivered"]
        # whose address it is stands with the delivery, never in the journal
        assert not any("somebody@" in row.step for row in proof)
        # without being trusted, or with another password, nothing is sent, and nothing is told
        for wrong in (
            server._replace(trusted=None),
            server._replace(password=SecretStr("another")),
        ):
            other = await new(engine, clock, Channel.MAIL, key=repr(wrong.trusted))
            with capture_logs() as lines:
                await Delivering(engine, wrong, Webhooks(KEYS), clock).deliver()
            state, _, failure = (await ways(engine, other))["mail"]
            assert state == "waiting"
            assert failure
            assert PASSWORD not in str(lines) + failure
            assert "another" not in str(lines) + failure
        assert len(box.mails) == 1


@pytest.mark.parametrize(
    ("says", "to", "state", "failure"),
    [
        ("451 later", "250 OK", "waiting", "邮件服务器答复 SMTP 451"),
        ("554 no", "250 OK", "waiting", "邮件服务器答复 SMTP 554"),
        ("250 OK", "450 greylisted", "waiting", "收件地址被拒收（SMTP 450）"),
        ("250 OK", "550 unknown", "failed", "收件地址被拒收（SMTP 550）"),
    ],
)
async def test_what_a_mail_server_puts_off_is_tried_again_and_what_it_refuses_is_shown(
    engine: AsyncEngine, served: str, says: str, to: str, state: str, failure: str
) -> None:
    clock, box = Clock(), Postbox()
    box.says, box.to = says, to
    async with mail_server(box) as server:
        worker = Delivering(engine, server._replace(security="none"), Webhooks(KEYS), clock)
        notice = await new(engine, clock, Channel.MAIL)
        await worker.deliver()
        assert (await ways(engine, notice))["mail"] == (state, 1, failure)
        box.says = box.to = "250 OK"
        # not before its time has come
        await worker.deliver()
        assert box.mails == []
        outbox = OutboxService(engine, Webhooks(KEYS), clock)
        [(one, _)] = await outbox.page(state=DeliveryState(state))
        if state == "failed":
            await outbox.replay(one.id, SYSTEM, "replayed-1")
        clock.now += timedelta(seconds=31)
        await worker.deliver()
        assert (await ways(engine, notice))["mail"][0] == "delivered"
        [got] = box.mails
        assert got["Message-ID"] == f"<{one.id}@zhibao.example>"
        # what has arrived is not sent again
        await outbox.replay(one.id, SYSTEM, "replayed-2")
        clock.now += timedelta(days=1)
        await worker.deliver()
        assert len(box.mails) == 1


async def test_nobody_to_write_to_and_no_server_are_said(engine: AsyncEngine, served: str) -> None:
    clock = Clock()
    notice = await new(engine, clock, Channel.MAIL, Channel.WEBHOOK)
    worker = Delivering(engine, None, Webhooks(KEYS), clock)
    await worker.deliver()
    state = await ways(engine, notice)
    assert state["mail"] == ("waiting", 1, "没有设置邮件服务器（ZHIBAO_MAIL_SERVER）")
    assert state["webhook"][0] == "unaddressed"
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM contacts"))
    clock.now += timedelta(minutes=1)
    await worker.deliver()
    assert (await ways(engine, notice))["mail"] == ("unaddressed", 2, "没有登记的邮箱")


async def test_a_webhook_gets_a_signed_cloud_event_until_it_takes_it(
    engine: AsyncEngine, served: str, sink: tuple[Sink, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "WITHIN", 0.3)
    got, url = sink
    clock, hooks = Clock(), Webhooks(KEYS, [url.split("/")[2]], "https://zhibao.example")
    outbox = OutboxService(engine, hooks, clock)
    address, secret = await outbox.register("inst-1", Channel.WEBHOOK, url, SYSTEM, "hook-1")
    worker = Delivering(engine, None, hooks, clock)
    notice = await new(engine, clock, Channel.WEBHOOK)
    for answer, failure in (
        (b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", "对方答复 HTTP 503"),
        (b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", "对方答复 HTTP 404"),
        # nobody is sent elsewhere
        (b"HTTP/1.1 302 Go\r\nlocation: http://127.0.0.1:1/\r\n\r\n", "对方答复 HTTP 302"),
        (b"nonsense\r\n\r\n", "连不上对方"),
    ):
        got.answer = answer
        await worker.deliver()
        state, _, said = (await ways(engine, notice))["webhook"]
        assert (state, said) == ("waiting", failure)
        clock.now += timedelta(hours=5)
    got.silent = True
    await worker.deliver()
    assert (await ways(engine, notice))["webhook"] == ("waiting", 5, "对方没有按时答复")
    got.silent, got.answer = False, b"HTTP/1.1 202 Taken\r\ncontent-length: 0\r\n\r\n"
    clock.now += timedelta(hours=5)
    await worker.deliver()
    assert (await ways(engine, notice))["webhook"] == ("delivered", 6, "")
    first, headers, body = got.got[-1]
    assert first == "POST /hook HTTP/1.1"
    told = from_http_event(HTTPMessage(headers=headers, body=body))
    assert told.get_type() == "cn.zhibao.notice.reminder_to_file"
    assert told.get_source() == "https://zhibao.example"
    data = told.get_data()
    assert isinstance(data, dict)
    assert data["notice"] == notice
    # the same event however often it was sent
    assert len({one["webhook-id"] for _, one, _ in got.got}) == 1
    assert told.get_id() == headers["webhook-id"]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    await outbox.end(address.id, SYSTEM, "hook-1-ends")
    later = await new(engine, clock, Channel.WEBHOOK, key="2")
    assert (await ways(engine, later))["webhook"][0] == "unaddressed"


async def test_after_its_attempts_a_delivery_is_a_dead_letter_until_it_is_replayed(
    engine: AsyncEngine, served: str, sink: tuple[Sink, str]
) -> None:
    got, url = sink
    clock, hooks = Clock(), Webhooks(KEYS, ["127.0.0.1"])
    outbox = OutboxService(engine, hooks, clock)
    await outbox.register("inst-1", Channel.WEBHOOK, url, SYSTEM, "hook-1")
    notice = await new(engine, clock, Channel.WEBHOOK)
    worker = Delivering(engine, None, hooks, clock)
    got.answer = b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"
    began = clock.now
    for _ in range(ATTEMPTS - 1):
        await worker.deliver()
        async with engine.connect() as connection:
            found = await notices.by_id(connection, notice)
        assert found is not None
        [way] = [one for one in found.deliveries if one.channel is Channel.WEBHOOK]
        assert way.next_at is not None
        assert clock.now < way.next_at <= clock.now + timedelta(hours=4)
        clock.now = way.next_at
    assert timedelta(hours=5) < clock.now - began < timedelta(days=2)
    await worker.deliver()
    assert (await ways(engine, notice))["webhook"] == ("failed", ATTEMPTS, "对方答复 HTTP 500")
    clock.now += timedelta(days=9)
    await worker.deliver()
    assert len(got.got) == ATTEMPTS
    [(one, _)] = await outbox.page(state=DeliveryState.FAILED)
    got.answer = b"HTTP/1.1 204 Taken\r\n\r\n"
    await outbox.replay(one.id, SYSTEM, "replayed-1")
    await worker.deliver()
    assert (await ways(engine, notice))["webhook"][0] == "delivered"


async def test_a_worker_that_dies_in_the_middle_leaves_it_to_the_next_one(
    engine: AsyncEngine, served: str, sink: tuple[Sink, str]
) -> None:
    got, url = sink
    clock, hooks = Clock(), Webhooks(KEYS, ["127.0.0.1"])
    await OutboxService(engine, hooks, clock).register(
        "inst-1", Channel.WEBHOOK, url, SYSTEM, "hook-1"
    )
    notice = await new(engine, clock, Channel.WEBHOOK)
    got.silent = True
    dying = asyncio.create_task(Delivering(engine, None, hooks, clock).deliver())
    while not got.got:
        await asyncio.sleep(0.02)
    other = Delivering(engine, None, hooks, clock)
    await other.deliver()
    assert len(got.got) == 1
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    got.silent = False
    clock.now += timedelta(minutes=3)
    await other.deliver()
    assert (await ways(engine, notice))["webhook"] == ("delivered", 2, "")
    assert len({headers["webhook-id"] for _, headers, _ in got.got}) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x", "https://user:pw@example.org/", "ftp://example.org/",
        "https://exa mple.org/", "https://例子.example/", "https:///x", "https://example.org/#x",
        "https://" + "x" * 600, "http://127.0.0.1:99999/",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_pushed_to_is_refused_with_why(url: str) -> None:
    assert Webhooks(KEYS).wrong(url)
    assert Webhooks(KEYS).wrong("https://example.org/hook?x=1") == ""


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]",
     "[64:ff9b::a00:1]", "192.168.1.1", "0.0.0.0", "100.64.0.1"],
)  # fmt: skip
async def test_nothing_is_sent_into_a_private_network_unless_its_host_is_named(
    engine: AsyncEngine, served: str, host: str
) -> None:
    clock, hooks = Clock(), Webhooks(KEYS)
    outbox = OutboxService(engine, hooks, clock)
    await outbox.register("inst-1", Channel.WEBHOOK, f"https://{host}/x", SYSTEM, "hook-1")
    notice = await new(engine, clock, Channel.WEBHOOK)
    await Delivering(engine, None, hooks, clock).deliver()
    state, _, failure = (await ways(engine, notice))["webhook"]
    assert state == "failed"
    assert "ZHIBAO_WEBHOOK_HOSTS" in failure


def test_attempts_are_further_and_further_apart_and_never_all_at_once() -> None:
    now = datetime(2033, 1, 1, tzinfo=UTC)
    waits = [[again(now, attempt) - now for _ in range(50)] for attempt in range(1, ATTEMPTS)]
    assert timedelta(seconds=15) <= min(waits[0]) <= max(waits[0]) <= timedelta(seconds=30)
    assert timedelta(minutes=4) <= min(waits[4]) <= max(waits[4]) <= timedelta(minutes=8)
    assert max(waits[-1]) <= delivery.LAST_AGAIN
    assert all(len(set(each)) > 1 for each in waits)


def test_a_mail_sent_again_is_the_same_mail() -> None:
    assert delivery._LEASE.total_seconds() > mail.WITHIN
    assert delivery._LEASE.total_seconds() > webhooks.WITHIN
