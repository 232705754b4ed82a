"""Files beside a filing: PDF and pictures, with size, type and hash."""

from typing import Annotated
from urllib.parse import quote

from pydantic import Field
from starlette.responses import Response

from api.cases.acts import case_of
from api.door.operations import Call, Operation, Parameter, Targeting, json_of, schema_of
from api.door.parts import parts_of
from api.door.requests import Plain, media_type, path, query
from api.door.rights import Right
from domain.filing.beside import MOST_FILES
from domain.model import Value
from services.filing_files import LARGEST_FILE, MEDIA, FilingFile

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Name = Annotated[Plain, Field(min_length=1, max_length=200)]


class FilingFiles(Value):
    """The files beside a filing, in the order they came."""

    items: tuple[FilingFile, ...]


async def list_files(call: Call) -> Response:
    """The files beside a filing."""
    files = await parts_of(call.request).filing_files.seen(case_of(call), call.actor)
    return json_of(FilingFiles(items=tuple(files)))


async def add_file(call: Call) -> Response:
    """Puts a file beside the filing, looked through first where a scanner is set."""
    parts = parts_of(call.request)
    name: str = query(call.request, "filename", _Name, "")
    media = media_type(call.request)
    files = await parts.filing_files.add(
        case_of(call), name, media, call.body, call.actor, parts.scanner, repeated=call.repeated
    )
    return json_of(FilingFiles(items=tuple(files)), status_code=201)


async def remove_file(call: Call) -> Response:
    """Takes a file from beside the filing."""
    sha256: str = path(call.request, "file", _Sha256)
    files = await parts_of(call.request).filing_files.remove(
        case_of(call), sha256, call.actor, repeated=call.repeated
    )
    return json_of(FilingFiles(items=tuple(files)))


async def get_file(call: Call) -> Response:
    """The content of one of them, to be saved and not to be shown."""
    sha256: str = path(call.request, "file", _Sha256)
    file, content = await parts_of(call.request).filing_files.content(
        case_of(call), sha256, call.actor
    )
    return Response(
        content,
        media_type="application/octet-stream",
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        },
    )


def file_operations(one: str, tag: str, target: Targeting) -> list[Operation]:
    """The operations on the files beside the filing at ``one``."""
    return [
        Operation(
            "GET",
            f"{one}/files",
            list_files,
            "填报的附件",
            tag,
            Right.SEE_CONTENT,
            FilingFiles,
            target=target,
        ),
        Operation(
            "POST",
            f"{one}/files",
            add_file,
            "添加附件",
            tag,
            Right.FILE,
            FilingFiles,
            target=target,
            media=MEDIA,
            largest=LARGEST_FILE,
            writes=True,
            status=201,
            unhurried=True,
            parameters=(
                Parameter(
                    "filename", "文件名，后缀与类型一致", required=True, schema=schema_of(_Name)
                ),
            ),
            description=f"PDF、PNG 或 JPEG，每件至多 10 MiB，一件填报至多 {MOST_FILES} 件；"
            "可以修改填报内容时才能增减。",
        ),
        Operation(
            "GET",
            f"{one}/files/{{file}}",
            get_file,
            "下载附件",
            tag,
            Right.SEE_CONTENT,
            None,
            target=target,
            answer_media="application/octet-stream",
        ),
        Operation(
            "POST",
            f"{one}/files/{{file}}/remove",
            remove_file,
            "移除附件",
            tag,
            Right.FILE,
            FilingFiles,
            target=target,
            writes=True,
        ),
    ]
