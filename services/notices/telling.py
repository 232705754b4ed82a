"""Which notices the steps of cases lead to, and serving them.

A step that is to be told is marked in the outbox by the transaction that records it. Whoever asked
for it has it told at once; the worker tells of what timers did, and of what a crash left over.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.case.amending import AMENDED
from domain.case.commands import Role
from domain.case.events import Step
from domain.case.reminders import REMINDED, REMINDER_SERVED
from domain.filing.amending import tell_amended
from domain.filing.attesting import SIGNER_ASKED, SIGNER_DEMANDED, SIGNER_EXCUSED
from domain.filing.questions import QUESTION_ANSWERED, QUESTION_ASKED, QUESTION_REOPENED
from domain.filing.returning import RETURN_ASKED, RETURN_DECLINED
from domain.filing.waiving import WAIVER_ASKED, WAIVER_DECLINED, WAIVER_GRANTED
from domain.jurisdictions import authority_of
from domain.kinds import KINDS
from domain.messages import closing_time
from domain.notices import Channel, NewNotice, NoticeKind
from domain.numbers.quarters import Period
from domain.told import PAPERS, TOLD
from printing.typesetting import TEMPLATES
from rules.compiled import CompiledRules
from services.clock import Clock
from services.enforcement.papers import notices_of_step
from services.notices.serving import serve
from services.repeated import repeated
from services.rule_sets import PinnedRules
from store import notices
from store.notices import Told

log = structlog.get_logger()

EVERY = 1.0
"""Seconds between two looks."""

_AT_ONCE = 200


class Telling:
    """Serves the notices of steps; any number of processes may do so at the same time."""

    def __init__(
        self,
        engine: AsyncEngine,
        pinned: PinnedRules,
        clock: Clock,
        templates: Path | None = None,
    ) -> None:
        self._engine = engine
        self._pinned = pinned
        self._templates = templates or TEMPLATES
        self._clock = clock

    def running(self) -> AbstractAsyncContextManager[None]:
        """Tells from time to time."""
        return repeated(self.tell_all, first=EVERY, every=EVERY, failed="not_told")

    async def tell(self, case_id: str = "") -> int:
        """Tells of the steps of a case, or of some of all that wait; of how many."""
        async with self._engine.begin() as connection:
            waiting = await notices.to_tell(connection, case_id, _AT_ONCE)
            left: set[int] = set()
            for one in waiting:
                try:
                    async with connection.begin_nested():
                        new = await self._notices_of(connection, one)
                except Exception:
                    # one that cannot be put into words must not keep the others waiting
                    log.exception("not_told", case_id=one.step.case_id, step=one.step.sequence)
                    if one.step.event in PAPERS:
                        # a document is owed until it is made
                        left.add(one.id)
                    continue
                for notice in new:
                    await serve(connection, notice, self._clock())
            await notices.told(connection, [one.id for one in waiting if one.id not in left])
        return len(waiting) - len(left)

    async def _notices_of(self, connection: AsyncConnection, told: Told) -> list[NewNotice]:
        if told.step.event in PAPERS:
            return await notices_of_step(connection, told, self._templates)
        return [notice_of(told, await self._pinned.get(told.rule_set))]

    async def tell_all(self) -> None:
        """Tells of everything that waits."""
        while await self.tell() == _AT_ONCE:
            pass


def notice_of(told: Told, rules: CompiledRules) -> NewNotice:
    """The notice that a step leads to. Raises KeyError for a step that leads to none."""
    return _NOTICES[told.step.event](told, rules)


def _reminder_to_file(told: Told, _: CompiledRules) -> NewNotice:
    step, note = told.step, told.note or {}
    title = note.get("title") or f"关于{_about(told)}的催报通知"
    document = f"\n文号：{step.body['document']}" if step.body["document"] else ""
    cite = f"依据：{step.cite}。" if step.cite else ""
    text = (
        f"{told.institution_name}：\n{note.get('reason', '')}\n"
        f"{_about(told)}应于 {_due(step)} 前完成。{cite}{document}"
    )
    channels = [Channel.MESSAGE, *map(Channel, step.body["channels"])]
    return _to_filer(told, NoticeKind.REMINDER_TO_FILE, title, text, tuple(dict.fromkeys(channels)))


def _reminder(told: Told, rules: CompiledRules) -> NewNotice:
    step = told.step
    if "audience" not in step.body:
        # of report numbers, whose rules give reminders no words of their own
        text = f"{told.institution_name}：\n{_about(told)}尚未完成，{_due(step)} 截止。"
        return _to_filer(told, NoticeKind.REMINDER, step.body["label"], text, _USUAL)
    reviewer = told.authority or told.reviewer
    text, channels = rules.reminder_text(
        step.body["reminder"].partition("@")[0],
        institution=told.institution_name,
        year=str(told.year),
        due=_due(step),
        authority=rules.authority_name(reviewer) if reviewer else "",
    )
    serve_on = _to_filer if step.body["audience"] == Role.FILER else _to_reviewer
    return serve_on(told, NoticeKind.REMINDER, step.body["label"], text, channels)


# what people ask and answer may quote figures out of a form: it stays with the case


def _question(told: Told, _: CompiledRules) -> NewNotice:
    number = told.step.body["question"]
    text = (
        f"{told.institution_name}就其{_about(told)}提问（第 {number} 号），请在该件中查看并答复。"
    )
    return _to_reviewer(told, NoticeKind.QUESTION, "填报机构提问", text)


def _answer(told: Told, _: CompiledRules) -> NewNotice:
    number = told.step.body["question"]
    text = f"贵机构就{_about(told)}的提问（第 {number} 号）已有答复，请在该件中查看。"
    return _to_filer(told, NoticeKind.ANSWER, "提问已有答复", text)


def _return_asked(told: Told, _: CompiledRules) -> NewNotice:
    text = f"{told.institution_name}申请退回其{_about(told)}，请退回，或说明理由、不予退回。"
    return _to_reviewer(told, NoticeKind.RETURN_ASKED, "填报机构申请退回", text)


def _return_declined(told: Told, _: CompiledRules) -> NewNotice:
    text = f"审核部门没有退回贵机构的{_about(told)}，理由请在该件的经过中查看。"
    return _to_filer(told, NoticeKind.RETURN_DECLINED, "未予退回", text)


def _amended(told: Told, _: CompiledRules) -> NewNotice:
    text = (
        f"{told.institution_name}：\n贵机构{_about(told)}所用的规则已经修订："
        f"{tell_amended(told.step.body)}。请按修订后的期限和要求办理。"
    )
    return _to_filer(told, NoticeKind.AMENDMENT, f"{_about(told)}的规则修订", text)


def _waiver_asked(told: Told, _: CompiledRules) -> NewNotice:
    body = told.step.body
    text = (
        f"{told.institution_name}就其{_about(told)}申请豁免一项校验（第 {body['waiver']} 号），"
        "请在该件中查看所校验的内容和理由，准予或者不予豁免。"
    )
    title, kind = "填报机构申请豁免校验", NoticeKind.WAIVER_ASKED
    return _notice(told, kind, title, text, _USUAL, Role.REVIEWER, body["authority"])


def _waiver_answered(told: Told, _: CompiledRules) -> NewNotice:
    granted = told.step.event == WAIVER_GRANTED
    text = (
        f"贵机构{_about(told)}的第 {told.step.body['waiver']} 号豁免校验申请，审核部门"
        f"{'已准予' if granted else '未予准许'}，理由请在该件中查看。"
    )
    title = "已准予豁免校验" if granted else "未予豁免校验"
    return _to_filer(told, NoticeKind.WAIVER_ANSWERED, title, text)


def _signer_asked(told: Told, _: CompiledRules) -> NewNotice:
    """For the operator of the campaign: somebody has to see to it, or nothing goes on."""
    text = (
        f"{told.institution_name}的{_about(told)}没有单位负责人可以确认，申请免予确认；"
        "请在该件中查看理由，准予（excuse-signer）或者不予（demand-signer）。"
    )
    jurisdiction = told.campaign.rpartition("/")[2]
    return _notice(
        told,
        NoticeKind.SIGNER_ASKED,
        "没有单位负责人可以确认",
        text,
        _USUAL,
        Role.OPERATOR,
        authority_of(jurisdiction),
    )


def _signer_answered(told: Told, _: CompiledRules) -> NewNotice:
    excused = told.step.event == SIGNER_EXCUSED
    outcome = "已准予免予单位负责人确认" if excused else "须由单位负责人确认"
    text = f"贵机构{_about(told)}{outcome}，理由请在该件的经过中查看。"
    return _to_filer(told, NoticeKind.SIGNER_ANSWERED, outcome, text)


_NOTICES: dict[str, Callable[[Told, CompiledRules], NewNotice]] = {
    REMINDER_SERVED: _reminder_to_file,
    REMINDED: _reminder,
    QUESTION_ASKED: _question,
    QUESTION_REOPENED: _question,
    QUESTION_ANSWERED: _answer,
    RETURN_ASKED: _return_asked,
    RETURN_DECLINED: _return_declined,
    AMENDED: _amended,
    WAIVER_ASKED: _waiver_asked,
    WAIVER_GRANTED: _waiver_answered,
    WAIVER_DECLINED: _waiver_answered,
    SIGNER_ASKED: _signer_asked,
    SIGNER_EXCUSED: _signer_answered,
    SIGNER_DEMANDED: _signer_answered,
}
assert _NOTICES.keys() == TOLD, "what is to be told in words, and only that, has some"

_USUAL = (Channel.MESSAGE, Channel.MAIL)


def _to_filer(
    told: Told, kind: NoticeKind, title: str, body: str, channels: tuple[Channel, ...] = _USUAL
) -> NewNotice:
    return _notice(told, kind, title, body, channels, Role.FILER, told.institution)


def _to_reviewer(
    told: Told, kind: NoticeKind, title: str, body: str, channels: tuple[Channel, ...] = _USUAL
) -> NewNotice:
    """To the authority whose turn it is, or was; before any turn, to the regulator of the place."""
    authority = told.authority or told.reviewer or authority_of(told.region)
    return _notice(told, kind, title, body, channels, Role.REVIEWER, authority)


def _notice(
    told: Told,
    kind: NoticeKind,
    title: str,
    body: str,
    channels: tuple[Channel, ...],
    audience: Role,
    addressee: str,
) -> NewNotice:
    step = told.step
    return NewNotice(
        case_id=step.case_id,
        key=str(step.sequence),
        kind=kind,
        institution=told.institution,
        audience=audience,
        addressee=addressee,
        title=title,
        body=body,
        served_by=step.actor,
        served_at=step.at,
        channels=channels,
    )


def _about(told: Told) -> str:
    """What the case is, in words: ``2024 年度统计填报``."""
    return f"{Period(told.year, told.quarter)} {KINDS[told.kind].label}"


def _due(step: Step) -> str:
    return closing_time(datetime.fromisoformat(step.body["due"]))
