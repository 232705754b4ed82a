"""Annual filings over HTTP: drafts, every act of a filing's life, and acts that come twice."""

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.case.events import GENESIS, event_of, hash_of
from domain.case.kind import fold, position
from domain.facts import CertificateFacts
from domain.filing.kind import FILING
from rules.filing.forms.structure import MAX_FORM_BYTES
from store import cases, content, journal
from tests.api.people import (
    FUJIAN,
    HENAN,
    HUNAN,
    LIAONING,
    REASONS,
    SHAANXI,
    Filing,
    filing,
    open_findings,
)
from tests.system import (
    CHECKER,
    FILER,
    OPERATOR,
    REVIEWER,
    Answer,
    System,
    certificate,
    institution,
)

pytestmark = pytest.mark.anyio

MARK = "echo-me-not"
"""Stands in bad input; no answer may repeat it."""


async def raw(
    house: System, method: str, path: str, token: str, content: bytes, **headers: str
) -> Answer:
    """One request whose body is exactly these bytes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named |= {"authorization": f"Bearer {token}"}
    named.setdefault("content-type", "application/json")
    answer = await house.http.request(method, path, content=content, headers=named)
    return Answer(answer.status_code, answer.json(), answer.headers)


async def put(found: Filing, based_on: int, values: dict[str, Any], token: str = "") -> Answer:
    """Saves a draft with these values of the statistics."""
    body = {"parts": {"statistics": values}}
    return await found.house.send(
        "PUT", f"{found.path}/draft", token or found.filer, body, if_match=f'"{based_on}"'
    )


async def draft(found: Filing) -> Any:
    return (await found.get(found.filer, "/draft")).body


def events(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["event"] for entry in entries if entry["sequence"] is not None]


# --- drafts --------------------------------------------------------------------------------------


async def test_a_first_revision_is_saved_over_none_and_says_what_is_still_missing(
    house: System,
) -> None:
    found = await filing(house)
    empty = await found.get(found.filer, "/draft")
    assert (empty.body["revision"], empty.headers["etag"]) == (0, '"0"')
    saved = await put(found, 0, {"projects": 36})
    assert (saved.status, saved.headers["etag"]) == (200, '"1"')
    assert saved.body["parts"] == {"statistics": {"projects": 36}}
    missing = {one["pointer"] for one in saved.body["report"]["findings"]}
    assert "/parts/statistics/assets" in missing
    assert "/parts/statistics/projects" not in missing
    again = await draft(found)
    assert again == saved.body


async def test_of_two_clerks_who_edit_the_same_revision_the_second_loses_nothing_unknowingly(
    house: System,
) -> None:
    found = await filing(house)
    second = house.token(FILER, "second-clerk", found.id)
    assert (await put(found, 0, {"projects": 1})).status == 200
    assert (await put(found, 1, {"projects": 2})).status == 200
    overtaken = await put(found, 1, {"projects": 3}, second)
    assert (overtaken.status, overtaken.body["code"]) == (412, "revision_conflict")
    assert "第 2 稿" in overtaken.body["detail"]
    assert (await draft(found))["parts"] == {"statistics": {"projects": 2}}


async def test_of_ten_clerks_who_save_at_once_exactly_one_is_told_that_it_is_saved(
    house: System,
) -> None:
    found = await filing(house)
    clerks = [house.token(FILER, f"clerk-{n}", found.id) for n in range(10)]
    answers = await asyncio.gather(
        *(put(found, 0, {"projects": n}, token) for n, token in enumerate(clerks))
    )
    assert sorted(answer.status for answer in answers) == [200] + [412] * 9
    winner = next(n for n, answer in enumerate(answers) if answer.status == 200)
    standing = await draft(found)
    assert (standing["revision"], standing["parts"]["statistics"]) == (1, {"projects": winner})


async def test_the_same_save_sent_again_changes_nothing_and_is_answered_alike(
    house: System,
) -> None:
    found = await filing(house)
    first = await put(found, 0, {"projects": 7})
    again = await asyncio.gather(*(put(found, 0, {"projects": 7}) for _ in range(5)))
    assert [one.body for one in again] == [first.body] * 5
    assert (await put(found, 1, {"projects": 8})).status == 200
    late = await put(found, 0, {"projects": 7})
    assert late.body == first.body
    assert (await draft(found))["revision"] == 2
    # somebody else who happens to have typed the same is told of the other clerk
    other = await put(found, 1, {"projects": 8}, house.token(FILER, "second-clerk", found.id))
    assert (other.status, other.body["code"]) == (412, "revision_conflict")


@pytest.mark.parametrize("tag", ['"1"', "1", 'W/"1"', ' "1" '])
async def test_a_revision_may_be_named_in_every_form_of_a_tag(house: System, tag: str) -> None:
    found = await filing(house)
    await put(found, 0, {"projects": 1})
    body = {"parts": {"statistics": {"projects": 2}}}
    saved = await house.send("PUT", f"{found.path}/draft", found.filer, body, if_match=tag)
    assert (saved.status, saved.headers["etag"]) == (200, '"2"')


@pytest.mark.parametrize(
    "tag", [None, "", '""', "*", '"0", "1"', '"-1"', '"1.0"', "abc", '"0x1"', '"999999999999"', "²"]
)
async def test_a_save_that_names_no_revision_is_refused(house: System, tag: str | None) -> None:
    found = await filing(house)
    path, body = f"{found.path}/draft", b'{"parts": {}}'
    headers = {"authorization": f"Bearer {found.filer}", "content-type": "application/json"}
    if tag is not None:
        headers["if-match"] = tag
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    answer = await house.http.put(path, content=body, headers=encoded)
    assert (answer.status_code, answer.json()["code"]) == (428, "match_required")
    assert (await draft(found))["revision"] == 0


@pytest.mark.parametrize("tag", ['"1"', '"7"', '"99999999"'])
async def test_a_save_over_a_revision_that_does_not_exist_is_refused(
    house: System, tag: str
) -> None:
    found = await filing(house)
    body: dict[str, Any] = {"parts": {}}
    answer = await house.send("PUT", f"{found.path}/draft", found.filer, body, if_match=tag)
    assert (answer.status, answer.body["code"]) == (412, "revision_conflict")


def draft_json(inner: str) -> bytes:
    return ('{"parts": {"statistics": {' + inner + "}}}").encode()


IN_A_FIELD: dict[str, tuple[str, str, str]] = {
    # what is sent as content of the statistics, the field that is named, the code
    "a number as text": ('"projects": "echo-me-not"', "projects", "wrong_type"),
    "a fraction": ('"projects": 1.5', "projects", "wrong_type"),
    "a whole number with a point": ('"projects": 1.0', "projects", "wrong_type"),
    "true for a number": ('"projects": true', "projects", "wrong_type"),
    "an object for a number": ('"projects": {"echo-me-not": 1}', "projects", "wrong_type"),
    "beyond all bounds": ('"projects": 1' + "0" * 400, "projects", "too_large"),
    "a decimal that is no text": ('"assets": 1.25', "assets", "wrong_type"),
    "a third decimal place": ('"assets": "1.255"', "assets", "bad_format"),
    "an option there is not": ('"unit_nature": "echo-me-not"', "unit_nature", "not_an_option"),
    "an unknown field": ('"no_such_field": "echo-me-not"', "no_such_field", "unknown_field"),
    "a field with a slash": ('"a/b~c": 1', "a~1b~0c", "unknown_field"),
    "a control character": ('"remarks": "a\\u0000echo-me-not"', "remarks", "bad_characters"),
}

NO_JSON: dict[str, bytes] = {
    "more digits than Python reads": draft_json('"projects": ' + "9" * 5000),
    "an infinite number": draft_json('"projects": 1e999'),
    "not a number": draft_json('"projects": NaN'),
    "infinity": draft_json('"projects": -Infinity'),
    "half a character": draft_json('"remarks": "\\ud800"'),
    "half a character as a name": draft_json('"\\ud800": 1'),
    "one field twice": draft_json('"projects": 1, "projects": 2'),
    "one field twice, written in two ways": draft_json('"projects": 1, "project\\u0073": 2'),
    "one part twice": b'{"parts": {"statistics": {}, "statistics": {}}}',
    "broken off": b'{"parts": {',
    "something behind it": b'{"parts": {}} echo-me-not',
    "single quotes": b"{'parts': {}}",
    "nested without end": b'{"parts": ' + b"[" * 100_000,
    "nested with an end": b'{"parts": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001,
    "UTF-16": '{"parts": {}}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"parts": {}}',
    "GB18030": b'{"parts": {"\xbc\xec\xb2\xe2": {}}}',
}

OF_ANOTHER_SHAPE: dict[str, tuple[bytes, str, str]] = {
    "an unknown part": (b'{"parts": {"echo": {}}}', "/parts/echo", "unknown_part"),
    "a part that is a list": (b'{"parts": {"statistics": []}}', "/parts/statistics", "dict_type"),
    "a part that is null": (b'{"parts": {"statistics": null}}', "/parts/statistics", "dict_type"),
    "parts that are a list": (b'{"parts": []}', "/parts", "dict_type"),
    "no parts": (b"{}", "/parts", "missing"),
    "nothing at all": (b"", "/parts", "missing"),
    "something else beside": (b'{"parts": {}, "echo": 1}', "/echo", "extra_forbidden"),
    "a list": (b"[]", "", "model_type"),
    "a text": (b'"echo-me-not"', "", "model_type"),
    "nothing in JSON": (b"null", "", "model_type"),
}

BAD_DRAFTS: dict[str, tuple[bytes, str, str]] = {
    **{
        name: (draft_json(inner), f"/parts/statistics/{field}", code)
        for name, (inner, field, code) in IN_A_FIELD.items()
    },
    **{name: (content, "", "json_invalid") for name, content in NO_JSON.items()},
    **OF_ANOTHER_SHAPE,
    "a form too large": (
        draft_json(f'"remarks": "{" " * MAX_FORM_BYTES}"'),
        "/parts/statistics",
        "form_too_large",
    ),
}


@pytest.fixture(scope="module")
async def drafted(house: System) -> Filing:
    """A filing with one revision, which nothing here may change."""
    found = await filing(house)
    assert (await put(found, 0, {"projects": 1})).status == 200
    return found


async def test_a_form_is_saved_up_to_its_largest_size(house: System) -> None:
    """Not a byte more, as the bad drafts below show."""
    found = await filing(house)
    blank = MAX_FORM_BYTES - len('{"remarks":""}')
    assert (await put(found, 0, {"remarks": " " * (blank + 1)})).status == 422
    assert (await put(found, 0, {"remarks": " " * blank})).status == 200


@pytest.mark.parametrize("name", BAD_DRAFTS)
async def test_a_bad_draft_is_refused_whole_and_the_wrong_place_is_named(
    house: System, drafted: Filing, name: str
) -> None:
    content, pointer, code = BAD_DRAFTS[name]
    path = f"{drafted.path}/draft"
    answer = await raw(house, "PUT", path, drafted.filer, content, if_match='"1"')
    assert (answer.status, answer.body["code"]) == (422, "invalid_body"), answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    first = answer.body["errors"][0]
    assert (first["pointer"], first["code"]) == (pointer, code)
    told = first["message"] + answer.body["detail"] + answer.body["title"]
    told = told.replace("本件有 statistics", "")  # ids of what there is
    assert not set(told) & set("abcdefghijklmnopqrstuvwxyz") - set("trueorfalse"), told
    assert MARK not in json.dumps(answer.body)
    assert (await draft(drafted))["parts"] == {"statistics": {"projects": 1}}


async def test_a_thousand_unknown_fields_are_counted_but_not_all_listed(
    house: System, drafted: Filing
) -> None:
    path = f"{drafted.path}/draft"
    many: dict[str, Any] = {f"field-{n}-{MARK * 20}": n for n in range(2000)}
    for body in ({"parts": {}, **many}, {"parts": many}, {"parts": {"statistics": many}}):
        content = json.dumps(body).encode()
        answer = await raw(house, "PUT", path, drafted.filer, content, if_match='"1"')
        assert (answer.status, answer.body["code"]) == (422, "invalid_body")
        assert 1 <= len(answer.body["errors"]) <= 100
        assert len(json.dumps(answer.body)) < 40_000
    top_level = json.dumps({"parts": {}, **many}).encode()
    answer = await raw(house, "PUT", path, drafted.filer, top_level, if_match='"1"')
    assert "2000 处" in answer.body["detail"]


async def test_a_body_over_a_mebibyte_is_refused_without_reading_on(
    house: System, drafted: Filing
) -> None:
    read = 0

    async def endless() -> Any:
        nonlocal read
        while True:
            read += 64 * 1024
            yield b" " * 64 * 1024

    headers = {
        "authorization": f"Bearer {drafted.filer}",
        "content-type": "application/json",
        "if-match": '"1"',
    }
    answer = await house.http.put(f"{drafted.path}/draft", content=endless(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert "1024 KiB" in answer.json()["detail"]
    assert read < 4 * 1024 * 1024


@pytest.mark.parametrize("given", ["text/plain", "application/xml", "application/jsonp", ""])
async def test_anything_but_json_is_refused_by_its_type(
    house: System, drafted: Filing, given: str
) -> None:
    path = f"{drafted.path}/draft"
    body = b'{"parts": {}}'
    answer = await raw(house, "PUT", path, drafted.filer, body, if_match='"1"', content_type=given)
    assert (answer.status, answer.body["code"]) == (415, "unsupported_media_type")


async def test_json_with_a_charset_is_json(house: System) -> None:
    found = await filing(house)
    answer = await raw(
        house, "PUT", f"{found.path}/draft", found.filer, b'{"parts": {}}',
        if_match='"0"', content_type="Application/JSON; charset=UTF-8",
    )  # fmt: skip
    assert answer.status == 200


async def test_a_draft_is_closed_before_its_window_after_it_and_while_others_have_the_case(
    house: System,
) -> None:
    early, late = await filing(house, SHAANXI, until="scheduled"), await filing(
        house, LIAONING, until="after_window"
    )  # fmt: skip
    for found, code in ((early, "not_open_yet"), (late, "fill_closed")):
        refused = await put(found, 0, {"projects": 1})
        assert (refused.status, refused.body["code"]) == (409, code)
        assert refused.body["sources"]
        assert refused.body["at"]
    submitted = await filing(house)
    await submitted.submitted()
    refused = await put(submitted, 1, {"projects": 1})
    assert (refused.status, refused.body["code"]) == (409, "wrong_status")
    assert (await draft(submitted))["revision"] == 1


# --- submitting ----------------------------------------------------------------------------------


async def test_only_the_newest_revision_can_be_submitted_exactly_as_it_was_seen(
    house: System,
) -> None:
    found = await filing(house)
    nothing = {"revision": 1, "sha256": "0" * 64}
    refused = await found.act("submit", found.filer, nothing)
    assert (refused.status, refused.body["code"]) == (422, "nothing_to_submit")
    first = (await found.saved()).body
    second = (await found.saved()).body
    assert (first["revision"], second["revision"]) == (1, 2)
    for body in (
        {"revision": 1, "sha256": first["sha256"]},
        {"revision": 2, "sha256": "0" * 64},
        {"revision": 3, "sha256": second["sha256"]},
    ):
        refused = await found.act("submit", found.filer, body)
        assert (refused.status, refused.body["code"]) == (409, "stale_revision")
    assert await found.status() == "draft"
    good = {"revision": 2, "sha256": second["sha256"]}
    assert (await found.act("submit", found.filer, good)).status == 200


async def test_incomplete_content_is_refused_and_every_field_named(house: System) -> None:
    found = await filing(house)
    saved = (await put(found, 0, {"projects": 36, "patents": 1, "patents_invention": 2})).body
    body = {"revision": 1, "sha256": saved["sha256"]}
    refused = await found.act("submit", found.filer, body)
    assert (refused.status, refused.body["code"]) == (422, "content_incomplete")
    named = {(error["pointer"], error["code"]) for error in refused.body["errors"]}
    assert ("/parts/statistics/assets", "required") in named
    assert ("/parts/statistics/patents", "check_failed") in named
    # the preview said the same, finding by finding
    report = saved["report"]
    shown = [
        (one["pointer"], one["code"], one["message"])
        for one in report["findings"]
        if one["level"] == "block" or (one["level"] == "warn" and one["reason"] is None)
    ]
    told = [(one["pointer"], one["code"], one["message"]) for one in refused.body["errors"]]
    assert told == shown
    assert [one["number"] for one in report["findings"]] == [*range(1, len(report["findings"]) + 1)]
    assert f"{len(shown)} 处" in refused.body["detail"]
    assert await found.status() == "draft"


async def test_what_is_submitted_again_as_it_was_returned_is_taken_and_told_to_both_sides(
    house: System,
) -> None:
    found = await filing(house)
    await found.returned()
    assert (await found.get()).body["unchanged"] is False
    await found.submitted()
    for token in (found.filer, found.reviewer):
        assert (await found.get(token)).body["unchanged"] is True
        told = [one for one in await found.timeline(token) if one["event"] == "submitted"]
        assert "没有修改" not in told[0]["detail"]
        assert told[1]["detail"] == "第 1 稿，与退回的内容相同，没有修改"
    tasks = await house.send("GET", "/api/tasks", found.reviewer)
    assert {one["id"]: one["unchanged"] for one in tasks.body["items"]}[found.case_id] is True
    async with house.engine.connect() as connection:
        steps = await journal.steps(connection, found.case_id)
    bodies = [step.body for step in steps if step.event == "submitted"]
    assert [body.get("unchanged") for body in bodies] == [None, True]
    assert "unchanged" not in bodies[0]
    assert all(hash_of(step) == step.hash for step in steps)


async def test_what_is_submitted_after_a_correction_is_not_told_as_unchanged(
    house: System,
) -> None:
    found = await filing(house)
    await found.returned()
    values = (await draft(found))["parts"]["statistics"]
    corrected = {**values, "remarks": "（生成）福州市鼓楼区测试路2号"}
    assert (await put(found, 1, corrected)).status == 200
    # taken back to what it was: another revision, the same content
    assert (await put(found, 2, values)).status == 200
    await found.submitted()
    assert (await found.get()).body["unchanged"] is True
    await found.done("withdraw", found.filer)
    saved = await put(found, 3, corrected)
    assert saved.status == 200, saved.body
    await found.submitted()
    assert (await found.get()).body["unchanged"] is False
    submitted = [one for one in await found.timeline() if one["event"] == "submitted"]
    assert ["没有修改" in one["detail"] for one in submitted] == [False, True, False]


async def test_a_draft_with_a_part_that_is_not_to_be_filed_is_refused_until_it_is_without(
    house: System,
) -> None:
    found = await filing(house)
    saved = (await found.saved()).body
    parts = {**saved["parts"], "social-responsibility": {"centre": "某国家质检中心"}}
    async with house.engine.begin() as connection:
        kept = await content.save_revision(
            connection, found.case_id, 1, parts, f"clerk-{found.id}", house.now()
        )
    assert kept is not None
    shown = await draft(found)
    assert [(one["pointer"], one["code"]) for one in open_findings(shown)] == [
        ("/parts/social-responsibility", "part_not_required")
    ]
    refused = await found.act("submit", found.filer, {"revision": 2, "sha256": kept.sha256})
    assert (refused.status, refused.body["code"]) == (409, "part_not_required")
    assert "social-responsibility" in refused.body["detail"]
    assert "去掉 social-responsibility" in refused.body["remedy"]
    assert await found.status() == "draft"
    without = await put(found, 2, saved["parts"]["statistics"])
    assert (without.status, open_findings(without.body)) == (200, [])
    good = {"revision": 3, "sha256": without.body["sha256"]}
    assert (await found.act("submit", found.filer, good)).status == 200


SHA = "0" * 64
BAD_SUBMISSIONS: dict[str, tuple[Any, str]] = {
    "revision none": ({"revision": 0, "sha256": SHA}, "/revision"),
    "a negative revision": ({"revision": -1, "sha256": SHA}, "/revision"),
    "revision as text": ({"revision": "one", "sha256": SHA}, "/revision"),
    "half a revision": ({"revision": 1.5, "sha256": SHA}, "/revision"),
    "a revision no table holds": ({"revision": 2**31, "sha256": SHA}, "/revision"),
    "a revision no machine holds": ({"revision": 10**40, "sha256": SHA}, "/revision"),
    "no hash": ({"revision": 1}, "/sha256"),
    "a short hash": ({"revision": 1, "sha256": "abc"}, "/sha256"),
    "a hash in capitals": ({"revision": 1, "sha256": "A" * 64}, "/sha256"),
    "a hash with a line break": ({"revision": 1, "sha256": SHA + "\n"}, "/sha256"),
    "a choice that is no authority": ({"revision": 1, "sha256": SHA, "choice": MARK}, "/choice"),
    "an empty choice": ({"revision": 1, "sha256": SHA, "choice": ""}, "/choice"),
    "a choice with a control character": (
        {"revision": 1, "sha256": SHA, "choice": "samr\x00"}, "/choice"
    ),
    "the reviewer's name": ({"revision": 1, "sha256": SHA, "reviewer": "me"}, "/reviewer"),
}  # fmt: skip


async def test_a_bad_submission_is_refused_and_does_not_stand_in_the_way_of_a_good_one(
    house: System,
) -> None:
    found = await filing(house)
    saved = (await found.saved()).body
    for name, (body, pointer) in BAD_SUBMISSIONS.items():
        answer = await asyncio.wait_for(found.act("submit", found.filer, body), 10)
        assert (answer.status, answer.body["code"]) == (422, "invalid_body"), name
        assert answer.body["errors"][0]["pointer"] == pointer
        assert MARK not in json.dumps(answer.body)
    good = {"revision": 1, "sha256": saved["sha256"]}
    assert (await found.act("submit", found.filer, good)).status == 200


async def test_a_choice_must_be_an_issuer_and_is_needed_between_equal_scopes(
    house: System,
) -> None:
    def tied(serial: int) -> tuple[CertificateFacts, CertificateFacts]:
        provincial = certificate(f"25130000{serial:04d}", "amr-350000")
        return provincial, certificate(f"25000000{serial:04d}", "samr")

    found = await filing(house, FUJIAN, certificates=tied(1))
    needed = await house.submit(found.name, found.filer)
    assert (needed.status, needed.body["code"]) == (422, "choice_needed")
    assert needed.body["sources"][0]["document"] == "市监检测函〔2024〕595号"
    wrong = await house.submit(found.name, found.filer, "amr-430000")
    assert (wrong.status, wrong.body["code"]) == (422, "choice_not_an_issuer")
    assert await found.status() == "draft"
    chosen = await house.submit(found.name, found.filer, "amr-350000")
    assert (chosen.status, chosen.body["authority"]) == (200, "amr-350102")
    other = await filing(house, FUJIAN, certificates=tied(2))
    national = await house.submit(other.name, other.filer, "samr")
    assert (national.status, national.body["authority"]) == (200, "caiq")


async def test_a_waiver_counts_only_where_the_authority_that_granted_it_reviews(
    house: System,
) -> None:
    serial = 9001
    certificates = (
        certificate(f"25130000{serial}", "amr-350000"), certificate(f"25000000{serial}", "samr"),
    )  # fmt: skip
    found = await filing(house, FUJIAN, certificates=certificates)
    values = (await found.saved()).body["parts"]["statistics"]
    values["patents_invention"] = values["patents"] + 1
    saved = (await put(found, 1, values)).body
    [open_] = [one for one in saved["report"]["findings"] if one["level"] == "block"]
    revision = {"revision": saved["revision"]}
    cause = {"reason": "（生成）口径不同"}
    asked = {**revision, "finding": open_["sha256"], **cause}
    assert (await found.act("waivers", found.filer, asked)).body["code"] == "choice_needed"
    await found.done("waivers", found.filer, {**asked, "choice": "amr-350000"})
    [waiver] = (await found.get(found.filer, "/waivers")).body["items"]
    granting = house.token(REVIEWER, "granting", waiver["authority"])
    await found.done("waivers/1/grant", granting, cause)
    submission = {**revision, "sha256": saved["sha256"]}
    elsewhere = await found.act("submit", found.filer, {**submission, "choice": "samr"})
    assert (elsewhere.status, elsewhere.body["code"]) == (409, "waived_by_another")
    assert waiver["authority"] in elsewhere.body["detail"]
    # the other one may be asked for itself, by the same figures
    again = await found.act("waivers", found.filer, {**asked, "choice": "samr"})
    assert again.status == 200, again.body
    await found.done("submit", found.filer, {**submission, "choice": "amr-350000"})
    receipt = (await found.get(found.filer, "/receipt")).body["body"]
    assert [one["waiver"] for one in receipt["waivers"]] == [1]


async def test_a_submission_before_the_review_opens_waits_and_nobody_can_claim_it(
    house: System,
) -> None:
    found = await filing(house, HENAN)
    submitted = await found.submitted()
    assert submitted.body["status"] == "submitted"
    # its authority sees that it is coming, and waits for its turn
    early = await found.act("claim", found.reviewer)
    assert (early.status, early.body["code"]) == (409, "review_not_open")
    assert (await found.act("withdraw", found.filer)).body["status"] == "withdrawn"


# --- reviewing -----------------------------------------------------------------------------------


async def test_of_ten_reviewers_who_claim_at_once_exactly_one_has_the_case(
    house: System,
) -> None:
    found = await filing(house)
    await found.submitted()
    people = [f"racer-{n}" for n in range(10)]
    tokens = [house.token(REVIEWER, name, found.issuer) for name in people]
    answers = await asyncio.gather(*(found.act("claim", token) for token in tokens))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 9
    winner = next(
        name for name, answer in zip(people, answers, strict=True) if answer.status == 200
    )
    lost = [answer.body for answer in answers if answer.status == 409]
    assert {body["code"] for body in lost} == {"claimed_by_other"}
    assert all(winner in body["detail"] for body in lost)
    shown = (await found.get()).body
    assert shown["claimed_by"] == winner
    entries = await found.timeline()
    assert events(entries).count("claimed") == 1
    assert sum(entry["event"] == "refused" for entry in entries) == 9


async def test_a_claim_is_given_back_by_its_owner_only_and_then_free_for_others(
    house: System,
) -> None:
    found = await filing(house)
    await found.claimed()
    second = house.token(REVIEWER, "second-reviewer", found.issuer)
    for name in ("claim", "release", "approve"):
        refused = await found.act(name, second)
        assert (refused.status, refused.body["code"]) == (409, "claimed_by_other"), name
    twice = await found.act("claim", found.reviewer)
    assert (twice.status, twice.body["code"]) == (409, "wrong_status")
    await found.done("release", found.reviewer)
    unclaimed = await found.act("approve", second)
    assert (unclaimed.status, unclaimed.body["code"]) == (409, "not_claimed")
    await found.done("claim", second)
    await found.done("approve", second)


async def test_an_operator_gives_back_the_claim_of_somebody_who_is_away_with_the_reason(
    house: System,
) -> None:
    found = await filing(house)
    await found.submitted()
    reason = {"note": "（生成）领取人休假"}
    nobody = await found.act("release", found.operator, reason)
    assert (nobody.status, nobody.body["code"]) == (409, "not_claimed")
    await found.done("claim", found.reviewer)
    for body in ({}, {"note": "　"}):
        silent = await found.act("release", found.operator, body)
        assert (silent.status, silent.body["code"]) == (422, "reason_required")
    await found.done("release", found.operator, reason)
    last = (await found.timeline())[-1]
    assert (last["event"], last["subject"], last["note"]["reason"]) == (
        "released", "operator-1", reason["note"],
    )  # fmt: skip
    await found.done("claim", house.token(REVIEWER, "second-reviewer", found.issuer))


async def test_a_return_shows_its_reasons_field_by_field_to_filer_and_reviewers(
    house: System,
) -> None:
    found = await filing(house, FUJIAN)
    county = house.token(REVIEWER, "county", "amr-350102")
    city = house.token(REVIEWER, "city", "amr-350100")
    await found.submitted()
    await found.done("claim", county)
    await found.done("return", county, REASONS)
    # those who come after look on
    for token in (found.filer, county, city):
        entry = next(e for e in await found.timeline(token) if e["event"] == "returned")
        assert entry["note"] == REASONS
        assert entry["detail"] == "第 1 级"
    assert await found.status() == "returned"


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({}, "invalid_body", "/reason"),
        ({"reason": ""}, "invalid_body", "/reason"),
        ({"reason": " \t\n　"}, "invalid_body", "/reason"),
        ({"reason": "a\x00b"}, "invalid_body", "/reason"),
        ({"reason": "字" * 2001}, "invalid_body", "/reason"),
        ({"reason": 1}, "invalid_body", "/reason"),
        ({"reason": "（生成）", "fields": [{"part": "x", "reason": "（生成）"}]},
         "invalid_body", "/fields/0/part"),
        ({"reason": "（生成）", "fields": [{"part": "statistics", "field": "x", "reason": "字"}]},
         "invalid_body", "/fields/0/field"),
        ({"reason": "（生成）", "fields": [{"part": "statistics", "reason": ""}]},
         "invalid_body", "/fields/0/reason"),
        ({"reason": "（生成）", "fields": [{"part": "statistics", "field": "\x07", "reason": "x"}]},
         "invalid_body", "/fields/0/field"),
        ({"reason": "（生成）", "fields": [{"part": "statistics", "reason": "字"}] * 501},
         "invalid_body", "/fields"),
    ],
)  # fmt: skip
async def test_a_return_without_a_reason_people_can_read_is_refused(
    house: System, reviewed: Filing, body: Any, code: str, pointer: str
) -> None:
    answer = await reviewed.act("return", reviewed.reviewer, body)
    assert (answer.status, answer.body["code"]) == (422, code), answer.body
    assert answer.body["errors"][0]["pointer"] == pointer
    assert await reviewed.status() == "in_review"


@pytest.fixture(scope="module")
async def reviewed(house: System) -> Filing:
    """A filing claimed by its reviewer, which nothing here may move."""
    found = await filing(house)
    await found.claimed()
    return found


async def test_a_resubmission_begins_at_the_first_level_again(house: System) -> None:
    found = await filing(house, FUJIAN)
    county = house.token(REVIEWER, "county", "amr-350102")
    city = house.token(REVIEWER, "city", "amr-350100")
    await found.submitted()
    await found.done("claim", county)
    assert (await found.done("approve", county)).body["level"] == 2
    await found.done("claim", city)
    await found.done("return", city, REASONS)
    await found.saved()
    again = await found.submitted()
    assert (again.body["level"], again.body["authority"]) == (1, "amr-350102")
    stale = await found.act("claim", city)
    assert (stale.status, stale.body["code"]) == (403, "not_your_authority")
    await found.done("claim", county)


async def test_a_submission_is_withdrawn_while_nobody_has_claimed_it_and_can_be_sent_again(
    house: System,
) -> None:
    found = await filing(house)
    await found.submitted()
    assert (await found.done("withdraw", found.filer)).body["status"] == "withdrawn"
    gone = await found.act("claim", found.reviewer)
    assert (gone.status, gone.body["code"]) == (409, "wrong_status")
    await found.saved()
    assert (await found.submitted()).body["status"] == "in_review"
    await found.done("claim", found.reviewer)
    late = await found.act("withdraw", found.filer)
    assert (late.status, late.body["code"]) == (409, "claimed_by_other")


async def test_filer_reviewer_and_checker_are_three_people(house: System) -> None:
    found = await filing(house)
    await found.saved()
    clerk = f"clerk-{found.id}"
    await found.submitted()
    own = await found.act("claim", house.token(REVIEWER, clerk, found.issuer))
    assert (own.status, own.body["code"]) == (403, "same_person")
    await found.done("claim", found.reviewer)
    await found.done("approve", found.reviewer)
    for name in (clerk, f"reviewer-{found.id}"):
        checker = house.token(CHECKER, name, "samr")
        refused = await found.act("quality", checker, {"outcome": "pass"})
        assert (refused.status, refused.body["code"]) == (403, "same_person")


# --- the quality check ---------------------------------------------------------------------------


async def test_a_passed_quality_check_completes_the_filing(house: System) -> None:
    found = await filing(house)
    await found.checked()
    passed = await found.done("quality", found.checker, {"outcome": "pass", "reason": "（生成）可"})
    assert passed.body["status"] == "completed"
    assert events(await found.timeline())[-2:] == ["quality_passed", "completed"]


async def test_a_quality_check_sends_back_with_reasons_only(house: System) -> None:
    found = await filing(house)
    await found.checked()
    for body in ({"outcome": "send_back"}, {"outcome": "send_back", "reason": "　"}):
        refused = await found.act("quality", found.checker, body)
        assert (refused.status, refused.body["code"]) == (422, "reason_required")
    for body in ({}, {"outcome": "maybe"}, {"outcome": "pass", "reason": "\x01"}):
        refused = await found.act("quality", found.checker, body)
        assert (refused.status, refused.body["code"]) == (422, "invalid_body")
    # reasons for single fields are worth nothing without the sentence they belong to
    orphans = {"outcome": "pass", "fields": REASONS["fields"]}
    refused = await found.act("quality", found.checker, orphans)
    assert (refused.status, refused.body["code"]) == (422, "invalid_body")
    assert refused.body["errors"][0]["pointer"] == "/reason"
    sent = await found.done("quality", found.checker, {"outcome": "send_back", **REASONS})
    assert sent.body["status"] == "returned"
    entry = next(e for e in await found.timeline(found.filer) if e["event"] == "sent_back")
    assert entry["note"] == REASONS
    await found.saved()
    assert (await found.submitted()).body["level"] == 1


async def test_what_is_approved_waits_for_the_quality_check_to_open(house: System) -> None:
    found = await filing(house, HUNAN)
    await found.claimed()
    assert (await found.done("approve", found.reviewer)).body["status"] == "approved"
    early = await found.act("quality", found.checker, {"outcome": "pass"})
    assert (early.status, early.body["code"]) == (404, "not_found")
    assert await found.status() == "approved"


# --- operators -----------------------------------------------------------------------------------


def grant(days: int = 60, **changes: Any) -> dict[str, Any]:
    until = datetime.now().astimezone() + timedelta(days=365 + days)
    return {
        "until": until.isoformat(),
        "reason": "（生成）洪灾",
        "document": "示例〔2025〕1号",
    } | changes


async def test_an_extension_revives_a_lapsed_filing_and_says_why_until_when_and_by_whom(
    house: System,
) -> None:
    found = await filing(house, LIAONING, until="after_window")
    soon = datetime.now(UTC) + timedelta(seconds=1.5)
    await found.done("extension", found.operator, grant(until=soon.isoformat()))
    await house.until(found.name, "lapsed")
    for act, body in (("submit", {"revision": 1, "sha256": SHA}), ("withdraw", {})):
        late = await found.act(act, found.filer, body)
        assert (late.status, late.body["code"]) == (409, "fill_closed")
        assert "不能再填写、提交或撤回" in late.body["detail"]
    assert "延期" in late.body["remedy"]
    given = grant()
    extended = await found.done("extension", found.operator, given)
    assert extended.body["status"] == "draft"
    await found.submitted()
    shown = (await found.get()).body
    assert datetime.fromisoformat(shown["due"]) == datetime.fromisoformat(given["until"])
    entry = next(e for e in await found.timeline() if e["event"] == "extended")
    assert (entry["subject"], entry["note"]) == ("operator-1", {"reason": "（生成）洪灾"})
    assert "示例〔2025〕1号" in entry["detail"]


async def test_a_lapsed_filing_is_cancelled_once_it_is_extended_as_its_refusal_says(
    house: System,
) -> None:
    found = await filing(house, LIAONING, until="after_window")
    soon = datetime.now(UTC) + timedelta(seconds=1.5)
    await found.done("extension", found.operator, grant(until=soon.isoformat()))
    await house.until(found.name, "lapsed")
    cause = {"reason": "（生成）误列入名录"}
    refused = await found.act("cancel", found.operator, cause)
    assert (refused.status, refused.body["code"]) == (409, "case_lapsed")
    assert "逾期，不能直接取消" in refused.body["detail"]
    assert "请先延期" in refused.body["remedy"]
    assert await found.status() == "lapsed"
    await found.done("extension", found.operator, grant())
    assert (await found.done("cancel", found.operator, cause)).body["status"] == "cancelled"


async def test_a_filing_opened_after_its_window_is_owed_only_once_it_is_extended(
    house: System,
) -> None:
    found = await filing(house, LIAONING, until="after_window")
    shown = (await found.get()).body
    assert shown["due"] is None
    refused = await found.act("submit", found.filer, {"revision": 1, "sha256": SHA})
    assert (refused.status, refused.body["code"]) == (409, "fill_closed")
    extended = await found.done("extension", found.operator, grant())
    assert extended.body["status"] == "draft"
    await found.submitted()
    events = [one["event"] for one in await found.timeline() if one["event"] != "refused"]
    assert events[:3] == ["scheduled", "opened_after_window", "extended"]


async def test_a_completed_filing_is_reopened_for_cause_and_a_cancelled_one_is_over(
    house: System,
) -> None:
    found = await filing(house)
    await found.completed()
    for name, body in (("extension", grant()), ("cancel", {"reason": "（生成）"})):
        refused = await found.act(name, found.operator, body)
        assert (refused.status, refused.body["code"]) == (409, "case_ended"), name
        assert "reopen" in refused.body["remedy"]
    edited = await put(found, 1, {"projects": 1})
    assert (edited.status, edited.body["code"]) == (409, "wrong_status")
    assert "reopen" in edited.body["remedy"]
    assert (await found.done("reopen", found.operator, grant())).body["status"] == "returned"
    await found.saved()
    await found.submitted()
    cancelled = await found.done("cancel", found.operator, {"reason": "（生成）误列入名录"})
    assert cancelled.body["status"] == "cancelled"
    for name, token, body in (
        ("reopen", found.operator, grant()), ("extension", found.operator, grant()),
        ("withdraw", found.filer, {}), ("claim", found.reviewer, {}),
    ):  # fmt: skip
        refused = await found.act(name, token, body)
        assert (refused.status, refused.body["code"]) == (409, "case_ended"), name


BAD_GRANTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no reason": (grant(reason=None), "invalid_body", "/reason"),
    "a blank reason": (grant(reason="　 "), "invalid_body", "/reason"),
    "a reason with a control character": (grant(reason="a\x00"), "invalid_body", "/reason"),
    "a document with a control character": (grant(document="a\x00"), "invalid_body", "/document"),
    "a document too long": (grant(document="字" * 201), "invalid_body", "/document"),
    "no zone": (grant(until="2090-01-01T00:00:00"), "invalid_body", "/until"),
    "a day only": (grant(until="2090-01-01"), "invalid_body", "/until"),
    "a number": (grant(until=4_000_000_000), "invalid_body", "/until"),
    "nonsense": (grant(until=MARK), "invalid_body", "/until"),
    "the last second of all": (grant(until="9999-12-31T23:59:59Z"), "invalid_body", "/until"),
    "the first second of all": (grant(until="0001-01-01T00:00:00+14:00"), "invalid_body", "/until"),
    "yesterday": (grant(-366), "extension_not_later", ""),
}


@pytest.mark.parametrize("name", BAD_GRANTS)
async def test_a_bad_extension_is_refused_and_does_not_stand_in_the_way_of_a_good_one(
    house: System, extendable: Filing, name: str
) -> None:
    body, code, pointer = BAD_GRANTS[name]
    before = await extendable.timeline()
    refused = await asyncio.wait_for(
        extendable.act("extension", extendable.operator, body), 10
    )  # fmt: skip
    assert (refused.status, refused.body["code"]) == (422, code), refused.body
    if pointer:
        assert refused.body["errors"][0]["pointer"] == pointer
    assert MARK not in json.dumps(refused.body)
    after = await extendable.timeline()
    assert events(after) == events(before)
    good = await extendable.done("extension", extendable.operator, grant(len(after)))
    assert good.body["status"] == "draft"


@pytest.fixture(scope="module")
async def extendable(house: System) -> Filing:
    """A filing in draft that is extended again and again."""
    return await filing(house)


@pytest.mark.parametrize("name", ["reopen", "cancel"])
@pytest.mark.parametrize("reason", [None, "", "　\n", "\x00", "字" * 2001])
async def test_no_operator_acts_without_a_reason(
    house: System, extendable: Filing, name: str, reason: str | None
) -> None:
    body = {"reason": reason} if name == "cancel" else grant(reason=reason)
    refused = await extendable.act(name, extendable.operator, body)
    assert (refused.status, refused.body["code"]) == (422, "invalid_body")
    assert await extendable.status() == "draft"


# --- the same act again --------------------------------------------------------------------------


async def test_ten_copies_of_one_act_sent_at_once_have_one_effect_and_one_answer(
    house: System,
) -> None:
    found = await filing(house)
    saved = (await found.saved()).body
    body = {"revision": 1, "sha256": saved["sha256"]}
    key = {"idempotency_key": "once-only"}
    answers = await asyncio.gather(
        *(found.act("submit", found.filer, body, **key) for _ in range(10))
    )
    assert [answer.status for answer in answers] == [200] * 10
    assert [answer.body for answer in answers] == [answers[0].body] * 10
    assert events(await found.timeline()) == ["scheduled", "opened", "submitted", "assigned"]
    later = await found.act("submit", found.filer, body, **key)
    assert later.body == answers[0].body


async def test_a_retry_is_answered_with_what_happened_then_even_after_the_case_has_ended(
    house: System,
) -> None:
    found = await filing(house)
    saved = (await found.saved()).body
    submit = {"revision": 1, "sha256": saved["sha256"]}
    story = [
        ("submit", found.filer, submit), ("claim", found.reviewer, {}),
        ("approve", found.reviewer, {"note": ""}), ("quality", found.checker, {"outcome": "pass"}),
    ]  # fmt: skip
    told = [
        await found.done(name, token, body, idempotency_key=f"story-{name}")
        for name, token, body in story
    ]
    assert told[-1].body["status"] == "completed"
    entries = await found.timeline()
    for (name, token, body), first in zip(story, told, strict=True):
        again = await asyncio.gather(
            *(found.act(name, token, body, idempotency_key=f"story-{name}") for _ in range(3))
        )
        assert [one.body for one in again] == [first.body] * 3
    assert await found.timeline() == entries
    # and so it is after it has been revived
    await found.done("reopen", found.operator, grant())
    again_once = await found.act("claim", found.reviewer, {}, idempotency_key="story-claim")
    assert again_once.body == told[1].body


async def test_a_key_stands_for_one_request_of_one_person(house: System) -> None:
    found, other = await filing(house), await filing(house)
    await found.submitted()
    await other.submitted()
    key = {"idempotency_key": "one-request"}
    await found.done("claim", found.reviewer, {}, **key)
    reused = [
        await found.act("release", found.reviewer, {}, **key),
        await found.act("approve", found.reviewer, {"note": "（生成）"}, **key),
    ]
    same_person = house.token(REVIEWER, f"reviewer-{found.id}", found.issuer)
    reused.append(await other.act("claim", same_person, {}, **key))
    raw_body = await raw(
        house, "POST", f"{found.path}/claim", found.reviewer, b'{ }', **key
    )  # fmt: skip
    for answer in (*reused, raw_body):
        assert (answer.status, answer.body["code"]) == (422, "key_reused")
    assert (await found.get()).body["claimed_by"] == f"reviewer-{found.id}"
    assert await other.status() == "in_review"
    assert (await other.act("claim", other.reviewer, {}, **key)).status == 200


@pytest.mark.parametrize("key", ["", "a" * 201, "键", "a\tb", "a b"])
async def test_an_act_without_a_usable_key_is_refused(
    house: System, reviewed: Filing, key: str
) -> None:
    named = [
        (b"authorization", f"Bearer {reviewed.reviewer}".encode()),
        (b"content-type", b"application/json"),
        (b"idempotency-key", key.encode()),
    ]
    path = f"{reviewed.path}/approve"
    for headers in (named, named[:2]):
        answer = await house.http.post(path, content=b"{}", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (428, "key_required")
    assert await reviewed.status() == "in_review"


async def test_a_refusal_is_not_kept_for_ever_under_its_key(house: System) -> None:
    found = await filing(house)
    await found.submitted()
    key = {"idempotency_key": "try-again"}
    early = await found.act("approve", found.reviewer, {}, **key)
    assert (early.status, early.body["code"]) == (409, "not_claimed")
    await found.done("claim", found.reviewer)
    now = await found.act("approve", found.reviewer, {}, **key)
    assert (now.status, now.body["status"]) == (200, "quality_check")


# --- filings that are asked for ------------------------------------------------------------------


async def voluntary(house: System, id_: str, region: str = "440106") -> str:
    """An institution that may file; returns its filer's token."""
    await house.add(
        institution(id_, region, certificates=(), other_qualifications=("特种设备（生成）",))
    )
    return house.token(FILER, f"clerk-{id_}", id_)


async def test_an_institution_that_may_file_gets_its_filing_when_it_asks(house: System) -> None:
    clerk = await voluntary(house, "may-file")
    path = "/api/filings/2024/may-file"
    assert (await house.send("GET", path, clerk)).status == 404
    key = {"idempotency_key": "ask-once"}
    asked = await house.send("POST", path, clerk, **key)
    assert (asked.status, asked.body) == (202, {"id": "filing/2024/may-file"})
    assert asked.headers["location"] == path
    shown = await house.until("2024/may-file", "draft")
    assert shown["obligation"] == "may"
    again = await house.send("POST", path, clerk, **key)
    assert (again.status, again.body) == (202, asked.body)
    exists = await house.send("POST", path, clerk)
    assert (exists.status, exists.body["code"]) == (409, "filing_exists")
    assert (await house.submit("2024/may-file", clerk)).body["authority"] == "amr-440106"


async def test_ten_questions_at_once_start_one_filing(house: System) -> None:
    clerk = await voluntary(house, "eager")
    path = "/api/filings/2024/eager"
    answers = await asyncio.gather(*(house.send("POST", path, clerk) for _ in range(10)))
    assert {answer.status for answer in answers} <= {202, 409}
    assert 202 in {answer.status for answer in answers}
    await house.until("2024/eager", "draft")
    auditor = house.token(FILER, "clerk-eager", "eager")
    entries = (await house.send("GET", f"{path}/timeline", auditor)).body["entries"]
    assert events(entries) == ["scheduled", "opened"]


async def test_a_filing_is_refused_where_there_can_be_none_and_the_answer_says_why(
    house: System,
) -> None:
    clerk = await voluntary(house, "no-campaign")
    await house.add(institution("outside", "440106", certificates=()))
    outsider = house.token(FILER, "clerk-outside", "outside")
    stranger = house.token(FILER, "clerk", "not-on-record")
    operator = house.token(OPERATOR, "operator-1", "000000")
    for path, token, status, code in (
        ("2024/not-on-record", stranger, 404, "unknown_institution"),
        ("2024/not-on-record", operator, 404, "unknown_institution"),
        ("2023/no-campaign", clerk, 404, "campaign_not_found"),
        ("2999/no-campaign", clerk, 404, "campaign_not_found"),
        ("2024/outside", outsider, 409, "not_in_statistics"),
        ("1999/no-campaign", clerk, 404, "not_found"),
        ("24/no-campaign", clerk, 404, "not_found"),
        ("year/no-campaign", clerk, 404, "not_found"),
        ("2024/-", clerk, 404, "not_found"),
        ("2024/a%00b", clerk, 404, "not_found"),
        ("2024/a%0Ab", clerk, 404, "not_found"),
        (f"2024/{'a' * 65}", clerk, 404, "not_found"),
    ):
        answer = await house.send("POST", f"/api/filings/{path}", token)
        assert (answer.status, answer.body["code"]) == (status, code), path
        assert answer.body["remedy"]


async def test_who_may_file_is_not_made_a_late_filer_by_asking_after_the_window(
    house: System,
) -> None:
    clerk = await voluntary(house, "too-late", "210102")
    refused = await house.send("POST", "/api/filings/2024/too-late", clerk)
    assert (refused.status, refused.body["code"]) == (409, "voluntary_closed")
    assert refused.body["at"]
    assert (await house.send("GET", "/api/filings/2024/too-late", clerk)).status == 404


async def test_who_asks_before_the_window_waits_for_it(house: System) -> None:
    clerk = await voluntary(house, "too-early", "610102")
    asked = await house.send("POST", "/api/filings/2024/too-early", clerk)
    assert asked.status == 202
    shown = await house.until("2024/too-early", "scheduled")
    assert shown["due"] == shown["windows"]["fill"]["opens"]


async def test_a_voluntary_filer_can_take_its_draft_back(house: System) -> None:
    clerk = await voluntary(house, "changed-its-mind")
    await house.send("POST", "/api/filings/2024/changed-its-mind", clerk)
    await house.until("2024/changed-its-mind", "draft")
    withdrawn = await house.act("2024/changed-its-mind", "withdraw", clerk)
    assert (withdrawn.status, withdrawn.body["status"]) == (200, "withdrawn")
    must = await filing(house)
    refused = await must.act("withdraw", must.filer)
    assert (refused.status, refused.body["code"]) == (409, "wrong_status")


# --- everybody at once ---------------------------------------------------------------------------


async def consistent(house: System, case_id: str) -> dict[str, Any]:
    """Checks a case's chain and read model against its journal; the rows by command."""
    async with house.engine.connect() as connection:
        steps = await journal.steps(connection, case_id)
        case = await cases.by_id(connection, case_id)
    assert case is not None
    head = GENESIS
    for number, step in enumerate(steps, 1):
        assert (step.sequence, step.previous_hash) == (number, head)
        assert step.hash == hash_of(step)
        head = step.hash
    state = fold(FILING, map(event_of, steps))
    last = position(FILING, state, case.plan)
    assert last == steps[-1].position
    shown = {
        "status": case.status, "level": case.level, "authority": case.authority,
        "claimed_by": case.claimed_by, "revision": case.revision, "due": case.due,
    }  # fmt: skip
    assert shown == dict(last)
    assert (case.sequence, case.head) == (len(steps), head)
    by_command: dict[str, Any] = {}
    for step in steps:
        by_command.setdefault(step.command_id, []).append(step)
    return by_command


async def test_two_hundred_commands_at_once_leave_journal_and_read_model_consistent(
    house: System,
) -> None:
    dice = random.Random(20240229)
    found = [
        await filing(house, place) for place in (FUJIAN, FUJIAN, *[("440106", "amr-440000")] * 2)
    ]
    for one in found:
        await one.saved()

    async def act(number: int) -> tuple[Filing, Answer]:
        one = found[number % len(found)]
        authority = dice.choice(["amr-350102", "amr-350100", "amr-350000", "amr-440000"])
        reviewer = house.token(REVIEWER, f"r-{authority}-{dice.randrange(2)}", authority)
        name, token, body = dice.choice(
            [
                ("submit", one.filer, None), ("submit", one.filer, None),
                ("withdraw", one.filer, {}), ("claim", reviewer, {}), ("claim", reviewer, {}),
                ("release", reviewer, {}), ("return", reviewer, REASONS),
                ("approve", reviewer, {}), ("approve", reviewer, {}), ("approve", reviewer, {}),
                ("quality", one.checker, {"outcome": "pass"}),
                ("quality", one.checker, {"outcome": "send_back", **REASONS}),
                ("extension", one.operator, grant(number)), ("reopen", one.operator, grant(number)),
                ("draft", one.filer, None),
            ]
        )  # fmt: skip
        if name == "draft":
            return one, await house.save(one.name, one.filer)
        if name == "submit":
            saved = await draft(one)
            body = {"revision": saved["revision"], "sha256": saved["sha256"]}
        # every fifth is sent under a key that others use too
        key = f"storm-{number}" if number % 5 else f"storm-shared-{number % 20}"
        return one, await one.act(name, token, body, idempotency_key=key)

    answers: list[tuple[Filing, Answer]] = []
    for first in range(0, 200, 25):
        answers += await asyncio.gather(*(act(number) for number in range(first, first + 25)))
    assert {answer.status for _, answer in answers} <= {200, 403, 404, 409, 412, 422}
    receipts = [(one, a.body) for one, a in answers if a.status == 200 and "hash" in a.body]
    assert len(receipts) > 20
    for one in found:
        by_command = await consistent(house, one.case_id)
        mine = {body["command_id"]: body for who, body in receipts if who is one}
        for command, body in mine.items():
            last = by_command[command][-1]
            assert (last.sequence, last.hash) == (body["sequence"], body["hash"])
        # what is on record of people is what they were told, no more and no less
        of_people = {c for c in by_command if len(c) == 64 or c.startswith("job:")}
        assert of_people == set(mine)
