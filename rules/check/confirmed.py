"""Whether everything in a rule file that was carried over from another year has been confirmed."""

import re
from collections.abc import Iterator

from rules.file.findings import Finding
from rules.file.next_year import UNCONFIRMED
from rules.file.strict_yaml import Node

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def unconfirmed(node: Node) -> Iterator[Finding]:
    """Assumptions that say of themselves that they are to be confirmed, with the days beside."""
    for path, below in node.walk():
        if path and path[-1] == "assume" and str(below.value).startswith(UNCONFIRMED):
            above = node.get(*path[:-2])
            beside = above.value if above is not None and isinstance(above.value, dict) else {}
            days = [
                f"{key} {one.value}"
                for key, one in beside.items()
                if isinstance(one.value, str) and _DAY.fullmatch(one.value)
            ]
            what = f"{'.'.join(map(str, path[:-2]))}（{'，'.join(days)}）"
            message = f"{what}尚未核对：请对照通知改正日期、写明出处，或把 assume 改为推定的理由"
            yield Finding("not_confirmed", *below.place, ".".join(map(str, path)), message)
