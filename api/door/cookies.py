"""What browsers keep of us: each cookie by its name, its path, and nothing that scripts can read.

Where the address is https names say so (``__Host-``, ``__Secure-``): a browser then takes them over
TLS alone, and of the first kind from no neighbouring site.
"""

from datetime import timedelta
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response


class Cookie(NamedTuple):
    """One cookie; without ``lives`` it is gone with the browser."""

    plain_name: str
    path: str = "/"
    lives: timedelta | None = None

    def name(self, *, secure: bool) -> str:
        """Under which it is kept."""
        if not secure:
            return self.plain_name
        return f"{'__Host-' if self.path == '/' else '__Secure-'}{self.plain_name}"

    def read(self, request: Request) -> str:
        """What a browser keeps, "" for nothing."""
        return request.cookies.get(self.name(secure=_secure(request)), "")

    def keep(self, request: Request, response: Response, value: str) -> None:
        """Has the browser keep it."""
        secure = _secure(request)
        response.set_cookie(
            self.name(secure=secure),
            value,
            max_age=None if self.lives is None else int(self.lives.total_seconds()),
            path=self.path,
            httponly=True,
            samesite="lax",
            secure=secure,
        )

    def drop(self, request: Request, response: Response) -> None:
        """Has the browser forget it."""
        secure = _secure(request)
        response.delete_cookie(
            self.name(secure=secure), self.path, httponly=True, samesite="lax", secure=secure
        )


def _secure(request: Request) -> bool:
    return request.url.scheme == "https"


SESSION = Cookie("zhibao_session")
"""The secret that pages are asked with."""
