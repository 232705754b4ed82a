"""One row of everything that no step tells all of, as the application writes it: sealed."""

import hashlib
import json
from datetime import date
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.canonical import sha256_of
from domain.case.commands import Actor, Role
from domain.clock import in_utc
from store import journal
from store.data_keys import hiding
from store.hidden import contact_subject, delivery_subject
from store.tables import metadata

FILE = "（生成）附件".encode()
SHA256 = hashlib.sha256(FILE).hexdigest()
OPERATOR = Actor(subject="operator-1", role=Role.OPERATOR, scope="000000")
CASE, CAMPAIGN, LAB = "filing/2023/done", "campaign/2023/350000", "done"


async def write(engine: AsyncEngine) -> None:
    """Writes them, in an order that foreign keys allow."""
    async with engine.begin() as connection:
        at = (await connection.execute(text("SELECT now()"))).scalar_one()
        body = {"delivery": "（生成）"}
        client = (await connection.execute(text("SELECT id FROM api_clients"))).scalar_one()
        rules = (await connection.execute(text("SELECT min(sha256) FROM rule_sets"))).scalar_one()
        order = {"action": "remind", "actor": OPERATOR.model_dump(mode="json"), "details": {}}
        contact = await hiding(connection, contact_subject(LAB, "liaison", at))
        beside = await hiding(connection, CASE)
        proposed = await hiding(connection, "confirmation/s")
        delivered = await hiding(connection, delivery_subject("amr-350000", False, "j"))
        for table, row in (
            ("addresses", {"id": "a", "addressee": LAB, "channel": "mail", "target": "a@example",
                           "registered_by": "clerk-done", "registered_at": at}),
            ("announcements", {"id": "b", "kind": "help", "jurisdiction": "000000", "version": 1,
                               "title": "（生成）说明", "audience": ["public"], "shown_from": at}),
            ("announcement_files", {"announcement_id": "b", "sha256": SHA256, "name": "a.txt",
                                    "media": "text/plain", "size": len(FILE), "content": FILE,
                                    "added_by": "operator-1", "added_at": at}),
            ("announcement_versions", {"announcement_id": "b", "version": 1, "title": "（生成）",
                                       "body": "（生成）", "audience": ["public"],
                                       "shown_from": at, "published_by": "operator-1",
                                       "published_at": at, "sha256": SHA256}),
            ("saved_views", {"person": "r-1", "name": "（生成）", "wanted": {"sort": "age"},
                             "saved_at": at}),
            ("deputies", {"id": "c", "authority": "amr-350102", "person": "r-1", "deputy": "r-2",
                          "starts": at, "ends": at, "named_by": "operator-1", "named_at": at}),
            ("jobs", {"id": "d", "about": CAMPAIGN, "work": {"order": order}, "asked_sha256": "",
                      "scope": "000000", "total": 1, "state": "done", "created_at": at,
                      "ended_at": at}),
            ("job_lists", {"id": "e", "filename": "e.csv", "ids": [CASE],
                           "added_by": OPERATOR.model_dump(mode="json"), "added_at": at}),
            ("job_items", {"job_id": "d", "number": 1, "case_id": CASE, "outcome": "done",
                           "sequence": 1, "at": at}),
            ("extensions", {"id": "d", "kind": "filing", "year": 2023, "quarter": 0,
                            "jurisdiction": "350000", "standing": True, "until": at,
                            "given_until": at, "document": "（生成）", "authorised_by": "（生成）",
                            "note_sha256": SHA256, "granted_by": OPERATOR.model_dump(mode="json"),
                            "granted_at": at}),
            ("notices", {"id": "f", "case_id": CASE, "key": "k", "kind": "reminder",
                         "institution": LAB, "audience": "filer", "addressee": LAB,
                         "title": "（生成）催报", "body": beside.of("（生成）", "f"),
                         "served_by": "system", "served_role": "system", "served_scope": "",
                         "served_at": at}),
            ("notice_deliveries", {"id": "g", "notice_id": "f", "channel": "mail",
                                   "address_id": "a", "target": "a@example", "state": "delivered",
                                   "attempted_at": at, "delivered_at": at}),
            ("registration_requests", {"id": "h", "institution_id": "asks", "name": "（生成）",
                                       "uscc": "91350102M000100Y43", "region": "350102",
                                       "legal_person": True, "state": "asked",
                                       "asked_by": "clerk-asks", "asked_at": at}),
            ("revocations", {"id": "i", "authority": "amr-350102", "person": "r-3",
                             "revoked_by": "operator-1", "note_sha256": "",
                             "revoked_at": at}),
            ("certificate_deliveries", {"authority": "amr-350000", "sandbox": False,
                                        "delivery_id": "j", "client_id": client, "action": "issue",
                                        "body": delivered.of(body),
                                        "body_sha256": sha256_of(body),
                                        "stage": "working", "attempt": 1, "received_at": at}),
            ("contacts", {"institution_id": LAB, "role": "liaison", "name": contact.of("（生成）"),
                          "source": "filer", "set_by": "clerk-done", "set_at": at}),
            ("institution_acts", {"id": "k", "kind": "merged", "institution_id": "draft",
                                  "into_id": LAB, "effective_on": date(2025, 1, 1),
                                  "document": "（生成）", "note_sha256": SHA256,
                                  "done_by": "operator-1", "done_at": at}),
            ("sample_draws", {"campaign": CAMPAIGN, "number": 1, "opening": 1, "seed": SHA256,
                              "committed_at": at, "drawn_at": at}),
            ("sampled_cases", {"campaign": CAMPAIGN, "number": 1, "case_id": CASE,
                               "rule_set": SHA256, "stratum": "350102", "drawn": True}),
            ("amendments", {"id": "d", "campaign": CAMPAIGN, "opening": 1, "before": {},
                            "after": {},
                            "document": "（生成）", "note_sha256": SHA256,
                            "made_by": OPERATOR.model_dump(mode="json"), "made_at": at}),
            ("authority_figures", {"year": 2023, "subject": "amr-350000", "revision": 1,
                                   "authority": "amr-350000", "rule_set": SHA256,
                                   "content": body, "sha256": sha256_of(body),
                                   "saved_by": "r-1", "saved_at": at}),
            ("filing_files", {"case_id": CASE, "sha256": SHA256, "name": "a.txt",
                              "media": "text/plain", "size": len(FILE),
                              "content": beside.of(FILE, SHA256),
                              "scanned": "", "added_by": "clerk-done", "added_at": at}),
            ("legal_person_findings", {"id": "l", "institution_id": LAB, "finding": "separate",
                                       "document": "（生成）", "note_sha256": SHA256,
                                       "found_by": "operator-1", "found_at": at}),
            ("publications", {"year": 2023, "jurisdiction": "350000", "revision": 1,
                              "rule_set": rules, "published_at": at, "note_sha256": SHA256,
                              "published_by": OPERATOR.model_dump(mode="json"),
                              "command_id": "m"}),
            ("accounts", {"name": "r-1", "made_at": at}),
            ("memberships", {"id": "n", "person": "r-1", "role": "reviewer",
                             "scope": "amr-350102", "administers": False, "starts": at,
                             "given_by": "operator-1", "given_at": at}),
            ("account_links", {"sha256": SHA256, "person": "r-1", "made_by": "operator-1",
                               "made_at": at, "ends_at": at}),
            ("sessions", {"sha256": SHA256, "person": "r-1", "membership": "n",
                          "second_factor": True, "began_at": at, "ends_at": at}),
            ("proposed_acts", {"id": "s", "act": "roster", "number": 1, "path": "/api/x",
                               "body": proposed.of(body),
                               "body_sha256": sha256_of(body), "command_id": "t",
                               "proposed_by": OPERATOR.model_dump(mode="json"), "scope": "000000",
                               "proposed_at": at, "ends_at": at, "state": "declined",
                               "decided_by": "operator-2", "decided_at": at}),
            ("tokens", {"id": "o", "person": "r-1", "role": "reviewer", "scope": "amr-350102",
                        "issued_by": "operator-1", "issued_at": at, "ends_at": at,
                        "revoked_by": "operator-1", "revoked_at": at}),
            ("program_secrets", {"id": "p", "program": "program.one", "sha256": SHA256,
                                 "made_by": "operator-1", "made_at": at, "ends_at": at}),
            ("known_browsers", {"sha256": SHA256, "person": "r-1", "made_at": at, "ends_at": at}),
            ("identities", {"issuer": "https://id.example", "subject": "q", "person": "r-1",
                            "tied_by": "operator-1", "tied_at": at}),
            ("campaign_summaries", {"campaign": CAMPAIGN, "opening": 1,
                                    "document": json.dumps(body), "sha256": SHA256,
                                    "sealed_at": at}),
        ):  # fmt: skip
            await connection.execute(insert(metadata.tables[table]), [row])
        await _plan(connection, at)
        await _steps(connection, at, rules)


async def enforcement(engine: AsyncEngine, case_id: str) -> None:
    """What a case of enforcement has gathered."""
    async with engine.begin() as connection:
        at = (await connection.execute(text("SELECT now()"))).scalar_one()
        file: dict[str, Any] = {"case_id": case_id, "sha256": SHA256}
        key = await hiding(connection, case_id)
        added = {
            "content": key.of(FILE, SHA256),
            "name": "a.txt",
            "media": "text/plain",
            "given_by": "clerk",
            "given_at": at,
        }
        made = {
            "content": key.of(FILE, "1"),
            "sequence": 1,
            "kind": "notice",
            "number": "1",
            "made_at": at,
        }
        for table, more in (("enforcement_attachments", added), ("enforcement_documents", made)):
            await connection.execute(insert(metadata.tables[table]), [{**file, **more}])


async def _steps(connection: AsyncConnection, at: Any, rules: str) -> None:
    """The steps that come with some of these rows."""
    pinned = await connection.execute(
        text("SELECT rule_sets FROM campaigns WHERE case_id = :id"), {"id": CAMPAIGN}
    )
    amended = {"amendment": "d", "places": [], "rule_sets": pinned.scalar_one(), "document": ""}
    merged = {"act": "k", "institution_id": "draft", "into_id": LAB}
    asked = {"request": "h", "institution": "asks", "name": "（生成）", "region": "350102"}
    found = {"finding_id": "l", "institution_id": LAB, "finding": "separate", "files_with": ""}
    role = {"role": "reviewer", "role_label": "审核人", "scope": "amr-350102"}
    token = {"token": "o", "ends_at": at.isoformat(), **role}
    absent = {"starts": in_utc(at), "ends": in_utc(at), "deputy": "r-2"}
    of_authority = {"authority": "amr-350102"}
    published = {"id": "（生成）", "revision": 1, "sha256": rules}
    for chain, event, said, key in (
        ("person/r-1", "token_issued", token, "o"),
        ("person/r-1", "token_revoked", {"token": "o"}, "o"),
        ("person/program.one", "secret_made", {"overlap_seconds": 0}, "p"),
        ("person/r-1", "identity_tied", {"issuer": "https://id.example"}, "q"),
        ("person/r-3", "role_revoked", {"id": "i", **of_authority}, "i"),
        ("person/r-1", "deputy_named", {"id": "c", **of_authority, **absent}, "c"),
    ):
        await journal.append_operator_step(
            connection, chain, event, OPERATOR, at, said, f"{event}:{key}"
        )
    for chain, event, said in (
        (CAMPAIGN, "campaign_amended", {**amended, "total": 0}),
        ("register/institutions", "institution_merged", merged),
        ("register/institutions", "registration_requested", asked),
        ("register/institutions", "legal_person_found", found),
        ("person/r-1", "role_given", {"membership": "n", "administers": False, **role}),
        ("rules/2023/350000", "rules_published", {"ruleset": published, "replaces": ""}),
    ):
        await journal.append_operator_step(
            connection, chain, event, OPERATOR, at, said, f"{event}-of-world"
        )


async def _plan(connection: AsyncConnection, at: Any) -> None:
    said = {"document": "（生成）方案", "mode": "manual", "received_on": "2024-12-31"}
    await journal.append_operator_step(
        connection, "province/amr-440000", "plan_received", OPERATOR, at, said, "plan-of-world"
    )
    plan = {**said, "received_on": date(2024, 12, 31), "authority": "amr-440000"}
    by = {"recorded_by": OPERATOR.subject, "recorded_at": at}
    await connection.execute(insert(metadata.tables["province_plans"]), [{**plan, **by}])
