"""Lists of valid certificates: an operator puts an authority's register on record."""

from starlette.responses import Response

from api.certificates.named import TAG
from api.door.files import FILENAME, TABLES, Accept, csv_file, filename_of
from api.door.operations import Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import query
from api.door.rights import Right
from domain.ids import AuthorityId
from files.certificate_register import register_template
from services.certificates.register import RegisterReport


async def import_register(call: Call) -> Response:
    """Puts a list of valid certificates on the register, all or with ``accept=good`` the good."""
    accept = query(call.request, "accept", Accept, "all")
    report = await parts_of(call.request).register.load(
        call.body,
        filename_of(call.request, "register"),
        call.actor,
        call.command_id,
        accept_good_rows=accept == "good",
        complete=query(call.request, "complete", AuthorityId | None, None) or "",
    )
    return json_of(report)


async def get_register_template(call: Call) -> Response:
    """A list of valid certificates to fill in, with generated example rows."""
    return csv_file(register_template(), "register-template.csv")


OPERATIONS = [
    Operation(
        "POST",
        "/api/certificates/register",
        import_register,
        "导入有效证书清单",
        TAG,
        Right.OPERATE,
        RegisterReport,
        media=tuple(TABLES),
        unhurried=True,
        writes=True,
        parameters=(
            Parameter(
                "accept",
                "all：有一处错误即不导入（默认）；good：只导入无误的行",
                schema=schema_of(Accept),
            ),
            Parameter(
                "complete",
                "声明文件是该发证机关的全部有效证书；登记中有而文件里没有的列在报告里",
                schema=schema_of(AuthorityId),
            ),
            FILENAME,
        ),
        description="编号照原样登记；本系统签发的证书不会被清单覆盖；只报告、不注销缺少的证书。",
    ),
    Operation(
        "GET",
        "/api/certificates/register/template",
        get_register_template,
        "有效证书清单模板",
        TAG,
        Right.OPERATE,
        None,
        answer_media="text/csv",
    ),
]
