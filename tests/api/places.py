"""What addresses beside filings lead to: a batch, an upload, a complaint, a certificate's case, a
client and its delivery."""

from domain.case.commands import SYSTEM
from domain.notices import NewNotice, NoticeKind
from files.certificate_import import IMPORT
from services.notices.serving import serve
from tests.api.people import Filing
from tests.certificates import content
from tests.connected import issue
from tests.connected import register as register_client
from tests.registered import register
from tests.system import OPERATOR, REVIEWER, System

QUARTER = "2024Q4"


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
        channels=(),
    )
    async with house.engine.begin() as connection:
        return await serve(connection, new, house.now())


async def places(house: System, found: Filing) -> dict[str, str]:
    """Puts a batch, an upload and a complaint on record beside a filing; the parts of a path."""
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
    begun = await house.send("POST", "/api/certificates", found.filer, {"content": applied})
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
                return {
                    "announcement": published.body["id"],
                    "registration": registered.body["id"],
                    "notice": await notice(house, found),
                    "job": job.body["id"],
                    "number": held.number,
                    "code": held.code,
                    "uscc": uscc,
                    "period": "2024",
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
