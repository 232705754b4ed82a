"""Forms: which there are, each by itself, and those that one filing is filled in on."""

from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.cases.acts import case_of
from api.door.operations import Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import path, query
from api.door.rights import Right
from domain.clock import day_of
from domain.model import Value
from domain.refusals import Code, Refusal, Refused
from files.form_sheets import XLSX, template
from rules.file.library import current_library
from rules.filing.forms.json_schema import json_schema
from rules.filing.forms.library import FormLibrary, FormNotFound
from rules.filing.forms.model import Form, FormError, Header

FormId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class FormLine(Value):
    """One form: what stands on its head. ``expired``: it may not be filled in any more."""

    id: str
    title: str
    revision: int
    sha256: str
    header: Header
    expired: bool


class FormList(Value):
    """The forms of this server's rules."""

    items: tuple[FormLine, ...]


class FormShown(FormLine):
    """A form in full; ``content`` is what its sha256 is taken of."""

    content: dict[str, Any]


class FormSchema(Value):
    """The JSON Schema of what is filled in on one version of a form."""

    form: str
    sha256: str
    json_schema: dict[str, Any]


class FormToFile(FormShown):
    """A part of one filing: its form as pinned when the filing began.

    ``copies`` names what one copy each is filled in for, where the form repeats; ``required``
    tells whether the institution, as it is on record now, has to file the part.
    """

    part: str
    label: str
    required: bool
    copies: tuple[str, ...] | None = None


class FilingForms(Value):
    """The forms of one filing, in the order of its parts."""

    rule_set: str
    items: tuple[FormToFile, ...]


async def list_forms(call: Call) -> Response:
    """All forms, by id."""
    library = _library(call.request)
    try:
        forms = [library.get(form_id) for form_id in library.ids()]
    except FormError as error:
        raise Refused(_broken(error)) from None
    return json_of(FormList(items=tuple(FormLine(**_line(call, form)) for form in forms)))


async def get_form(call: Call) -> Response:
    """One form; with ``sha256`` the version that some rule set on record pins."""
    form = await _form(call)
    return json_of(FormShown(**_line(call, form), content=form.model_dump(mode="json")))


async def get_schema(call: Call) -> Response:
    """The JSON Schema of what is filled in."""
    form = await _form(call)
    return json_of(FormSchema(form=form.id, sha256=form.sha256, json_schema=json_schema(form)))


async def get_template(call: Call) -> Response:
    """The form as an empty workbook."""
    form = await _form(call)
    name = f'attachment; filename="{form.id}.xlsx"'
    return Response(template(form), media_type=XLSX, headers={"Content-Disposition": name})


async def of_filing_forms(call: Call) -> Response:
    """The forms of one filing, as they were pinned when it began."""
    case, parts = case_of(call), parts_of(call.request)
    due = await parts.filings.due_of(case)
    centres = due.institution.facts.national_centres if due.institution is not None else ()
    items = [
        FormToFile(
            **_line(call, form),
            content=form.model_dump(mode="json"),
            part=part,
            label=due.rules.part_label(part),
            required=part in due.parts,
            copies=centres if form.repeats is not None else None,
        )
        for part, form in due.rules.forms_of(case.plan.parts).items()
    ]
    return json_of(FilingForms(rule_set=case.rule_set, items=tuple(items)))


def _library(request: Request) -> FormLibrary:
    return current_library(parts_of(request).rules).forms


async def _form(call: Call) -> Form:
    form_id: str = path(call.request, "form", FormId)
    sha256 = query(call.request, "sha256", Sha256, "")
    if sha256:
        pinned = await parts_of(call.request).contents.pinned_form(form_id, sha256)
        if pinned is None:
            what = f"表单 {form_id} 的版本 {sha256[:12]}…"
            raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": what}))
        return pinned
    try:
        return _library(call.request).get(form_id)
    except FormNotFound as missing:
        there = "、".join(_library(call.request).ids())
        what = f"表单 {missing.form_id}；现有 {there}"
        raise Refused(Refusal(code=Code.NOT_FOUND, params={"what": what})) from None
    except FormError as error:
        raise Refused(_broken(error)) from None


def _broken(error: FormError) -> Refusal:
    return Refusal(code=Code.FORM_INVALID, params={"first": str(error)})


def _line(call: Call, form: Form) -> dict[str, Any]:
    last = form.header.last_day
    today = day_of(parts_of(call.request).clock())
    return {
        "id": form.id,
        "title": form.title,
        "revision": form.revision,
        "sha256": form.sha256,
        "header": form.header,
        "expired": last is not None and today > last,
    }


_VERSION = Parameter(
    "sha256", "某一版本的 SHA-256（规则集中所附的）；不写则为现行版本", schema=schema_of(Sha256)
)

OPERATIONS = [
    Operation("GET", "/api/forms", list_forms, "表单列表", "表单", Right.SIGNED_IN, FormList),
    Operation(
        "GET",
        "/api/forms/{form}",
        get_form,
        "一个表单",
        "表单",
        Right.SIGNED_IN,
        FormShown,
        parameters=(_VERSION,),
    ),
    Operation(
        "GET",
        "/api/forms/{form}/schema",
        get_schema,
        "表单内容的 JSON Schema",
        "表单",
        Right.SIGNED_IN,
        FormSchema,
        parameters=(_VERSION,),
    ),
    Operation(
        "GET",
        "/api/forms/{form}/template",
        get_template,
        "表单的 XLSX 模板",
        "表单",
        Right.SIGNED_IN,
        None,
        parameters=(_VERSION,),
        answer_media=XLSX,
        unhurried=True,
    ),
]
