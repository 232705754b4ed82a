"""The documents of enforcement, made of what stands on record, and the notices that serve them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.case.commands import SYSTEM, Role
from domain.case.events import Step, event_of
from domain.case.kind import fold
from domain.clock import BEIJING
from domain.enforcement.commands import ENDING_LABELS, Ending
from domain.enforcement.consequences import (
    FINDING_LABELS,
    KIND_LABELS,
    EnforcementTerms,
    Finding,
    MeasureTerms,
)
from domain.enforcement.kind import ENFORCEMENT
from domain.enforcement.state import EnforcementEvent, terms_of
from domain.kinds import kind_of
from domain.messages import closing_time, local_time
from domain.notices import CHANNEL_LABELS, Channel, NewNotice, NoticeKind
from domain.numbers.quarters import Period
from printing.enforcement import KIND_WORDS, Kind, number_of, render
from printing.typesetting import TEMPLATES
from rules.file.catalogue import SHIPPED, cached_catalogue
from store import cases, content, enforcement, journal
from store.cases import Case
from store.notices import Told

_PAPERS: dict[str, Kind] = {
    EnforcementEvent.NOTICED: "prior_notice",
    EnforcementEvent.DECIDED: "decision",
    EnforcementEvent.SERVED: "service_record",
    EnforcementEvent.ANSWERED: "objection_answer",
    EnforcementEvent.HANDED_OVER: "referral",
    EnforcementEvent.ENDED: "end",
}
"""Which document a step makes."""

_SERVED_WITH: dict[str, Kind] = {
    EnforcementEvent.NOTICED: "prior_notice",
    EnforcementEvent.SERVED: "decision",
    EnforcementEvent.ANSWERED: "objection_answer",
    EnforcementEvent.ENDED: "end",
}
"""Which document a step serves on the institution. A decision is served by a step of its own."""

_CHANNELS = (Channel.MESSAGE, Channel.MAIL)


async def notices_of_step(
    connection: AsyncConnection, told: Told, templates: Path = TEMPLATES
) -> list[NewNotice]:
    """Makes the document of a step, once, and gives the notice that serves one, if any."""
    step = told.step
    case = await cases.by_id(connection, step.case_id)
    opened = await enforcement.about_of(connection, step.case_id)
    assert case is not None
    assert opened is not None
    steps = [
        one
        for one in await journal.steps(connection, case.case_id)
        if one.sequence <= step.sequence
    ]
    if not _told_of(step, steps):
        return []
    kind = _PAPERS[step.event]
    data = await _data(connection, case, steps, kind, opened.about)
    which = sum(_PAPERS.get(one.event) == kind and _told_of(one, steps) for one in steps)
    number = number_of(kind, opened.year, opened.serial, which)
    acts = step.actor.role in (Role.OFFICER, Role.DECIDER)
    # what an institution's own cure ends, the authority tells of that opened the case
    authority = step.actor.scope if acts else opened.authority
    catalogue = cached_catalogue(SHIPPED)
    named = {"number": number, "authority": catalogue.authority_name(authority)}
    if kind == "service_record":
        named["document_number"] = number_of("decision", opened.year, opened.serial)
    pdf = render(authority, {**data, **named}, step.at, template_folder=templates)
    made = await enforcement.keep_document(
        connection,
        case.case_id,
        step.sequence,
        kind,
        number,
        sha256(pdf).hexdigest(),
        pdf,
        step.at,
    )
    serves = _SERVED_WITH.get(step.event)
    if serves is None:
        return []
    if serves == "decision":
        made = next(
            one.sha256
            for one in reversed(await enforcement.documents(connection, case.case_id))
            if one.kind == "decision"
        )
    if kind != serves:
        number = number_of(serves, opened.year, opened.serial)
    title = f"{KIND_WORDS[serves][0]}（{number}）"
    return [
        NewNotice(
            case_id=case.case_id,
            key=str(step.sequence),
            kind=NoticeKind.DOCUMENT,
            institution=case.institution_id,
            addressee=case.institution_id,
            title=title,
            body=_body(serves, data, title),
            document_sha256=made,
            served_by=step.actor if acts else SYSTEM,
            served_at=step.at,
            channels=_CHANNELS,
        )
    ]


def _told_of(step: Step, steps: Sequence[Step]) -> bool:
    """An end is told of only where the institution has been told before that there is a case."""
    if step.event != EnforcementEvent.ENDED:
        return True
    known = {EnforcementEvent.NOTICED, EnforcementEvent.SERVED}
    if step.body["by"] == Ending.DONE:
        return False
    return any(one.event in known for one in steps)


async def _data(
    connection: AsyncConnection, case: Case, steps: Sequence[Step], kind: Kind, about: str
) -> dict[str, Any]:
    """What a template is given; see ``enforcement.typ``."""
    step, plan = steps[-1], case.plan
    terms = terms_of(plan)
    state = fold(ENFORCEMENT, [event_of(one) for one in steps])
    measure = terms.measure(state.own.measure) or terms.measures[0]
    proposed = _latest(steps, EnforcementEvent.PROPOSED)
    decided = _latest(steps, EnforcementEvent.DECIDED)
    wording = proposed.body["wording_sha256"] if proposed is not None else ""
    reasons = {
        "prior_notice": proposed,
        "decision": decided,
        "referral": decided,
        "objection_answer": step,
        "end": step,
        "service_record": None,
    }[kind]
    asked = [one.note_sha256 for one in steps if one.note_sha256]
    notes = await content.notes_by_sha256(connection, [*asked, *([wording] if wording else [])])
    note = notes.get(reasons.note_sha256, {}) if reasons is not None else {}
    statements = [
        {"at": local_time(one.at), "text": notes.get(one.note_sha256, {}).get("text", "")}
        for one in steps
        if one.event == EnforcementEvent.STATED
    ]
    evidence = await content.notes_by_sha256(connection, [terms.evidence_sha256])
    served = _latest(steps, EnforcementEvent.SERVED)
    return {
        "kind": kind,
        "title": f"{measure.label}{KIND_WORDS[kind][0]}",
        "holder": case.institution_name,
        "institution": case.institution_id,
        "about": _about(case, about),
        "facts": _facts(terms, evidence.get(terms.evidence_sha256, {}).get("evidence", "")),
        "measure": measure.label,
        "measure_kind": measure.kind,
        "measure_kind_label": KIND_LABELS[measure.kind],
        "wording": notes.get(wording, {}).get("wording", ""),
        "says": measure.says,
        "cure": measure.cure,
        "basis": _basis(measure),
        "reason": note.get("reason", ""),
        "power": note.get("basis", ""),
        "statement_due": _closing(state.own.statement_due),
        "statements": statements,
        "effective_at": _closing(state.own.effective_at),
        "expires_at": _closing(state.own.expires_at),
        "service_due": _closing(state.own.service_due),
        "served_at": local_time(served.at) if served is not None else "",
        "channels": "、".join(CHANNEL_LABELS[channel] for channel in _CHANNELS),
        "upheld": bool(step.body.get("upheld")),
        "ended_by": ENDING_LABELS[Ending(step.body["by"])] if kind == "end" else "",
        "agency": step.body.get("agency", ""),
        "document_number": step.body.get("document", ""),
        "day": _day(step.at),
    }


def _latest(steps: Sequence[Step], event: EnforcementEvent) -> Step | None:
    return next((one for one in reversed(steps) if one.event == event), None)


def _about(case: Case, about: str) -> str:
    kind = kind_of(about)
    label = kind.label if kind is not None else ""
    return f"{Period(case.year, case.quarter)} {label}"


def _facts(terms: EnforcementTerms, evidence: str) -> list[str]:
    filing = terms.filing
    told = [f"{terms.consequences.because.partition('；')[0]}。"]
    told += [f"已于 {local_time(at)}送达催报。" for at in filing.reminders_served]
    if terms.findings:
        found = "、".join(FINDING_LABELS[Finding(one)] for one in terms.findings)
        told.append(f"经查，存在{found}。证据（统计调查以外取得）：{evidence}")
    return told


def _basis(measure: MeasureTerms) -> list[str]:
    cite = measure.cite
    quote = f"：“{cite.quote}”" if cite.quote else ""
    told = [f"{cite.document} {cite.clause}{quote}。"] if cite.document else []
    return told + [f"{law.document} {law.clause}：{law.says}。" for law in measure.laws]


def _closing(instant: datetime | None) -> str:
    return closing_time(instant) if instant is not None else ""


def _day(at: datetime) -> str:
    return at.astimezone(BEIJING).strftime("%Y年%m月%d日")


def _body(kind: Kind, data: Mapping[str, Any], title: str) -> str:
    lines = [f"{data['holder']}：", f"现向你单位送达{title}，全文见所附文书。"]
    if kind == "prior_notice":
        lines.append(f"可以陈述、申辩到 {data['statement_due']} 为止，不会因此加重。")
    lines.append(str(data["cure"]))
    return "\n".join(lines)
