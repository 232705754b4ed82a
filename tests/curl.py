"""What the documentation uses of curl, for machines that have none. Any other option ends it."""

import argparse
import shlex
import shutil
import sys
from base64 import b64encode
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen


def command() -> str:
    """What to write for ``curl`` in a script: curl itself where there is one."""
    return shutil.which("curl") or shlex.join([sys.executable, __file__])


def main() -> int:
    """One request; the answer goes to standard output, its errors count with ``-f`` only."""
    parser = argparse.ArgumentParser(prog="curl", allow_abbrev=False)
    parser.add_argument("url")
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-f", action="store_true")
    parser.add_argument("-G", action="store_true")
    parser.add_argument("-X", default="")
    parser.add_argument("-u", default="")
    parser.add_argument("-o", type=Path)
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-d", action="append", default=[])
    parser.add_argument("--data-binary", type=Path)
    parser.add_argument("--data-urlencode", action="append", default=[], dest="encoded")
    given = parser.parse_args()

    pairs = [*given.d]
    pairs += [
        "=".join((n, quote(v, safe=""))) for n, _, v in (e.partition("=") for e in given.encoded)
    ]
    data = "&".join(pairs).encode() if pairs else None
    url = given.url
    if given.G and data:
        url, data = f"{url}?{data.decode()}", None
    if given.data_binary:
        data = Path(str(given.data_binary).removeprefix("@")).read_bytes()
    request = Request(url, data, method=given.X or ("POST" if data else "GET"))
    for header in given.H:
        request.add_header(*header.split(": ", 1))
    if given.u:
        request.add_header("Authorization", f"Basic {b64encode(given.u.encode()).decode()}")
    try:
        with urlopen(request) as answer:
            body = answer.read()
    except HTTPError as error:
        if given.f:
            return 22
        body = error.read()
    if given.o:
        given.o.write_bytes(body)
    else:
        sys.stdout.buffer.write(body)
    return 0


if __name__ == "__main__":
    sys.exit(main())
