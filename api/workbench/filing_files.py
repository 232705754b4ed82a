"""Files of a filing on its page: a workbook that was filled in, what is put beside it."""

from mimetypes import guess_type
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from api.door.asking import Told, ask
from api.door.operations import Call
from api.workbench.filings import FILING_PLACE, based_on, filing_of, filing_page
from api.workbench.pages import name_of, page_of
from files.form_sheets import XLSX


async def put_workbook(call: Call) -> Response:
    """Saves a workbook that was filled in, or names every wrong cell of it."""
    api, here = filing_of(call)
    try:
        await ask(
            call,
            "PUT",
            f"{api}/draft/workbook",
            file=call.body.file,
            content_type=XLSX,
            if_match=based_on(call.body),
        )
    except Told as told:
        return await filing_page(call, told)
    return RedirectResponse(f"{here}?done=workbook", status_code=303)


async def add_file(call: Call) -> Response:
    """Puts a file beside the filing, of the type that its name says."""
    api, here = filing_of(call)
    name = name_of(call.body.file)
    try:
        await ask(
            call,
            "POST",
            f"{api}/files",
            query={"filename": name},
            file=call.body.file,
            content_type=guess_type(name)[0] or "application/octet-stream",
            idempotency_key=call.body.text("key"),
        )
    except Told as told:
        return await filing_page(call, told)
    return RedirectResponse(f"{here}?done=file", status_code=303)


async def remove_file(call: Call) -> Response:
    """Takes a file from beside the filing."""
    api, here = filing_of(call)
    file = quote(call.request.path_params["file"])
    try:
        await ask(
            call,
            "POST",
            f"{api}/files/{file}/remove",
            idempotency_key=call.body.text("key"),
        )
    except Told as told:
        return await filing_page(call, told)
    return RedirectResponse(f"{here}?done=remove", status_code=303)


PAGES = [
    page_of(
        "POST",
        f"{FILING_PLACE}/draft/workbook",
        put_workbook,
        "上传工作簿",
        unhurried=True,
        with_file=True,
    ),
    page_of("POST", f"{FILING_PLACE}/files", add_file, "添加附件", unhurried=True, with_file=True),
    page_of(
        "POST", f"{FILING_PLACE}/files/{{file}}/remove", remove_file, "移除附件", unhurried=True
    ),
]
