"""Where a value comes from: the notice, its clause and a short quote."""

from domain.model import Recorded


class Citation(Recorded):
    """``document`` is the notice's number as printed, ``clause`` its clause, ``quote`` its words.

    An ``assumption`` is what this project decided where the notice is silent, with the reason.
    """

    document: str
    clause: str = ""
    quote: str = ""
    assumption: str = ""

    def __str__(self) -> str:
        place = f"{self.document} {self.clause}".strip()
        return f"{place}（推定：{self.assumption}）" if self.assumption else place
