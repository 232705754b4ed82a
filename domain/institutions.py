"""What becomes of institutions: registered on request, of another code, merged, split."""

from enum import StrEnum

from domain.model import Value


class RequestState(StrEnum):
    """Where a request to be registered stands."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"


REQUEST_STATE_LABELS: dict[RequestState, str] = {
    RequestState.ASKED: "待办",
    RequestState.APPROVED: "已登记",
    RequestState.REFUSED: "不予登记",
}


class ActKind(StrEnum):
    """What can become of an institution on record."""

    USCC_CHANGED = "uscc_changed"
    MERGED = "merged"
    SPLIT = "split"


ACT_KIND_LABELS: dict[ActKind, str] = {
    ActKind.USCC_CHANGED: "信用代码变更",
    ActKind.MERGED: "并入其他机构",
    ActKind.SPLIT: "分立",
}


class Part(Value):
    """An institution that came of a split, with the numbers of the certificates it takes over."""

    institution: str
    certificates: tuple[str, ...] = ()
