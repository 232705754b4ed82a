"""The second signature on a filing: its unit's responsible person confirms what was filled in.

What is confirmed is one revision with its hash, and the files beside it with theirs. A later
revision is another content, as is one with another file, so that a change of the draft needs no act
of its own to undo the confirmation: it holds for what was seen.
Where nobody is left to sign, the operator may have a filing go without, with the reason on record.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from domain.case.checks import expect, needs_note, person, wrong_status
from domain.case.commands import Command, Document, Revision, Role, Sha256
from domain.case.events import Decision, Event, PendingEvent
from domain.case.kind import CommandRule, EventRule, commands, nothing_more, rule
from domain.case.plan import CasePlan
from domain.case.state import took_part
from domain.case.status import EDITABLE
from domain.filing.beside import FilesSeen, files_if, files_refusal, tell_files
from domain.filing.findings import FilingFindings
from domain.filing.state import Attestation, Filing, Signer
from domain.refusals import Code, Refusal

ATTESTED = "attested"
SIGNER_ASKED = "signer_asked"
SIGNER_EXCUSED = "signer_excused"
SIGNER_DEMANDED = "signer_demanded"


class Attest(Command):
    """The responsible person confirms a revision and the files beside it, exactly as they stand."""

    kind: Literal["attest"] = "attest"
    label: ClassVar[str] = "确认"
    revision: Revision
    content_sha256: Sha256
    files: FilesSeen = None


class AskUnsigned(Command):
    """The filer has nobody left who could confirm, and says why."""

    kind: Literal["ask_unsigned"] = "ask_unsigned"
    label: ClassVar[str] = "申请免予确认"


class ExcuseSigner(Command):
    """An operator has a filing go without a confirmation, with the reason."""

    kind: Literal["excuse_signer"] = "excuse_signer"
    label: ClassVar[str] = "准予免予确认"
    document: Document = ""


class DemandSigner(Command):
    """An operator does not, or does not any more, with the reason."""

    kind: Literal["demand_signer"] = "demand_signer"
    label: ClassVar[str] = "不予免予确认"


def _attest(
    s: Filing, _: CasePlan, m: Attest, __: datetime, findings: FilingFindings
) -> Decision | Refusal:
    refusal = (
        expect(s, m, *EDITABLE)
        or person(s, m.actor)
        or findings.refusal
        or files_refusal(m.files, findings.files)
    )
    if refusal is not None:
        return refusal
    if m.actor.subject in findings.editors:
        return Refusal(code=Code.SIGNER_IS_FILER)
    known = findings.files
    if known is not None and holds_for(s, m.revision, m.content_sha256, known):
        return wrong_status(s, f"重复{m.label}", "这一稿已经确认，可以提交（submit）")
    body = {
        "revision": m.revision,
        "content_sha256": m.content_sha256,
        **files_if(findings.files),
    }
    return [PendingEvent(ATTESTED, m.actor, body, findings.attestation)]


def holds_for(s: Filing, revision: int, sha256: str, files: Collection[str]) -> bool:
    """Whether what was confirmed last is this very revision with these very files."""
    last = s.own.attestation
    return (
        last is not None
        and (last.revision, last.content_sha256) == (revision, sha256)
        and set(last.files) == set(files)
    )


def unsigned(s: Filing, m: Any, findings: FilingFindings) -> Refusal | None:
    """Why a submission is refused for want of the second signature; None where it is not.

    ``m`` is the submission: its revision, its hash and whoever submits it.
    """
    if findings.attestation is None or s.own.signer is Signer.EXCUSED:
        return None
    if not holds_for(s, m.revision, m.content_sha256, findings.files or ()):
        params = {"revision": str(m.revision)}
        return Refusal(code=Code.NOT_ATTESTED, params=params, cite=findings.attestation)
    last = s.own.attestation
    if last is not None and m.actor.subject == last.by:
        return Refusal(code=Code.SIGNER_IS_FILER, cite=findings.attestation)
    return None


def _ask(s: Filing, _: CasePlan, m: AskUnsigned, __: datetime, ___: Any) -> Decision | Refusal:
    refusal = expect(s, m, *EDITABLE) or needs_note(m)
    if refusal is None and s.own.signer is not Signer.NEEDED:
        asked = s.own.signer is Signer.ASKED
        why = "已经申请，请等待经办人答复" if asked else "已准予免予确认，可以提交（submit）"
        refusal = wrong_status(s, f"再次{m.label}", why)
    return refusal or [PendingEvent(SIGNER_ASKED, m.actor)]


def _excuse(s: Filing, _: CasePlan, m: ExcuseSigner, __: datetime, ___: Any) -> Decision | Refusal:
    refusal = expect(s, m, *EDITABLE) or needs_note(m)
    if refusal is None and s.own.signer is not Signer.ASKED:
        refusal = wrong_status(s, m.label, "填报人没有申请免予确认，不用办理")
    return refusal or [PendingEvent(SIGNER_EXCUSED, m.actor, {"document": m.document})]


def _demand(s: Filing, _: CasePlan, m: DemandSigner, __: datetime, ___: Any) -> Decision | Refusal:
    refusal = expect(s, m, *EDITABLE) or needs_note(m)
    if refusal is None and s.own.signer is Signer.NEEDED:
        refusal = wrong_status(s, m.label, "填报人没有申请免予确认，不用办理")
    return refusal or [PendingEvent(SIGNER_DEMANDED, m.actor)]


ATTESTING_COMMANDS: dict[str, CommandRule] = commands(
    rule(Attest, _attest, {Role.RESPONSIBLE}),
    rule(AskUnsigned, _ask, {Role.FILER}),
    rule(ExcuseSigner, _excuse, {Role.OPERATOR}),
    rule(DemandSigner, _demand, {Role.OPERATOR}),
)


def _attested(s: Filing, event: Event) -> Mapping[str, Any]:
    body = event.body
    new = Attestation(
        revision=body["revision"],
        content_sha256=body["content_sha256"],
        by=event.actor.subject,
        at=event.at,
        files=tuple(body.get("files", ())),
    )
    return {**s.own_with(attestation=new), **took_part(s, event.actor)}


def _signer(signer: Signer) -> Any:
    def fold(s: Filing, _: Event) -> Mapping[str, Any]:
        return s.own_with(signer=signer)

    return fold


def _tell_attested(body: Mapping[str, Any]) -> str:
    return f"第 {body['revision']} 稿{tell_files(body)}"


def _tell_document(body: Mapping[str, Any]) -> str:
    return str(body["document"])


ATTESTING_EVENTS: dict[str, EventRule] = {
    ATTESTED: EventRule("单位负责人确认", _attested, _tell_attested),
    SIGNER_ASKED: EventRule("申请免予确认", _signer(Signer.ASKED), nothing_more),
    SIGNER_EXCUSED: EventRule("准予免予确认", _signer(Signer.EXCUSED), _tell_document),
    SIGNER_DEMANDED: EventRule("不予免予确认", _signer(Signer.NEEDED), nothing_more),
}
