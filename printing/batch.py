"""Many certificates in one ZIP file, written while they are printed."""

import re
import zipfile
from collections.abc import Callable, Iterable
from datetime import date, datetime
from pathlib import Path
from typing import IO, NamedTuple

from domain.certificates.certificate import Certificate
from printing.certificate import TEMPLATES, PrintError, render_certificate

_UNSAFE = re.compile(r"[^0-9A-Za-z_-]")


class Order(NamedTuple):
    """One certificate to print; the parts are the parameters of `render_certificate`."""

    certificate: Certificate
    issuer_name: str
    url: str
    timestamp: datetime
    status_since: date | None = None


class NotPrinted(NamedTuple):
    """A certificate that was left out, with the code and the Chinese text of the reason."""

    number: str
    code: str
    reason: str


def render_many(
    orders: Iterable[Order],
    into: IO[bytes],
    *,
    template_folder: Path = TEMPLATES,
    left_out: Iterable[NotPrinted] = (),
    progress: Callable[[int], None] = lambda done: None,
) -> list[NotPrinted]:
    """Write one PDF per certificate into a ZIP file, and return those that could not be printed.

    Orders are taken one by one and ``into`` need not be seekable, so neither side is ever held
    as a whole. One certificate that cannot be printed does not keep back the others: the file
    ``未打印.txt`` names it and says why, after those given as ``left_out`` before. ``progress`` is
    told how many orders are done, after each.
    """
    missing = list(left_out)
    with zipfile.ZipFile(into, "w", zipfile.ZIP_STORED) as archive:
        for done, order in enumerate(orders, start=1):
            number = order.certificate.number
            try:
                printed = render_certificate(
                    order.certificate,
                    issuer_name=order.issuer_name,
                    url=order.url,
                    status_since=order.status_since,
                    timestamp=order.timestamp,
                    template_folder=template_folder,
                )
            except PrintError as error:
                missing.append(NotPrinted(number, error.code, str(error)))
            else:
                name = f"{done:05}-{_UNSAFE.sub('_', number)[:60]}.pdf"
                at = order.timestamp.timetuple()[:6]
                archive.writestr(zipfile.ZipInfo(name, at), printed)
            progress(done)
        if missing:
            lines = [f"{one.number}\t{one.reason}\r\n" for one in missing]
            archive.writestr(zipfile.ZipInfo("未打印.txt"), "\ufeff" + "".join(lines))
    return missing
