"""Whether everything in a rule file that was carried over from another year has been confirmed."""

from collections.abc import Iterator

from rules.file.findings import Finding
from rules.file.next_year import UNCONFIRMED
from rules.file.strict_yaml import Node


def unconfirmed(node: Node) -> Iterator[Finding]:
    """Assumptions that say of themselves that they are to be confirmed."""
    for path, below in node.walk():
        if path and path[-1] == "assume" and str(below.value).startswith(UNCONFIRMED):
            message = "这一处尚未核对：请对照通知改正日期、写明出处，或把 assume 改为推定的理由"
            dotted = ".".join(map(str, path))
            yield Finding("not_confirmed", *below.place, dotted, message)
