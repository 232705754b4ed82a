"""The public lookup of report numbers: many askers share one query, and answers are kept briefly.

An answer changes when a number opens, is withdrawn or corrected, when an institution's standing
changes, and at midnight. It is kept for `KEEP` at most and never past an opening or midnight.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import psycopg
import structlog
from pydantic import TypeAdapter
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.clock import BEIJING, day_of
from domain.decision import Eligibility, PublicAnswer
from domain.facts import Facts
from domain.jurisdictions import known
from domain.numbers.lookup import Holder, LookupAnswer, LookupEntry, NumberRow, Outcome, decide
from domain.numbers.report_numbers import LONGEST_NUMBER, Answer, spellings
from domain.refusals import Code, Refusal, Refused
from domain.text import is_usable, name_key, normalised
from rules.compiled import CompiledRules
from rules.file.library import current_library
from services.clock import Clock
from services.counting import Counting
from services.rate_limits import Limiter, RateLimits
from store.batching import Batcher
from store.numbers import lookup
from store.numbers.lookup import LookupCount

log = structlog.get_logger()

Result = TypeVar("Result")

KEEP = timedelta(seconds=30)
"""For how long an answer, an institution's standing and the rules are kept at most."""

_LARGEST_BATCH = 128
"""While one batch is with the database the next one gathers: not everybody is in one of them."""

_LONGEST_NAME = 200
_LONGEST_GIVEN = 1000
_MOST_KEPT = 20_000
_entries_json = TypeAdapter(tuple[LookupEntry, ...]).serializer.to_json
_NO_ENTRIES = b"[]}"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class PublicRules(Protocol):
    """What the lookup needs of a rule set (see `rules.compiled.CompiledRules`)."""

    @property
    def public_answers(self) -> Mapping[Answer, PublicAnswer]:
        """The words of each answer."""
        ...

    def number_eligibility(self, facts: Facts, today: date) -> Eligibility:
        """Whether the lookup answers for an institution's numbers today."""
        ...


Asked = tuple[str, str]
"""A number, and an institution's name or "", as they are compared."""


class Found(NamedTuple):
    """An outcome with its words, and as the JSON of a `domain.numbers.lookup.LookupAnswer`.

    It stands from ``asked_at`` until ``until``, and is counted under ``counted``.
    """

    outcome: Outcome
    words: PublicAnswer
    json: bytes
    counted: LookupCount
    asked_at: datetime
    until: datetime

    def stands(self, now: datetime) -> bool:
        """Whether the answer may still be given."""
        return self.asked_at <= now < self.until


class LookupService:
    """Answers the public, counts what was answered, and slows down who asks too often."""

    def __init__(
        self,
        engine: AsyncEngine,
        rules: Callable[[], PublicRules],
        clock: Clock,
        limits: RateLimits,
        *,
        answers_for: timedelta = KEEP,
    ) -> None:
        # each query is one statement: nothing needs a transaction
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._read_rules = rules
        self._clock = clock
        self._limiter = Limiter(limits)
        self._answers_for = answers_for
        self._batcher: Batcher[Asked, Found | Refused] = Batcher(
            self._answer, largest=_LARGEST_BATCH, pause=0
        )
        self._reader: lookup.Reader | None = None
        self._rules: PublicRules | None = None
        self._rules_since = self._rules_until = _LONG_AGO
        self._found: OrderedDict[Asked, Found] = OrderedDict()
        self._holders: dict[int, Holder | Refused] = {}
        self._holders_since = self._holders_until = _LONG_AGO
        self._said: dict[Answer, tuple[PublicAnswer, bytes]] = {}
        self._counts: Counting[LookupCount] = Counting(engine, lookup.add_counts)
        self._today, self._morning, self._midnight = date.min, _LONG_AGO, _LONG_AGO

    async def look_up(self, number: str, institution: str, client: str) -> tuple[Found, int]:
        """The answer for a number, of any institution or of those with a name.

        Also tells for how many more seconds whoever asks may keep it. ``client`` is the address
        it is asked from. Raises Refused: not a number or a name, too many lookups.
        """
        asked = (
            _usable("number", number, LONGEST_NUMBER, normalised),
            _usable("institution", institution, _LONGEST_NAME, name_key) if institution else "",
        )
        now = self._clock()
        self._limiter.count_client(client, now)
        found = self._found.get(asked)
        if found is None or not found.stands(now):
            # one number that many people look up is no walk along a sequence
            self._limiter.count_number(asked[0], now, client)
            told = await self._batcher.ask(asked)
            if isinstance(told, Refused):
                raise told
            found = told
        self._counts.count(found.counted)
        return found, max(0, int((found.until - max(now, found.asked_at)).total_seconds()))

    async def near(self, number: str, institution: str) -> list[str]:
        """Numbers on record that differ from one in capitals, hyphens and blanks alone.

        For a number that was looked up and not found: these are part of that question, and counted
        with it. Only what anybody would find by typing it is named.
        """
        name = name_key(institution) if institution else ""
        others = spellings(normalised(number))
        told = await asyncio.gather(*(self._batcher.ask((one, name)) for one in others))
        return [
            one
            for one, answer in zip(others, told, strict=True)
            if isinstance(answer, Found) and answer.outcome.answer is Answer.FOUND
        ]

    async def counts(
        self,
        first: date,
        last: date,
        within: str,
        after: tuple[date, str] | None,
        size: int,
    ) -> list[tuple[date, str, dict[Answer, int]]]:
        """How often each answer was given, as `store.numbers.lookup.counts` has it."""
        async with self._engine.connect() as connection:
            return await lookup.counts(connection, first, last, within, after, size)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Reads the rules, and adds to the counts from time to time and at the end."""
        with suppress(Refused):  # the first asker is told
            await self._refresh(self._clock())
        try:
            async with self._counts.running():
                yield
        finally:
            await self._let_go()

    async def flush(self) -> None:
        """Adds to the counts what was answered since; what cannot be added now is kept."""
        await self._counts.flush()

    # --- private steps -----------------------------------------------------------------------

    def _day(self, now: datetime) -> date:
        """The day in China; works out midnight once a day."""
        if not self._morning <= now < self._midnight:
            self._today = day_of(now)
            morning = datetime.combine(self._today, time(), tzinfo=BEIJING)
            # in the clock's zone: instants of two zones take ten times as long to compare
            self._morning = morning.astimezone(UTC)
            self._midnight = (morning + timedelta(days=1)).astimezone(UTC)
        return self._today

    async def _answer(self, batch: Sequence[Asked]) -> Sequence[Found | Refused]:
        """The answers to all that is asked at this moment, with one query for the numbers."""
        now = self._clock()
        distinct = list(dict.fromkeys(batch))
        try:
            rules = await self._refresh(now)
            rows, bearers = await self._reading(lambda reader: self._rows(reader, distinct))
            needed = {row.institution_no for many in rows for row in many}
            needed.update(*bearers.values())
            await self._hold(needed, rules, now)
        except Refused as refused:
            return [refused] * len(batch)
        except (SQLAlchemyError, psycopg.OperationalError, OSError):
            # asking again for each of them alone would only keep the others waiting
            log.exception("lookup_unavailable")
            unavailable = Refusal(code=Code.UNAVAILABLE, params={"part": "数据库"})
            return [Refused(unavailable)] * len(batch)
        answers: dict[Asked, Found | Refused] = {}
        longest = min(now + self._answers_for, self._midnight)
        holding = min(longest, self._holders_until)
        # in the zone of what is read: instants of two zones take ten times as long to compare
        here = now.astimezone(BEIJING)
        for asked, many in zip(distinct, rows, strict=True):
            try:
                holders = {row.institution_no: self._holder(row.institution_no) for row in many}
                named = [self._holder(no) for no in bearers.get(asked[1], ())]
            except Refused as refused:
                # of this institution nothing can be said; whoever asks about others is told
                answers[asked] = refused
                continue
            outcome = decide(many, holders, named, here)
            until = holding if many or named else longest
            if outcome.changes_at is not None:
                until = min(until, outcome.changes_at)
            words, json = self._told(outcome, rules)
            counted = LookupCount(self._today, outcome.province, outcome.answer)
            answers[asked] = Found(outcome, words, json, counted, now, until)
        self._remember(answers)
        return [answers[asked] for asked in batch]

    async def _reading(self, read: Callable[[lookup.Reader], Awaitable[Result]]) -> Result:
        """Reads on the connection that is kept for this; once more on a new one when it is gone.

        Taking one from the pool for each query would cost as much as the query.
        """
        while True:
            fresh = self._reader is None
            if self._reader is None:
                self._reader = await lookup.reader(self._engine)
            try:
                return await read(self._reader)
            except (SQLAlchemyError, psycopg.Error, OSError):
                await self._let_go()
                if fresh:
                    raise

    async def _let_go(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            # its settings are its own: nobody else is given this connection
            await reader.connection.invalidate()
            await reader.connection.close()

    async def _rows(
        self, reader: lookup.Reader, distinct: Sequence[Asked]
    ) -> tuple[list[list[NumberRow]], dict[str, list[int]]]:
        """The rows of each number asked, and the institutions that bear the names given."""
        names = list({name for _, name in distinct if name})
        if not names:
            return await lookup.rows(reader, [number for number, _ in distinct], None), {}
        bearers = await lookup.named(reader.connection, names)
        rows: list[list[NumberRow]] = [[] for _ in distinct]
        wanted = [
            (place, number, no)
            for place, (number, name) in enumerate(distinct)
            for no in (bearers.get(name, ()) if name else (None,))
        ]
        if wanted:
            numbers = [number for _, number, _ in wanted]
            each = await lookup.rows(reader, numbers, [no for _, _, no in wanted])
            for (place, _, _), some in zip(wanted, each, strict=True):
                rows[place] += some
        return rows, bearers

    async def _hold(self, needed: set[int], rules: PublicRules, now: datetime) -> None:
        """Sees to it that the standing of these institutions is known as of now."""
        today = self._day(now)
        if not self._holders_since <= now < self._holders_until:
            # all at the same time: then many are read again at once, and not one by one
            self._holders.clear()
            self._holders_since, self._holders_until = now, min(now + KEEP, self._midnight)
        unknown = [no for no in needed if no not in self._holders]
        if not unknown:
            return
        found = await self._reading(lambda reader: lookup.by_no(reader.connection, unknown))
        for no, one in found.items():
            try:
                eligible = rules.number_eligibility(one.facts_for(None), today).eligible
            except Refused:
                # the public is told no condition; whoever mends the rule finds it in the log
                log.exception("lookup_eligibility_unknown", institution=one.facts.id)
                params = {"part": "这一机构是否供查询的规则"}
                self._holders[no] = Refused(Refusal(code=Code.UNAVAILABLE, params=params))
                continue
            province = known().province(one.facts.region)
            self._holders[no] = Holder(one.name, province, eligible)

    def _holder(self, no: int) -> Holder:
        """An institution's standing. Raises Refused: the rules come to no result for it."""
        held = self._holders[no]
        if isinstance(held, Refused):
            raise held
        return held

    async def _refresh(self, now: datetime) -> PublicRules:
        """The rules as they are now; those known so far while new ones cannot be read."""
        self._day(now)
        if self._rules is not None and self._rules_since <= now < self._rules_until:
            return self._rules
        try:
            found = await asyncio.to_thread(self._read_rules)
        except Exception:
            log.exception("lookup_rules_unreadable")
            if self._rules is None:
                params = {"part": "查询规则"}
                raise Refused(Refusal(code=Code.UNAVAILABLE, params=params)) from None
            found = self._rules
        if found is not self._rules:
            self._rules = found
            self._found.clear()
            self._holders.clear()
            self._said.clear()
        self._rules_since, self._rules_until = now, now + KEEP
        return found

    def _told(self, outcome: Outcome, rules: PublicRules) -> tuple[PublicAnswer, bytes]:
        """The answer's words and its JSON. The words are always the same, and written once."""
        said = self._said.get(outcome.answer)
        if said is None:
            words = rules.public_answers[outcome.answer]
            told = LookupAnswer(
                answer=outcome.answer,
                **words.model_dump(exclude={"cites"}),
                sources=words.cites,
                more=False,
                entries=(),
            )
            head = told.model_dump_json().encode().removesuffix(_NO_ENTRIES)
            said = self._said[outcome.answer] = (words, head)
        words, head = said
        if not outcome.entries:
            return words, head + _NO_ENTRIES
        if outcome.more:
            head = head.replace(b'"more":false', b'"more":true', 1)
        return words, head + _entries_json(outcome.entries) + b"}"

    def _remember(self, answers: Mapping[Asked, Found | Refused]) -> None:
        for asked, found in answers.items():
            if isinstance(found, Refused):
                continue
            self._found[asked] = found
            self._found.move_to_end(asked)
        while len(self._found) > _MOST_KEPT:
            self._found.popitem(last=False)


def latest_rules(root: Path) -> Callable[[], PublicRules]:
    """Reads the latest national rule set of a folder; compiled anew only when it has changed."""
    compiled: dict[str, CompiledRules] = {}

    def read() -> PublicRules:
        found = current_library(root).latest_national()
        if found.sha256 not in compiled:
            compiled.clear()
            compiled[found.sha256] = CompiledRules(found.document)
        return compiled[found.sha256]

    return read


def _usable(name: str, given: str, longest: int, key: Callable[[str], str]) -> str:
    """What was given as its ``key`` is compared. Raises Refused, naming the parameter."""
    why = ""
    text = key(given) if len(given) <= _LONGEST_GIVEN else given
    if not text:
        why = "不能为空"
    elif len(text) > longest:
        why = f"最多 {longest} 个字符"
    elif not is_usable(text):
        why = "含有看不见的字符或乱码，请重新输入"
    if why:
        refusal = Refusal(code=Code.INVALID_PARAMETER, params={"name": name, "why": why})
        raise Refused(refusal)
    return text
