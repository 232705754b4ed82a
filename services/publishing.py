"""Publishing rule sets: checked in full, kept under their hash, in force until the next one."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.commands import Actor
from domain.decision import RuleSetRef
from domain.ids import NATION
from domain.jurisdictions import lies_in
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from rules.check.checks import check_name
from rules.file.findings import Finding
from rules.file.library import (
    ResolvedSet,
    RuleLibrary,
    RuleSetNotFound,
    RulesInvalid,
    current_library,
)
from services.clock import Clock
from store import content, journal, publications, rule_sets
from store.publications import Publication

PUBLISHED = "rules_published"


class PublicationShown(Value):
    """A published revision; ``replaced_at`` is when the next one took its place, None in force."""

    year: int
    jurisdiction: str
    ruleset: RuleSetRef
    published_at: datetime
    published_by: str
    reason: str
    replaced_at: datetime | None = None


class PublishedShown(Value):
    """What publishing has done: new revisions, and places whose revision was in force already."""

    published: tuple[PublicationShown, ...]
    unchanged: tuple[str, ...]


class PublicationService:
    """Everything that is done with published rules."""

    def __init__(self, engine: AsyncEngine, rules: Path, clock: Clock) -> None:
        self._engine = engine
        self._rules = rules
        self._clock = clock

    async def publish(
        self,
        year: int,
        jurisdiction: str,
        actor: Actor,
        command_id: str,
        reason: str,
        rules: Path | None = None,
    ) -> PublishedShown:
        """Publishes the set of a place and those of all places within it, as their files are now.

        ``rules`` is another folder than the system's own.
        What is in force as it is stays; the same command again answers as it did. Raises Refused:
        no reason, no such rules, a finding of the check, or a revision that is not a new one.
        """
        if not reason.strip():
            params = {"action": "发布规则", "field": "reason"}
            raise Refused(Refusal(code=Code.REASON_REQUIRED, params=params))
        async with self._engine.connect() as connection:
            before = await publications.by_command(connection, command_id)
        if before:
            return PublishedShown(published=await self._shown(before), unchanged=())
        # checking rules takes seconds of pure computing: other requests go on meanwhile
        sets = await asyncio.to_thread(fit_to_publish, rules or self._rules, year, jurisdiction)
        async with self._engine.begin() as connection:
            new = await put_in_force(
                connection, sets, actor, command_id, reason.strip(), self._clock()
            )
        unchanged = {one.jurisdiction for one in sets} - {one.jurisdiction for one in new}
        shown = await self._shown(new)
        return PublishedShown(published=shown, unchanged=tuple(sorted(unchanged)))

    async def revisions(self, year: int, jurisdiction: str) -> tuple[PublicationShown, ...]:
        """All revisions of a year and a place, the newest first, each with its time in force."""
        async with self._engine.connect() as connection:
            listed = await publications.of_place(connection, year, jurisdiction)
        shown = await self._shown(listed)
        replaced = [None, *(newer.published_at for newer, _ in pairwise(shown))]
        return tuple(
            one.model_copy(update={"replaced_at": at})
            for one, at in zip(shown, replaced, strict=False)
        )

    async def in_force(
        self, year: int | None = None, at: datetime | None = None
    ) -> tuple[PublicationShown, ...]:
        """What is in force at an instant, of one year or of all, by year and place."""
        async with self._engine.connect() as connection:
            years = [year] if year is not None else await publications.years(connection)
            each = [await publications.in_force(connection, one, NATION, at) for one in years]
        return await self._shown([one for of_year in each for one in of_year.values()])

    async def _shown(self, listed: Sequence[Publication]) -> tuple[PublicationShown, ...]:
        async with self._engine.connect() as connection:
            hashes = sorted({one.note_sha256 for one in listed})
            notes = await content.notes_by_sha256(connection, hashes)
        return tuple(
            PublicationShown(
                year=one.year,
                jurisdiction=one.jurisdiction,
                ruleset=RuleSetRef(id=one.set_id, revision=one.revision, sha256=one.rule_set),
                published_at=one.published_at,
                published_by=one.published_by.subject,
                reason=notes.get(one.note_sha256, {}).get("reason", ""),
            )
            for one in listed
        )


async def put_in_force(
    connection: AsyncConnection,
    sets: Sequence[ResolvedSet],
    actor: Actor,
    command_id: str,
    reason: str,
    now: datetime,
) -> list[Publication]:
    """Stores the sets that are not in force yet, with a step of each place's own journal.

    Raises Refused where a revision names other content already, or an older revision.
    """
    await publications.hold_still(connection)
    note = await content.save_note(connection, {"reason": reason})
    new = []
    for one in sets:
        standing = await publications.in_force(connection, one.year, one.jurisdiction)
        before = standing.get(one.jurisdiction)
        if before is not None and before.rule_set == one.sha256:
            continue
        if before is not None and one.revision <= before.revision:
            params = {
                "year": str(one.year),
                "jurisdiction": one.jurisdiction,
                "revision": str(one.revision),
                "latest": str(before.revision),
                "next": str(before.revision + 1),
            }
            raise Refused(Refusal(code=Code.REVISION_TAKEN, params=params))
        publication = Publication(
            year=one.year,
            jurisdiction=one.jurisdiction,
            revision=one.revision,
            rule_set=await rule_sets.store(connection, one.document),
            set_id=one.id,
            published_by=actor,
            published_at=now,
            note_sha256=note,
            command_id=command_id,
        )
        await publications.add(connection, publication)
        body: dict[str, Any] = {
            "ruleset": one.ref().model_dump(mode="json"),
            "replaces": before.rule_set if before is not None else "",
        }
        case_id = f"rules/{one.year}/{one.jurisdiction}"
        await journal.append_operator_step(
            connection, case_id, PUBLISHED, actor, now, body, command_id, note_sha256=note
        )
        new.append(publication)
    return new


def fit_to_publish(
    rules: Path,
    year: int,
    jurisdiction: str,
    check: Callable[[RuleLibrary, str], list[Finding]] = check_name,
) -> list[ResolvedSet]:
    """The sets of a place and of all places within it, none of which has any finding.

    Mere bases are left out. Raises Refused: none there, only a base, not in order.
    """
    library = current_library(rules)
    asked = {"year": str(year), "jurisdiction": jurisdiction}
    try:
        places = [p for y, p in library.sets() if y == year and lies_in(p, jurisdiction)]
        # the place that is asked for is told of even where others within it are there
        library.name_of(year, jurisdiction)
        with _checking:
            # a file that cannot be read may be the set of a place that would go by another's
            findings = library.broken_in(year)
            findings += [f for p in places for f in check(library, library.name_of(year, p))]
        if findings:
            raise RulesInvalid(findings)
        sets = [library.resolve(year, place) for place in places]
    except RuleSetNotFound as failure:
        params = {**asked, "known": str(failure)}
        raise Refused(Refusal(code=Code.RULES_NOT_FOUND, params=params)) from None
    except RulesInvalid as invalid:
        raise Refused(rules_invalid(invalid, **asked)) from None
    fit = [one for one in sets if one.not_publishable is None]
    if not fit:
        known = f"{sets[0].id} 只是基础：{sets[0].not_publishable}"
        raise Refused(Refusal(code=Code.RULES_NOT_FOUND, params={**asked, "known": known}))
    return fit


# seconds of computing, of which others that ask meanwhile profit
_checking = threading.Lock()


def rules_invalid(invalid: RulesInvalid, **asked: str) -> Refusal:
    """Rule files that are not in order, as a refusal."""
    first = str(invalid.findings[0])
    params = {**asked, "count": str(len(invalid.findings)), "first": first}
    return Refusal(code=Code.RULES_INVALID, params=params)
