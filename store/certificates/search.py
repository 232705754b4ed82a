"""Finding certificates by what stands in them and by how they stand; nothing is written here.

Parts of words are found through `certificate_grams`: an index of all characters and pairs of
neighbours, which narrows, and `strpos`, which decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Text,
    and_,
    bindparam,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.certificates.certificate import CertificateStatus
from domain.ids import NATION
from domain.model import Value
from store.areas import lies_in
from store.certificates.lines import LineKind, signatory_key, signatory_ways, standard_of
from store.certificates.register import Registered, entry, registered, signatories_of
from store.tables import certificate_lines, certificates, institutions
from store.words import contains, folded_column

MOST_LINES = 5
"""So many capabilities, pieces of equipment and signatories are shown of each certificate found."""


FEW_LINES = 5_000
"""Up to so many lines with a term, the certificates they belong to are listed first."""


class Criteria(Value):
    """What certificates are searched for; what is empty or None does not narrow.

    ``institution`` is an id or part of a name, ``holder`` part of a name, ``region`` what the
    region's code begins with, ``related`` a USCC whose whole family is wanted. Terms of
    capability and equipment may have several parts with blanks between: all of them have to stand
    in one line. ``signatory`` is a whole name.
    """

    institution: str = ""
    holder: str = ""
    uscc: str = ""
    parent_uscc: str = ""
    related: str = ""
    number: str = ""
    capability: str = ""
    standard: str = ""
    equipment: str = ""
    signatory: str = ""
    region: str = ""
    field: str = ""
    issuer: str = ""
    state: CertificateStatus | None = None
    expires_from: date | None = None
    expires_until: date | None = None


@dataclass(frozen=True)
class Sight:
    """Whose certificates somebody sees in full: of an institution, an issuer, an area, any of them.

    ``region`` is the code of an area, the nation for all of them.
    """

    institution: str | None = None
    issuer: str | None = None
    region: str | None = None


NOTHING = Sight()
"""The public's: no certificate in full."""


class Seen(NamedTuple):
    """A certificate, and whether it may be seen in full. Its content has some lines only."""

    found: Registered
    full: bool


async def search(
    connection: AsyncConnection,
    criteria: Criteria,
    sight: Sight,
    today: date,
    *,
    after: str = "",
    skip: int = 0,
    size: int,
    own: bool = False,
) -> list[Seen]:
    """Up to ``size`` certificates after a number, in the order of their numbers.

    ``own``: only those that are seen in full. Who is not to see equipment and signatories, nor to
    which unit a holder belongs, does not find anything by them either.
    """
    full = _sees(sight)
    query = _shown(criteria).add_columns(full.label("full")).where(*_narrowing(criteria, today))
    if sight != NOTHING:
        query = query.add_columns(signatories_of(full))
    for kind in LineKind:
        if not _line(certificate_lines, kind, criteria):
            continue
        few = await _few(connection, kind, criteria, after)
        if few is None:
            query = query.where(_has_line(kind, criteria))
        elif few:
            query = query.where(certificates.c.number == func.any(few))
        else:
            return []
    if own or criteria.equipment or criteria.signatory or criteria.parent_uscc:
        query = query.where(full)
    if after:
        query = query.where(certificates.c.number > after)
    query = query.order_by(certificates.c.number).offset(skip or None).limit(size)
    await connection.execute(_planner(only_bitmaps=False))
    rows = (await connection.execute(query)).mappings()
    return [_with_few(_seen(dict(row)), criteria) for row in rows]


async def _few(
    connection: AsyncConnection, kind: LineKind, criteria: Criteria, after: str
) -> list[str] | None:
    """The numbers of certificates with such a line; None where there are too many lines.

    The planner knows frequent characters only. Left to itself it walks through everything for a
    rare one, and collects all lines that have a frequent one.
    """
    lines = certificate_lines
    few = (
        select(lines.c.number)
        .where(*_line(lines, kind, criteria), lines.c.number > after)
        .limit(FEW_LINES + 1)
    )
    await connection.execute(_planner(only_bitmaps=True))
    found = list((await connection.execute(few)).scalars())
    return sorted(set(found)) if len(found) <= FEW_LINES else None


def _has_line(kind: LineKind, criteria: Criteria) -> ColumnElement[bool]:
    """What is frequent is found soon by looking at one certificate after the other."""
    lines = certificate_lines.alias("line")
    wanted = _line(lines, kind, criteria, indexed=False)
    return select(lines.c.number).where(lines.c.number == certificates.c.number, *wanted).exists()


def _planner(*, only_bitmaps: bool) -> Select[Any]:
    """Settings for the transaction: how lines are reached, a plan for these terms, a limit."""
    others = "off" if only_bitmaps else "on"
    given = {
        "enable_seqscan": others,
        "enable_indexscan": others,
        "enable_indexonlyscan": others,
        "plan_cache_mode": "force_custom_plan",
        "statement_timeout": "10000",
    }
    return select(*(func.set_config(name, value, True) for name, value in given.items()))


async def in_full(connection: AsyncConnection, number: str, sight: Sight) -> Seen | None:
    """One certificate with its whole content, and whether it may be seen in full."""
    full = _sees(sight)
    query = registered().add_columns(full.label("full"), signatories_of(full))
    found = await connection.execute(query.where(certificates.c.number == number))
    row = found.mappings().first()
    return _seen(dict(row)) if row else None


async def scanned(
    connection: AsyncConnection, code: str, first: int, most: int
) -> Registered | None:
    """The certificate with a code, of its content what the public may see.

    Of its capabilities ``most`` from the one at ``first`` on. None if there is none.
    """
    content = certificates.c.content
    path = f"$.capabilities[{first} to {first + most - 1}]"
    some = func.jsonb_path_query_array(content, literal_column(f"'{path}'::jsonpath"))
    shown = _with(content, capabilities=some, equipment=_EMPTY, sites=_EMPTY)
    query = _replacing(registered(), shown).where(certificates.c.code == code)
    row = (await connection.execute(query)).mappings().first()
    return entry(row) if row else None


async def numbers_of(connection: AsyncConnection, codes: Sequence[str]) -> dict[str, str]:
    """The numbers of the certificates with these codes; codes unknown are left out."""
    wanted = [code for code in codes if code]
    if not wanted:
        return {}
    found = await connection.execute(
        select(certificates.c.code, certificates.c.number).where(certificates.c.code.in_(wanted))
    )
    return {row.code: row.number for row in found}


async def parents_of(connection: AsyncConnection, uscc: str) -> list[str]:
    """The USCCs of the units that the holder of a USCC belongs to, as its certificates say."""
    found = await connection.execute(
        select(certificates.c.parent_uscc)
        .distinct()
        .where(certificates.c.uscc == uscc, certificates.c.parent_uscc != "")
        .order_by(certificates.c.parent_uscc)
    )
    return list(found.scalars())


def stands(state: CertificateStatus, today: date) -> ColumnElement[bool]:
    """`domain.certificates.certificate.standing` for the database: whether one stands so today."""
    recorded = certificates.c.status == state.value
    valid = certificates.c.status == CertificateStatus.VALID.value
    begun = func.coalesce(certificates.c.valid_from, today) <= today
    if state is CertificateStatus.VALID:
        return and_(valid, begun, certificates.c.valid_to >= today)
    if state is CertificateStatus.NOT_YET_VALID:
        return and_(valid, certificates.c.valid_from > today)
    if state is CertificateStatus.EXPIRED:
        return or_(recorded, and_(valid, begun, certificates.c.valid_to < today))
    return recorded


# --- what narrows -------------------------------------------------------------------------------


def _narrowing(criteria: Criteria, today: date) -> list[ColumnElement[bool]]:
    number = certificates.c.number
    found: list[ColumnElement[bool]] = []
    for name in ("number", "parent_uscc", "field", "issuer"):
        if value := getattr(criteria, name):
            found.append(certificates.c[name] == value)
    if criteria.region:
        found.append(lies_in(institutions.c.region, criteria.region))
    if criteria.state is not None:
        found.append(stands(criteria.state, today))
    if criteria.expires_from is not None:
        found.append(certificates.c.valid_to >= criteria.expires_from)
    if criteria.expires_until is not None:
        found.append(certificates.c.valid_to <= criteria.expires_until)
    if criteria.institution:
        found.append(number.in_(_held_by(criteria.institution, criteria.institution)))
    if criteria.holder:
        found.append(number.in_(_held_by(criteria.holder, None)))
    if criteria.uscc:
        found.append(number.in_(_of_uscc(criteria.uscc)))
    if criteria.related:
        found.append(number.in_(_family(criteria.related)))
    return found


def _line(
    lines: FromClause, kind: LineKind, criteria: Criteria, *, indexed: bool = True
) -> list[ColumnElement[bool]]:
    """What a line of a kind has to be, nothing if none is asked for.

    ``indexed``: among all lines; otherwise among the few of one certificate.
    """
    term = getattr(criteria, kind.value)
    wanted: list[ColumnElement[bool]] = []
    if kind is LineKind.SIGNATORY and term:
        wanted = [lines.c.words.in_(signatory_ways(term))] if signatory_key(term) else [false()]
    elif term:
        wanted = contains(lines.c.words, term, indexed=indexed)
    if kind is LineKind.CAPABILITY and criteria.standard:
        standard, year = standard_of(criteria.standard)
        wanted.append(lines.c.standard == standard)
        if year:
            wanted.append(lines.c.year == year)
    # written out, so that the planner knows which partial index fits
    return [lines.c.kind == literal_column(f"'{kind.value}'"), *wanted] if wanted else []


def _held_by(name: str, institution_id: str | None) -> Any:
    """The numbers of certificates whose holder or institution bears part of a name, or an id."""
    others, of = certificates.alias("others"), institutions.alias("of")
    into = institutions.alias("survivor_of")
    joined = others.join(of, of.c.id == others.c.institution_id)
    ways = [
        select(others.c.number).where(*contains(folded_column("others.holder"), name)),
        select(others.c.number)
        .select_from(joined)
        .where(*contains(folded_column("of.name"), name)),
        # by its survivor's name, what an account held that was merged
        select(others.c.number)
        .select_from(joined.join(into, into.c.id == of.c.merged_into))
        .where(*contains(folded_column("survivor_of.name"), name)),
    ]
    if institution_id is not None:
        own = (of.c.id == institution_id) | (of.c.merged_into == institution_id)
        ways.append(select(others.c.number).select_from(joined).where(own))
    return union_all(*ways)


def _of_uscc(uscc: str) -> Any:
    others, of = certificates.alias("others"), institutions.alias("of")
    joined = others.join(of, of.c.id == others.c.institution_id)
    return union_all(
        select(others.c.number).where(others.c.uscc == uscc),
        # what only a roster knows has the institution's
        select(others.c.number).select_from(joined).where(of.c.uscc == uscc, others.c.uscc == ""),
        select(others.c.number).where(
            others.c.institution_id.in_(
                text(_OF_ONE_BODY)
                .bindparams(bindparam("uscc", uscc, unique=True))
                .columns(institutions.c.id)
            )
        ),
    )


_OF_ONE_BODY = """
    WITH named AS (
        SELECT id, merged_into FROM institutions WHERE uscc = :uscc
        UNION
        SELECT i.id, i.merged_into FROM institution_acts a
        JOIN institutions i ON i.id = a.institution_id WHERE a.old_uscc = :uscc
    ), bodies AS (
        SELECT coalesce(n.merged_into, n.id) AS id FROM named n
        WHERE n.merged_into IS NOT NULL
           OR EXISTS (SELECT 1 FROM institutions m WHERE m.merged_into = n.id)
           OR EXISTS (SELECT 1 FROM institution_acts a
                      WHERE a.institution_id = n.id AND a.old_uscc <> '')
    )
    SELECT i.id FROM institutions i JOIN bodies b ON i.id = b.id OR i.merged_into = b.id
"""
"""What is held by whoever a code leads to since a merger or a change of code: by old or new code,
and by that of either account, all of it is found."""


def _family(uscc: str) -> Any:
    """The numbers of a USCC's certificates, of those of its parents, of the units below it."""
    others, own, of = certificates.alias("kin"), certificates.alias("own"), institutions.alias("at")
    parents = select(own.c.parent_uscc).where(own.c.uscc == uscc, own.c.parent_uscc != "")
    joined = others.join(of, of.c.id == others.c.institution_id)
    return union_all(
        _of_uscc(uscc),
        select(others.c.number).where(others.c.parent_uscc == uscc),
        select(others.c.number).where(others.c.uscc.in_(parents)),
        select(others.c.number)
        .select_from(joined)
        .where(of.c.uscc.in_(parents), others.c.uscc == ""),
    )


def _sees(sight: Sight) -> ColumnElement[bool]:
    ways: list[ColumnElement[bool]] = []
    if sight.institution is not None:
        ways.append(
            (institutions.c.id == sight.institution)
            | (institutions.c.merged_into == sight.institution)
        )
    if sight.issuer is not None:
        ways.append(certificates.c.issuer == sight.issuer)
    if sight.region == NATION:
        return true()
    if sight.region is not None:
        ways.append(lies_in(institutions.c.region, sight.region))
    return or_(false(), *ways)


# --- what is shown ------------------------------------------------------------------------------

_EMPTY = literal_column("'[]'::jsonb", JSONB)


def _with(content: ColumnElement[Any], **changed: Any) -> ColumnElement[Any]:
    pairs = [one for name, value in changed.items() for one in (literal(name, Text), value)]
    return content.op("||")(func.jsonb_build_object(*pairs))


def _replacing(query: Select[Any], content: ColumnElement[Any]) -> Select[Any]:
    """The query with another content in the place of the whole one."""
    kept = [one for one in query.selected_columns if one.key != "content"]
    return query.with_only_columns(*kept, content.label("content"))


def _shown(criteria: Criteria) -> Select[Any]:
    """All entries, with those lines of their content that were asked for, else with the first."""
    content = certificates.c.content
    some: dict[str, Any] = {}
    for kind, name in _PLACES.items():
        lines = certificate_lines.alias(name)
        wanted = _line(lines, kind, criteria, indexed=False) or [lines.c.kind == kind.value]
        first = (
            select(lines.c.line)
            .where(lines.c.number == certificates.c.number, *wanted)
            .order_by(lines.c.line)
            .limit(MOST_LINES)
            .correlate(certificates)
            .subquery(f"first_{name}")
        )
        each = content[name].op("->")(first.c.line)
        some[name] = (
            select(func.coalesce(func.jsonb_agg(each).filter(each.is_not(None)), _EMPTY))
            .select_from(first)
            .correlate(certificates)
            .scalar_subquery()
        )
    return _replacing(registered(), _with(content, **some))


_PLACES = {
    LineKind.CAPABILITY: "capabilities",
    LineKind.EQUIPMENT: "equipment",
}
"""Where the lines stand that are picked in the database; signatories are, once they are read."""


def _seen(row: dict[str, Any]) -> Seen:
    full = bool(row.pop("full"))
    return Seen(entry(row, whole=full), full)


def _with_few(seen: Seen, criteria: Criteria) -> Seen:
    """With those signatories that were asked for, else with the first."""
    content = seen.found.content
    if content is None or not content.signatories:
        return seen
    asked = signatory_key(criteria.signatory)
    wanted = [one for one in content.signatories if asked in ("", signatory_key(one.name))]
    few = content.model_copy(update={"signatories": tuple(wanted[:MOST_LINES])})
    return Seen(seen.found.model_copy(update={"content": few}), seen.full)
