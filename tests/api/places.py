"""What addresses beside filings lead to: a batch, an upload, a complaint, a certificate's case, a
client and its delivery."""

import hashlib
from typing import Any

from domain.canonical import canonical_json, sha256_of
from domain.case.commands import SYSTEM, Actor
from domain.ids import enforcement_id
from domain.notices import Channel, NewNotice, NoticeKind
from files.certificate_import import IMPORT
from services.campaigns.closing import CAMPAIGN_CLOSED, summed_up
from services.notices.serving import serve
from store import enforcement, filing_files, samples, summaries
from store.journal import append_operator_step
from tests.api.people import Filing
from tests.certificates import content
from tests.connected import issue
from tests.connected import register as register_client
from tests.enforcing import case_on_record
from tests.registered import register
from tests.system import OPERATOR, REVIEWER, System

QUARTER = "2024Q4"


async def _sealed(house: System) -> None:
    """Seals the year's summary before its time: the open rules have windows of today."""
    campaign = "campaign/2024/000000"
    async with house.engine.begin() as connection:
        if await summaries.sealed(connection, campaign) is not None:
            return
        now = house.now()
        document = await summed_up(connection, campaign, now.isoformat())
        sha256 = sha256_of(document)
        text = canonical_json(document).decode()
        sealed = summaries.Sealed(document=text, sha256=sha256, sealed_at=now)
        await summaries.seal(connection, campaign, 1, sealed)
        body = {"sha256": sha256, "filings": 0, "unfinished": 0}
        actor = Actor(subject="operator-1", role=OPERATOR, scope="000000")
        await append_operator_step(
            connection, campaign, CAMPAIGN_CLOSED, actor, now, body, f"seal-{now}"
        )


async def _drawn(house: System) -> str:
    """Puts a draw in which nobody took part on record: the open rules have everybody checked."""
    async with house.engine.begin() as connection:
        now, campaign = house.now(), "campaign/2024/000000"
        number = await samples.commit(connection, campaign, 1, "0" * 64, now)
        await samples.keep(connection, campaign, number, [], now)
    return str(number)


async def notice(house: System, found: Filing) -> str:
    """A notice to the filer of a filing."""
    new = NewNotice(
        case_id=found.case_id,
        key="（生成）",
        kind=NoticeKind.DOCUMENT,
        institution=found.id,
        addressee=found.id,
        title="（生成）",
        body="（生成）",
        served_by=SYSTEM,
        served_at=house.now(),
        channels=(Channel.MAIL,),
    )
    async with house.engine.begin() as connection:
        return await serve(connection, new, house.now())


async def sending(house: System, notice: str) -> str:
    """The mail of a notice."""
    rows = await house.parts.outbox.page(size=1_000)
    return next(delivery.id for delivery, one in rows if one.id == notice)


async def address(house: System, found: Filing) -> str:
    """An address of a filing's institution."""
    registered = await house.parts.outbox.register(
        found.id, Channel.MAIL, "generated@example.org", SYSTEM, f"address-{found.id}"
    )
    return registered.address.id


async def paper(house: System, about: str) -> tuple[str, str]:
    """The hashes of a file and of a document in the case of enforcement about a filing."""
    case_id, now = enforcement_id(about, 1), house.now()
    file, document = b"proof", b"%PDF-1.7"
    hashes = hashlib.sha256(file).hexdigest(), hashlib.sha256(document).hexdigest()
    async with house.engine.begin() as connection:
        await enforcement.attach(
            connection, case_id, hashes[0], "a.txt", "text/plain", file, "clerk-1", now
        )
        await enforcement.keep_document(
            connection, case_id, 1, "prior_notice", "（生成）", hashes[1], document, now
        )
    return hashes


async def places(house: System, found: Filing) -> dict[str, str]:
    """Puts a batch, an upload and a complaint on record beside a filing; the parts of a path."""
    await _sealed(house)
    await house.open(QUARTER, "000000")
    batch = f"/api/report-batches/{QUARTER}/{found.id}"
    asked = await house.send("POST", batch, found.filer)
    assert asked.status in (202, 409), asked.body
    while (await house.send("GET", batch, found.filer)).status != 200:
        await house.pause(0.05)
    body = {"filename": "（生成）.csv", "media": "csv"}
    upload = await house.send("POST", f"{batch}/uploads/resumable", found.filer, body)
    assert upload.status == 201, upload.body
    applied = content(found.id, issuer=found.issuer)
    begun = await house.send("POST", "/api/certificates", found.clerk, {"content": applied})
    assert begun.status == 201, begun.body
    decided = {"approved_on": "2026-01-05", "document": "（生成）", "approver": "（生成）"}
    issued = await house.send(
        "POST",
        f"/api/{begun.body['id'].replace('certificate/', 'certificates/')}/apply",
        found.clerk,
        {"revision": 1, "sha256": begun.body["sha256"], "decided": decided},
    )
    assert issued.status == 200, issued.body
    checked = await house.http.post(
        "/api/certificates/imports?mode=check",
        content=IMPORT.template(),
        headers={
            "Authorization": f"Bearer {found.clerk}",
            "Content-Type": "text/csv",
            "Idempotency-Key": f"import-{found.id}",
        },
    )
    assert checked.status_code == 200, checked.text
    client = await register_client(house, found.issuer, sandbox=True)
    rehearsed = await client.accepted(issue(content_=applied))
    number = f"N-{found.id}"
    complaint = {"number": number, "about": "（生成）"}
    received = await house.send("POST", "/public/complaints", body=complaint)
    assert received.status == 201, received.body
    samr = house.token(REVIEWER, "reviewer-samr", "samr")
    for _ in range(400):
        for one in (await house.send("GET", "/api/complaints?size=200", samr)).body["items"]:
            id_ = one["id"].partition("/")[2]
            if (await house.send("GET", f"/api/complaints/{id_}", samr)).body["number"] == number:
                uscc = f"{abs(hash(found.id)) % 10**18:018d}"
                held = await register(
                    house.engine, f"R-{found.id}", institution=found.id, uscc=uscc
                )
                # of nobody's claim, so that nothing comes of it
                release = {
                    "action": "release",
                    "selection": {"ids": [f"filing/2024/{found.id}"]},
                    "reason": "（生成）",
                }
                operator = house.token(OPERATOR, "operator-1", "000000")
                job = await house.send("POST", "/api/jobs", operator, release)
                assert job.status == 202, job.body
                more: dict[str, Any] = {
                    "until": "2099-01-01T00:00:00+08:00",
                    "reason": "（生成）",
                }
                extensions = "/api/campaigns/2024/000000/extensions"
                granted = await house.send(
                    "POST", extensions, operator, {**more, "ids": [found.id]}
                )
                assert granted.status == 202, granted.body
                await case_on_record(house, found.id, found.case_id)
                attachment, document = await paper(house, found.case_id)
                registered = await house.send(
                    "POST",
                    f"/api/institutions/new-{found.id}/registration",
                    operator,
                    {"name": "（生成）", "region": found.region},
                )
                assert registered.status == 201, registered.body
                published = await house.send(
                    "POST",
                    "/api/announcements",
                    operator,
                    {
                        "kind": "help",
                        "jurisdiction": "000000",
                        "title": "（生成）",
                        "body": "（生成）",
                        "audience": ["public"],
                    },
                )
                assert published.status == 201, published.body
                attached = await house.http.post(
                    f"/api/announcements/{published.body['id']}/files?filename=a.pdf",
                    content=b"%PDF-1.7",
                    headers={
                        "Authorization": f"Bearer {operator}",
                        "Content-Type": "application/pdf",
                        "Idempotency-Key": f"attach-{found.id}",
                    },
                )
                assert attached.status_code == 201, attached.text
                content_ = b"%PDF-1.7"
                enclosed = filing_files.FilingFile(
                    # the same file as the announcement's, and so the same address
                    sha256=hashlib.sha256(content_).hexdigest(),
                    name="a.pdf",
                    media="application/pdf",
                    size=len(content_),
                    scanned="not_scanned",
                    added_by="clerk-1",
                    added_at=house.now(),
                )
                async with house.engine.begin() as connection:
                    await filing_files.add(connection, found.case_id, enclosed, content_)
                return {
                    "attachment": attachment,
                    "document": document,
                    "file": attached.json()["attachments"][0]["sha256"],
                    "form": "statistics-2024",
                    "subject": "accreditation",
                    "duty": "settle-problems",
                    "question": "1",
                    "waiver": "1",
                    "notice": (told := await notice(house, found)),
                    "sending": await sending(house, told),
                    "address": await address(house, found),
                    "draw": await _drawn(house),
                    "announcement": published.body["id"],
                    "registration": registered.body["id"],
                    "job": job.body["id"],
                    "confirmation": "0" * 32,
                    "deputy": "0" * 32,
                    "revocation": "0" * 32,
                    "membership": "0" * 32,
                    "person": "nobody",
                    "program": "program.nobody",
                    "token": "0" * 32,
                    "extension": granted.body["id"],
                    "number": held.number,
                    "code": held.code,
                    "uscc": uscc,
                    "period": "2024",
                    "about": "filing",
                    "n": "1",
                    "quarter": QUARTER,
                    "upload": upload.body["id"],
                    "complaint": id_,
                    "receipt": received.body["receipt"],
                    "import": checked.json()["id"],
                    "application": begun.body["id"].partition("/")[2],
                    "authority": found.issuer,
                    "client": client.id,
                    "delivery": rehearsed["delivery_id"],
                    "client_token": client.token,
                }
        await house.pause(0.05)
    raise AssertionError
