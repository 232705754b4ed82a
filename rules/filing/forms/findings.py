"""What is wrong with a filled-in form, for people and for machines alike."""

from collections.abc import Iterable, Mapping

from domain.canonical import sha256_of
from domain.citation import Citation
from domain.model import Value
from rules.filing.forms.model import Level


class FormFinding(Value):
    """One finding, in Chinese, with its number in the report, counted from 1.

    ``code`` is stable; ``check`` is the check that failed, if one did. ``pointer`` (JSON Pointer)
    is where it is shown, ``fields`` all places it is about. A warning with its written ``reason``
    is accepted. ``sha256`` tells a failed blocking check from every other, figures and all;
    ``waiver`` is the number of the waiver by which it blocks this one filing no more.

    Codes of the first pass: unknown_field, derived, wrong_type, bad_format, too_long,
    bad_characters, too_large, out_of_range, not_an_option, duplicate_option, too_many_rows,
    duplicate_row, not_applicable, required, form_too_large, unknown_check, not_explainable,
    unconfirmed, copy_missing, copy_unknown, too_many_copies. Of the second: check_failed,
    check_not_computable, form_expired.
    """

    number: int = 0
    level: Level = "block"
    code: str
    check: str | None = None
    pointer: str
    fields: tuple[str, ...] = ()
    message: str
    reason: str | None = None
    cite: Citation | None = None
    sha256: str = ""
    waiver: int | None = None

    @property
    def open(self) -> bool:
        """Whether it still keeps a filing from being submitted."""
        if self.level == "block":
            return self.waiver is None
        return self.level == "warn" and self.reason is None


class FormReport(Value):
    """All findings about a filing's content; the same for preview, import, submitting, review.

    ``open`` are those that still keep it from being submitted; ``ready`` that there are none.
    ``blocks`` are those that nobody has waived.
    """

    ready: bool
    findings: tuple[FormFinding, ...]
    blocks: int
    warnings: int
    accepted: int
    notes: int

    @property
    def open(self) -> tuple[FormFinding, ...]:
        """What still keeps the filing from being submitted."""
        return tuple(one for one in self.findings if one.open)


def report(findings: Iterable[FormFinding]) -> FormReport:
    """The findings, numbered in their order."""
    numbered = tuple(
        one.model_copy(update={"number": number}) for number, one in enumerate(findings, 1)
    )
    warnings = [one for one in numbered if one.level == "warn"]
    return FormReport(
        ready=not any(one.open for one in numbered),
        findings=numbered,
        blocks=sum(one.level == "block" and one.open for one in numbered),
        warnings=len(warnings),
        accepted=sum(one.reason is not None for one in warnings),
        notes=sum(one.level == "note" for one in numbered),
    )


def told_apart(found: FormFinding) -> FormFinding:
    """The finding with its hash, where it is a blocking check that does not let pass.

    Only that is waived: one that failed, or that cannot be computed for what is filled in.
    """
    if found.level != "block" or found.code not in ("check_failed", "check_not_computable"):
        return found
    sha256 = sha256_of([found.check, found.pointer, found.message])
    return found.model_copy(update={"sha256": sha256})


def with_waivers(found: FormReport, waived: Mapping[str, int]) -> FormReport:
    """The report of a filing with its waivers, each by the hash of the finding it is for."""
    if not waived:
        return found
    return report(
        one.model_copy(update={"waiver": waived[one.sha256]}) if one.sha256 in waived else one
        for one in found.findings
    )


Place = str | tuple[str | int, ...]
"""Where something stands inside a form: a field's or table's id, or table, row and column."""


def pointer(*steps: str | int) -> str:
    """A JSON Pointer (RFC 6901). A step that somebody made up may be long: it is cut."""
    return "".join(f"/{str(step)[:64].replace('~', '~0').replace('/', '~1')}" for step in steps)


def block(code: str, place: Place, message: str) -> FormFinding:
    """A finding of the first pass; the place "" is the form as a whole."""
    steps = (place,) if isinstance(place, str) and place else place or ()
    at = pointer(*steps)
    return FormFinding(code=code, pointer=at, fields=(at,), message=message)
