"""Lists of valid certificates: an operator puts an authority's register on record."""

from starlette.responses import Response

from api.certificates.named import TAG
from api.door.files import IMPORTING, TABLES, import_list, template_of
from api.door.operations import Call, Operation, Parameter, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import query
from api.door.rights import Right
from domain.jurisdictions import AuthorityId
from files.certificate_register import REGISTER
from services.certificates.register import RegisterReport


async def import_register(call: Call) -> Response:
    """Puts a list of valid certificates on the register, all or with ``accept=good`` the good."""
    complete = query(call.request, "complete", AuthorityId | None, None) or ""
    service = parts_of(call.request).register
    return json_of(await import_list(call, service, "register", complete))


async def get_register_template(call: Call) -> Response:
    """A list of valid certificates to fill in, with generated example rows."""
    return template_of(REGISTER, "register")


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
            *IMPORTING,
            Parameter(
                "complete",
                "声明文件是该发证机关的全部有效证书；登记中有而文件里没有的列在报告里",
                schema=schema_of(AuthorityId),
            ),
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
