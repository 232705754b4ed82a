"""What an auditor finds: what is wrong, with which row, in words."""

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum

from domain.model import Value


class Kind(StrEnum):
    """In which way a row is wrong."""

    CHANGED = "changed"
    DELETED = "deleted"
    INSERTED = "inserted"
    REORDERED = "reordered"
    CUT = "cut"
    UNLIKE = "unlike"
    WITHOUT_STEP = "without_step"
    CONTENT = "content"
    NUMBERS = "numbers"
    SIGNATURE = "signature"
    CHECKPOINT = "checkpoint"
    PROCESS_GONE = "process_gone"
    PROCESS_WITHOUT_CASE = "process_without_case"
    ARCHIVE = "archive"


KIND_LABELS: dict[Kind, str] = {
    Kind.CHANGED: "日志行被改动",
    Kind.DELETED: "行被删除",
    Kind.INSERTED: "插入了不该有的行",
    Kind.REORDERED: "次序被调换",
    Kind.CUT: "末尾的行被截去",
    Kind.UNLIKE: "与日志不符",
    Kind.WITHOUT_STEP: "日志里没有依据",
    Kind.CONTENT: "内容被替换",
    Kind.NUMBERS: "报告编号对不上",
    Kind.SIGNATURE: "签名不对",
    Kind.CHECKPOINT: "与封存点不符",
    Kind.PROCESS_GONE: "办件未结而流程不在",
    Kind.PROCESS_WITHOUT_CASE: "流程在而没有办件",
    Kind.ARCHIVE: "存档的历史被改动",
}


class Finding(Value):
    """One thing that is wrong. ``sequence`` is a step of the case, None where it is about none."""

    kind: Kind
    case_id: str
    sequence: int | None
    table: str
    message: str


class Verified(Value):
    """What an audit comes to; ``checked`` says how many rows of each table were looked at."""

    ok: bool
    checked: dict[str, int]
    findings: tuple[Finding, ...]
    more: int = 0
    """So many further findings are not listed."""


NO_KEY = "是加密的，加密它的主密钥不在手边，未能核对；请在有密钥目录的主机上再查"
"""Said of what could not be looked at."""

MOST = 1000
"""So many findings are listed; how many there are is always told."""


class Tally:
    """Gathers findings and counts what was looked at."""

    def __init__(self) -> None:
        self.checked: Counter[str] = Counter()
        self._findings: list[Finding] = []
        self._more = 0

    def found(self, findings: Iterator[Finding]) -> None:
        """Takes findings in."""
        for finding in findings:
            if len(self._findings) < MOST:
                self._findings.append(finding)
            else:
                self._more += 1

    def result(self) -> Verified:
        """What it has come to."""
        return Verified(
            ok=not self._findings,
            checked=dict(sorted(self.checked.items())),
            findings=tuple(self._findings),
            more=self._more,
        )
