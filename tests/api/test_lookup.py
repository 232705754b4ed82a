"""The public lookup: five honest answers, to the second, for anybody, however it is asked."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.case.commands import Actor, Role
from domain.clock import day_of
from domain.decision import Eligibility
from domain.facts import Facts
from domain.numbers.report_numbers import Answer
from domain.refusals import Refused
from domain.text import is_usable, normalised
from rules.conditions import ConditionFailed
from rules.file.library import SHIPPED
from services.numbers.lookup import KEEP, latest_rules
from services.rate_limits import FEW, RateLimits
from store.database import connect
from tests.api.lookups import DAY, LIMITS, Lookups, SomeRules, lookups_on, partitions
from tests.databases import owning
from tests.system import certificate

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)


@pytest.fixture
async def lookups(engine: AsyncEngine) -> AsyncIterator[Lookups]:
    await partitions(engine, 2023, 2024, 2025)
    async with lookups_on(engine) as found:
        yield found


def entries(answer: Any) -> list[tuple[str, str | None]]:
    return [(one["answer"], one["institution"]) for one in answer["entries"]]


# --- the five answers -------------------------------------------------------------------------


async def test_found_names_the_institution_and_the_day_of_issue(lookups: Lookups) -> None:
    await lookups.put(await lookups.add("榕城检测"), "FZ-2025-001")
    answer = await lookups.ask("FZ-2025-001")
    assert answer["answer"] == "found"
    assert answer["entries"] == [
        {"answer": "found", "institution": "榕城检测", "issued_on": "2025-03-18",
         "visible_from": None, "change": None}
    ]  # fmt: skip
    assert answer["more"] is False


async def test_not_found_says_so_and_nothing_about_neighbours(lookups: Lookups) -> None:
    await lookups.put(await lookups.add("榕城检测"), "FZ-2025-001")
    for other in ("FZ-2025-002", "FZ-2025-00", "FZ-2025-0011", "fz-2025-001", "%", "FZ-2025-00_"):
        answer = await lookups.ask(other)
        assert (answer["answer"], answer["entries"]) == ("not_found", [])
        assert "FZ-2025" not in str(answer)


@pytest.mark.parametrize(
    ("kind", "reason"), [("withdrawn", "上传有误（生成）"), ("corrected", "出具日期写错（生成）")]
)
async def test_what_was_withdrawn_or_corrected_says_when_and_why(
    lookups: Lookups, kind: str, reason: str
) -> None:
    at = DAY - timedelta(hours=3)
    opened = DAY - timedelta(days=3)
    no = await lookups.add("榕城检测")
    await lookups.put(no, "A-1", visible_from=opened, change=(kind, reason, at))
    answer = await lookups.ask("A-1")
    assert answer["answer"] == "withdrawn"
    (entry,) = answer["entries"]
    assert (entry["institution"], entry["issued_on"]) == ("榕城检测", None)
    change = entry["change"]
    assert (change["kind"], change["reason"]) == (kind, reason)
    assert datetime.fromisoformat(change["at"]) == at


async def test_a_corrected_number_is_found_again_once_the_correction_opens(
    lookups: Lookups,
) -> None:
    no = await lookups.add("榕城检测")
    yesterday, tomorrow = DAY - timedelta(days=1), DAY + timedelta(days=1)
    await lookups.put(no, "A-1", visible_from=yesterday, change=("corrected", "日期", DAY))
    await lookups.put(no, "A-1", issued_on=date(2025, 3, 19), visible_from=tomorrow)
    (before,) = (await lookups.ask("A-1"))["entries"]
    assert before["answer"] == "withdrawn"
    assert datetime.fromisoformat(before["visible_from"]) == tomorrow
    lookups.now = tomorrow
    (after,) = (await lookups.ask("A-1"))["entries"]
    assert (after["answer"], after["issued_on"], after["change"]) == ("found", "2025-03-19", None)


async def test_what_is_not_open_yet_tells_only_from_when(lookups: Lookups) -> None:
    opens = DAY + timedelta(days=1)
    await lookups.put(await lookups.add("榕城检测"), "A-1", visible_from=opens)
    answer = await lookups.ask("A-1")
    assert answer["answer"] == "not_yet_visible"
    (entry,) = answer["entries"]
    assert datetime.fromisoformat(entry.pop("visible_from")) == opens
    assert entry == {
        "answer": "not_yet_visible", "institution": None, "issued_on": None, "change": None,
    }  # fmt: skip


async def test_what_was_withdrawn_before_it_opened_stays_closed_until_then(
    lookups: Lookups,
) -> None:
    opens = DAY + timedelta(days=1)
    no = await lookups.add("榕城检测")
    await lookups.put(no, "A-1", visible_from=opens, change=("withdrawn", "（生成）", DAY))
    assert entries(await lookups.ask("A-1")) == [("not_yet_visible", None)]
    lookups.now = opens
    assert entries(await lookups.ask("A-1")) == [("withdrawn", "榕城检测")]


async def test_an_institution_without_qualification_is_not_answered_for(lookups: Lookups) -> None:
    await lookups.put(await lookups.add("无证检测", certificates=()), "A-1")
    answer = await lookups.ask("A-1")
    assert answer["answer"] == "institution_not_eligible"
    assert entries(answer) == [("institution_not_eligible", None)]
    # also without a row, once it is named
    named = await lookups.ask("B-2", "无证检测")
    assert (named["answer"], entries(named)) == (
        "institution_not_eligible", [("institution_not_eligible", None)],
    )  # fmt: skip
    assert (await lookups.ask("B-2"))["answer"] == "not_found"
    assert (await lookups.ask("B-2", "没有这家"))["answer"] == "not_found"


async def test_who_asks_of_an_institution_no_rule_can_judge_keeps_nobody_else_waiting(
    lookups: Lookups, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The questions of one moment are answered together, and the rest of them are answered."""
    fine, odd = await lookups.add("榕城检测"), await lookups.add("怪异检测", "440106")
    await lookups.put(fine, "A-1")
    await lookups.put(odd, "B-2")
    judged = SomeRules.number_eligibility

    def broken(self: SomeRules, facts: Facts, today: date) -> Eligibility:
        if facts.institution.region == "440106":
            raise ConditionFailed("institution.departments[9] == 1", "no such entry")
        return judged(self, facts, today)

    monkeypatch.setattr(SomeRules, "number_eligibility", broken)
    numbers = ("A-1", "B-2", "A-1", "C-3", "B-2")
    answers = await asyncio.gather(
        *(lookups.http.get("/public/report-numbers", params={"number": one}) for one in numbers)
    )
    assert [one.status_code for one in answers] == [200, 503, 200, 200, 503]
    refused = answers[1].json()
    assert refused["code"] == "unavailable"
    assert "departments[9]" not in answers[1].text
    # named, it is as little known; who names another one is answered
    for name, status in (("怪异检测", 503), ("榕城检测", 200)):
        asked = {"number": "C-3", "institution": name}
        answer = await lookups.http.get("/public/report-numbers", params=asked)
        assert answer.status_code == status, name


@pytest.mark.parametrize("stage", ["receiving", "queued", "reading", "checking", "rejected"])
async def test_an_upload_that_was_not_accepted_answers_nothing(
    lookups: Lookups, stage: str
) -> None:
    await lookups.put(await lookups.add("榕城检测"), "A-1", stage=stage)
    assert (await lookups.ask("A-1"))["answer"] == "not_found"


async def test_every_answer_carries_its_limits_and_where_they_stand(lookups: Lookups) -> None:
    no, none = await lookups.add("榕城检测"), await lookups.add("无证检测", certificates=())
    await lookups.put(no, "found")
    await lookups.put(no, "withdrawn", change=("withdrawn", "（生成）", DAY))
    await lookups.put(no, "not_yet_visible", visible_from=DAY + timedelta(days=1))
    await lookups.put(none, "institution_not_eligible")
    for answer in Answer:
        found = await lookups.ask(answer.value)
        assert found["answer"] == answer.value
        assert LIMITS in found["does_not_prove"]
        assert found["sources"][0]["document"] == "市监检测函〔2024〕595号"
        assert all(found[name] for name in ("title", "says", "proves", "next_step"))


async def test_the_shipped_rules_have_honest_words_for_every_answer() -> None:
    words = latest_rules(SHIPPED)().public_answers
    assert words.keys() == set(Answer)
    for answer, one in words.items():
        assert all(one.model_dump().values()), answer
        assert any("595" in cite.document and "三" in cite.clause for cite in one.cites), answer
        if answer is not Answer.INSTITUTION_NOT_ELIGIBLE and answer is not Answer.NOT_FOUND:
            assert "不能单独作为验证报告真伪的手段" in one.does_not_prove
        if answer is not Answer.FOUND and answer is not Answer.NOT_YET_VISIBLE:
            assert "不说明报告是伪造的" in one.does_not_prove


async def test_rules_that_cannot_be_read_are_told_and_known_ones_go_on(
    engine: AsyncEngine,
) -> None:
    await partitions(engine, 2025)
    broken: list[Exception] = []

    def read() -> SomeRules:
        if broken:
            raise broken[0]
        return SomeRules()

    async with lookups_on(engine, read=read) as lookups:
        broken.append(ValueError("（测试）"))
        lookups.now += KEEP
        assert (await lookups.ask("1"))["answer"] == "not_found"
    async with lookups_on(engine, read=read) as lookups:
        answer = await lookups.http.get("/public/report-numbers?number=1")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        broken.clear()
        assert (await lookups.ask("1"))["answer"] == "not_found"


# --- to the second ----------------------------------------------------------------------------


async def test_both_sides_of_midnight_also_through_what_is_kept(lookups: Lookups) -> None:
    await lookups.put(await lookups.add("榕城检测"), "A-1")
    for offset, expected in (
        (-SECOND, "not_yet_visible"),
        (-SECOND, "not_yet_visible"),  # the second time as it was kept
        (-timedelta(microseconds=1), "not_yet_visible"),
        (timedelta(), "found"),
        (timedelta(), "found"),
    ):
        lookups.now = DAY + offset
        answer = await lookups.http.get("/public/report-numbers?number=A-1")
        assert answer.json()["answer"] == expected, offset
        kept = int(answer.headers["cache-control"].removeprefix("public, max-age="))
        if offset < timedelta():
            assert lookups.now + kept * SECOND <= DAY


async def test_a_certificate_counts_until_the_end_of_its_last_day(lookups: Lookups) -> None:
    last = certificate("240000000001", "amr-350000").model_copy(
        update={"valid_to": date(2025, 3, 22)}
    )
    await lookups.put(await lookups.add("榕城检测", certificates=(last,)), "A-1")
    midnight = DAY + timedelta(days=1)
    lookups.now = midnight - SECOND
    assert (await lookups.ask("A-1"))["answer"] == "found"
    lookups.now = midnight
    assert (await lookups.ask("A-1"))["answer"] == "institution_not_eligible"


async def test_a_withdrawal_shows_after_what_is_kept_has_run_out_at_the_latest(
    lookups: Lookups,
) -> None:
    no = await lookups.add("榕城检测")
    await lookups.put(no, "A-1")
    first = await lookups.http.get("/public/report-numbers?number=A-1")
    assert first.headers["cache-control"] == f"public, max-age={KEEP.seconds}"
    async with lookups.engine.begin() as connection:
        await connection.execute(text("DELETE FROM report_numbers"))
    await lookups.put(no, "A-1", change=("withdrawn", "（生成）", lookups.now))
    lookups.now += KEEP - SECOND
    kept = await lookups.http.get("/public/report-numbers?number=A-1")
    assert (kept.json()["answer"], kept.headers["cache-control"]) == ("found", "public, max-age=1")
    lookups.now += SECOND
    assert (await lookups.ask("A-1"))["answer"] == "withdrawn"


# --- several institutions, one number ---------------------------------------------------------


async def test_the_same_number_at_two_institutions_and_narrowed_by_name(lookups: Lookups) -> None:
    first, second = await lookups.add("甲检测"), await lookups.add("乙检测", "430102")
    await lookups.put(first, "2025-1")
    await lookups.put(second, "2025-1", change=("withdrawn", "（生成）", DAY))
    both = await lookups.ask("2025-1")
    assert both["answer"] == "found"
    assert entries(both) == [("found", "甲检测"), ("withdrawn", "乙检测")]
    assert entries(await lookups.ask("2025-1", "甲检测")) == [("found", "甲检测")]
    assert entries(await lookups.ask("2025-1", "乙检测")) == [("withdrawn", "乙检测")]
    # a name in part is no name
    assert (await lookups.ask("2025-1", "甲"))["answer"] == "not_found"


async def test_two_accounts_of_one_name_are_both_asked(lookups: Lookups) -> None:
    await lookups.add("同名检测", certificates=())
    second = await lookups.add("同名检测")
    await lookups.put(second, "A-1")
    assert (await lookups.ask("A-1", "同名检测"))["answer"] == "found"
    # one of them could have put it on record
    assert (await lookups.ask("B-1", "同名检测"))["answer"] == "not_found"


async def test_a_number_of_very_many_institutions_is_narrowed_by_name(lookups: Lookups) -> None:
    for number in range(23):
        await lookups.put(await lookups.add(f"检测{number:02}"), "1")
    answer = await lookups.ask("1")
    assert (len(answer["entries"]), answer["more"]) == (20, True)
    assert entries(await lookups.ask("1", "检测22")) == [("found", "检测22")]


async def test_full_width_characters_and_blanks_around_make_no_difference(
    lookups: Lookups,
) -> None:
    await lookups.put(await lookups.add("榕城检测（福建）"), "FZ-2025(1)")
    for number in ("ＦＺ－２０２５（１）", "  FZ-2025(1)　", "FZ-2025(1)"):
        for name in ("榕城检测（福建）", "榕城检测(福建)", " 榕城检测（福建） ", ""):
            assert (await lookups.ask(number, name or None))["answer"] == "found", (number, name)


async def test_the_years_are_all_asked(lookups: Lookups) -> None:
    no = await lookups.add("榕城检测")
    for year in (2023, 2024, 2025):
        await lookups.put(no, f"N-{year}", issued_on=date(year, 12, 31))
        assert (await lookups.ask(f"N-{year}"))["entries"][0]["issued_on"] == f"{year}-12-31"


async def test_many_who_ask_at_once_each_get_their_own_answer(lookups: Lookups) -> None:
    first, second = await lookups.add("甲检测"), await lookups.add("乙检测")
    await lookups.put(first, *(f"A-{n}" for n in range(100)))
    await lookups.put(second, *(f"B-{n}" for n in range(100)))
    asked = [(f"{letter}-{n}", name) for n in range(120) for letter in "AB"
             for name in (None, "甲检测", "乙检测")]  # fmt: skip
    answers = await asyncio.gather(*(lookups.ask(*one) for one in asked))
    for (number, name), answer in zip(asked, answers, strict=True):
        holder = "甲检测" if number[0] == "A" else "乙检测"
        there = int(number[2:]) < 100 and name in (None, holder)
        assert entries(answer) == ([("found", holder)] if there else []), (number, name)


# --- what is asked ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("", "number"), ("number=", "number"), ("number=%20%E3%80%80", "number"),
        ("number=" + "1" * 65, "number"), ("number=a%00b", "number"), ("number=a%0Ab", "number"),
        ("number=a%7Fb", "number"), ("number=" + "1" * 10_000, "number"),
        ("number=%EF%B7%BA%EF%B7%BA%EF%B7%BA%EF%B7%BA", "number"),  # four that become 72
        ("number=1%E2%80%8B2", "number"), ("number=%FF", "number"),  # unseen, and no UTF-8
        ("number=1&number=1", "number"), ("number=1&institution=%00", "institution"),
        ("number=1&institution=" + "a" * 201, "institution"), ("number=1&like=1", "like"),
        ("number=1&institution=a&institution=b", "institution"),
    ],
)  # fmt: skip
async def test_what_is_no_number_is_refused_and_not_repeated(
    lookups: Lookups, query: str, name: str
) -> None:
    answer = await lookups.http.get(f"/public/report-numbers?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["code"] == "invalid_parameter"
    assert name in answer.json()["detail"]
    assert "1" * 20 not in answer.text  # a trace id may well hold a few ones in a row


@pytest.mark.parametrize("number", ["1" * 64, "a", "报告〔2025〕第1号", "%", "'; --", "\u200b1"])
async def test_whatever_can_be_printed_can_be_asked_for(lookups: Lookups, number: str) -> None:
    assert (await lookups.ask(number))["answer"] == "not_found"


async def test_head_is_get_without_the_body(lookups: Lookups) -> None:
    got = await lookups.http.get("/public/report-numbers?number=1")
    head = await lookups.http.head("/public/report-numbers?number=1")
    assert head.status_code == 200
    for name in ("content-type", "content-length", "cache-control"):
        assert head.headers[name] == got.headers[name]


@given(st.text(max_size=80), st.text(max_size=300) | st.none())
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_no_text_makes_the_lookup_fail(
    lookups: Lookups, number: str, institution: str | None
) -> None:
    given = {"number": number} | ({} if institution is None else {"institution": institution})
    answer = await lookups.http.get("/public/report-numbers", params=given)
    fits = 0 < len(normalised(number)) <= 64 and is_usable(normalised(number))
    if not fits:
        assert answer.status_code == 422
    assert answer.status_code in (200, 422)


@given(st.binary(max_size=60))
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_no_bytes_make_the_lookup_fail(lookups: Lookups, data: bytes) -> None:
    query = "".join(f"%{byte:02x}" for byte in data)
    for asked in (f"number={query}", f"number=1&institution={query}", f"number=1&{query}"):
        answer = await lookups.http.get(f"/public/report-numbers?{asked}")
        assert answer.status_code in (200, 422)


@given(st.text())
def test_a_normalised_number_stays_as_it_is(text: str) -> None:
    once = normalised(text)
    assert normalised(once) == once


async def test_a_connection_that_breaks_is_replaced_unnoticed(
    lookups: Lookups, database_url: str
) -> None:
    await lookups.put(await lookups.add("榕城检测"), "A-1")
    assert (await lookups.ask("1"))["answer"] == "not_found"
    others = connect(database_url)
    async with others.begin() as connection:
        await connection.execute(
            text("""
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
            """)
        )
    await others.dispose()
    answers = await asyncio.gather(*(lookups.ask(f"A-{n}") for n in range(20)))
    assert [one["answer"] for one in answers].count("found") == 1


async def test_a_database_that_is_away_is_told_to_everybody_at_once(database_url: str) -> None:
    nowhere = connect(database_url.rpartition("@")[0] + "@127.0.0.1:1/nowhere")
    async with lookups_on(nowhere) as lookups:
        broken = await asyncio.gather(
            *(lookups.http.get(f"/public/report-numbers?number=A-{n}") for n in range(20))
        )
    for one in broken:
        assert (one.status_code, one.json()["code"]) == (503, "unavailable")
        assert one.headers["retry-after"] == "5"
    await nowhere.dispose()


# --- limits -----------------------------------------------------------------------------------


async def test_a_client_may_ask_as_often_as_the_limit_says_and_again_when_its_window_ends(
    engine: AsyncEngine,
) -> None:
    async with lookups_on(engine, RateLimits("3/minute", "1000/minute")) as lookups:
        began = lookups.now
        for number in range(3):
            await lookups.ask(f"{number}-0000")
        lookups.now = began + timedelta(seconds=59.5)
        refused = await lookups.http.get("/public/report-numbers?number=0-0000")
        assert refused.status_code == 429
        assert refused.json()["code"] == "too_many_lookups"
        assert refused.headers["retry-after"] == "1"
        assert "3 次" in refused.json()["detail"]
        assert "1 秒" in refused.json()["remedy"]
        # what is refused does not lengthen the wait
        lookups.now = began + timedelta(seconds=60)
        await lookups.ask("0-0000")


async def test_of_several_limits_the_longest_wait_is_told(engine: AsyncEngine) -> None:
    async with lookups_on(engine, RateLimits("2/minute;2/hour", "1000/minute")) as lookups:
        for _ in range(2):
            await lookups.ask("1")
        refused = await lookups.http.get("/public/report-numbers?number=1")
        assert refused.headers["retry-after"] == "3600"


async def test_many_clients_cannot_walk_one_sequence_together_nor_shut_others_out(
    engine: AsyncEngine,
) -> None:
    async with lookups_on(engine, RateLimits("1000/minute", "5/minute")) as lookups:
        for number in range(5):
            await lookups.parts.lookups.look_up(f"FZ-2025-{number:04}", "", f"10.0.{number % 2}.1")
        # what all had together is used up; an address that had none of it still has a few
        for number in range(5, 5 + FEW):
            await lookups.ask(f"FZ-2025-{number:04}")
        with pytest.raises(Refused):
            await lookups.parts.lookups.look_up("FZ-2025-0020", "", "10.0.0.1")
        refused = await lookups.http.get("/public/report-numbers?number=FZ-2025-0021")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
        # the same one again is no walk, and other sequences are not concerned
        await lookups.ask("FZ-2025-0004")
        await lookups.ask("XM-2025-0001")
        lookups.now += timedelta(seconds=60)
        await lookups.ask("FZ-2025-0021")


async def test_clients_are_told_apart_by_their_address(engine: AsyncEngine) -> None:
    async with lookups_on(engine, RateLimits("1/minute", "1000/minute")) as lookups:

        async def asked(address: str) -> int:
            try:
                await lookups.parts.lookups.look_up("1", "", address)
            except Refused:
                return 429
            return 200

        # one network of IPv6 is one client, however many addresses it has
        for address, expected in (
            ("10.0.0.1", 200), ("10.0.0.1", 429), ("10.0.0.2", 200), ("::ffff:10.0.0.2", 429),
            ("2001:db8::1", 200), ("2001:db8::ffff", 429), ("2001:db8:0:1::1", 200),
            ("nonsense:", 200), ("nonsense:", 429),
        ):  # fmt: skip
            assert await asked(address) == expected, address


async def test_what_is_refused_as_no_number_counts_for_nobody(engine: AsyncEngine) -> None:
    async with lookups_on(engine, RateLimits("1/minute", "1000/minute")) as lookups:
        for _ in range(3):
            assert (await lookups.http.get("/public/report-numbers?number=")).status_code == 422
        await lookups.ask("1")


# --- counts -----------------------------------------------------------------------------------


def token(lookups: Lookups, role: Role, scope: str = "") -> dict[str, str]:
    actor = Actor(subject="someone", role=role, scope=scope)
    issued = lookups.parts.identity.issue(actor, datetime.now(UTC), timedelta(days=1))
    return {"authorization": f"Bearer {issued}"}


async def counted(lookups: Lookups, headers: dict[str, str], query: str = "") -> Any:
    answer = await lookups.http.get(f"/api/lookups/counts{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_lookups_are_counted_by_day_province_and_answer_and_by_nothing_else(
    lookups: Lookups,
) -> None:
    fujian, hunan = await lookups.add("闽检测"), await lookups.add("湘检测", "430102")
    await lookups.put(fujian, "F-1")
    await lookups.put(hunan, "H-1", change=("withdrawn", "（生成）", DAY))
    lookups.now = DAY + timedelta(days=1) - SECOND
    for number in ("F-1", "F-1", "H-1", "X-1"):
        await lookups.ask(number)
    await lookups.parts.lookups.flush()
    lookups.now += SECOND
    await lookups.ask("F-1")
    await lookups.parts.lookups.flush()
    await lookups.parts.lookups.flush()  # nothing is added twice
    auditor = token(lookups, Role.AUDITOR)
    everything = await counted(lookups, auditor)
    assert everything == {
        "items": [
            {"day": "2025-03-22", "province": "000000", "answers": {"not_found": 1}},
            {"day": "2025-03-22", "province": "350000", "answers": {"found": 2}},
            {"day": "2025-03-22", "province": "430000", "answers": {"withdrawn": 1}},
            {"day": "2025-03-23", "province": "350000", "answers": {"found": 1}},
        ],
        "next": None,
    }
    nation = await counted(lookups, token(lookups, Role.OPERATOR, "000000"))
    assert nation == everything
    own = await counted(lookups, token(lookups, Role.OPERATOR, "350000"))
    assert {one["province"] for one in own["items"]} == {"350000"}
    day = await counted(lookups, auditor, "?from=2025-03-23&to=2025-03-23")
    assert day["items"] == everything["items"][3:]
    pages, cursor = [], ""
    while cursor is not None:
        page = await counted(lookups, auditor, f"?size=3&cursor={cursor}")
        pages += page["items"]
        cursor = page["next"]
    assert pages == everything["items"]


async def test_counts_that_cannot_be_added_are_kept(lookups: Lookups) -> None:
    await lookups.ask("1")
    async with owning(lookups.engine) as connection:
        await connection.execute(text("ALTER TABLE lookup_counts RENAME TO gone"))
    await lookups.parts.lookups.flush()
    await lookups.ask("1")
    async with owning(lookups.engine) as connection:
        await connection.execute(text("ALTER TABLE gone RENAME TO lookup_counts"))
    async with lookups.parts.lookups.running():
        pass  # what is left is added at the end
    page = await counted(lookups, token(lookups, Role.AUDITOR))
    assert [one["answers"] for one in page["items"]] == [{"not_found": 2}]


@pytest.mark.parametrize(
    "query",
    ["?from=2025-03-22&to=2025-03-21", "?from=2024-03-20&to=2025-03-22", "?to=yesterday",
     "?to=0001-01-01", "?cursor=WyJhIiwgImIiXQ"],
)  # fmt: skip
async def test_counts_of_no_days_or_too_many_are_refused(lookups: Lookups, query: str) -> None:
    headers = token(lookups, Role.AUDITOR)
    answer = await lookups.http.get(f"/api/lookups/counts{query}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")


async def test_counts_of_a_whole_year_are_shown_at_once(lookups: Lookups) -> None:
    page = await counted(lookups, token(lookups, Role.AUDITOR), "?from=2024-03-22&to=2025-03-22")
    assert page == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("role", "scope", "status"),
    [(Role.FILER, "inst-1", 403), (Role.REVIEWER, "amr-350000", 403), (Role.AUDITOR, "", 200)],
)
async def test_counts_are_for_operators_and_auditors(
    lookups: Lookups, role: Role, scope: str, status: int
) -> None:
    answer = await lookups.http.get("/api/lookups/counts", headers=token(lookups, role, scope))
    assert answer.status_code == status
    assert (await lookups.http.get("/api/lookups/counts")).status_code == 401


async def test_days_are_those_of_china(lookups: Lookups) -> None:
    lookups.now = datetime(2025, 3, 22, 16, 0, tzinfo=UTC)
    assert day_of(lookups.now) == date(2025, 3, 23)
    await lookups.ask("1")
    await lookups.parts.lookups.flush()
    page = await counted(lookups, token(lookups, Role.AUDITOR))
    assert [one["day"] for one in page["items"]] == ["2025-03-23"]
