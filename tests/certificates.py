"""Certificates for tests: generated contents, and the way from an application to a certificate."""

from typing import Any

from tests.system import CHECKER, CLERK, FILER, REVIEWER, Answer, System

ISSUER = "amr-350000"


def content(institution: str = "lab", **changed: Any) -> dict[str, Any]:
    """The content of a generated certificate."""
    return {
        "institution": institution,
        "holder": f"测试检测机构 {institution}（生成）",
        "uscc": "91620102739638125B",
        "address": "福州市鼓楼区测试路1号",
        "level": "provincial",
        "issuer": ISSUER,
        "field": "01",
        "industry": "06",
        "capabilities": [
            {"category": "混凝土", "item": "抗压强度", "standard": "GB/T 50081", "year": "2019"},
            {"category": "钢筋", "item": "拉伸性能", "standard": "GB/T 28900", "year": "2022"},
        ],
        "signatories": [{"name": "测试签字人（生成）", "field": "建筑工程"}],
        "equipment": [{"name": "万能试验机", "model": "WE-1000"}],
        **changed,
    }


class Office:
    """An issuing office, and the institution it deals with."""

    def __init__(self, system: System, issuer: str = ISSUER, institution: str = "lab") -> None:
        self.system, self.issuer = system, issuer
        self.clerk = system.token(CLERK, "issuing-clerk", issuer)
        self.reviewer = system.token(REVIEWER, "issuing-reviewer", issuer)
        self.checker = system.token(CHECKER, "issuing-checker", issuer)
        self.filer = system.token(FILER, "lab-clerk", institution)

    async def begin(self, body: dict[str, Any], token: str = "", **headers: str) -> str:
        """Begins an application; returns its path."""
        answer = await self.system.send(
            "POST", "/api/certificates", token or self.filer, body, **headers
        )
        assert answer.status == 201, answer.body
        return f"/api/{answer.body['id'].replace('certificate/', 'certificates/')}"

    async def apply(self, path: str, token: str = "", **more: Any) -> Answer:
        """Applies with the newest revision."""
        draft = (await self.system.send("GET", f"{path}/draft", token or self.filer)).body
        body = {"revision": draft["revision"], "sha256": draft["sha256"], **more}
        return await self.act(path, "apply", token or self.filer, body)

    async def act(
        self, path: str, name: str, token: str, body: Any = None, **headers: str
    ) -> Answer:
        """One act on a certificate's case."""
        return await self.system.send("POST", f"{path}/{name}", token, body or {}, **headers)

    async def grant(self, path: str) -> None:
        """Reviews, approves, checks."""
        for name, token, body in (
            ("claim", self.reviewer, {}),
            ("approve", self.reviewer, {}),
            ("claim", self.checker, {}),
            ("quality", self.checker, {"outcome": "pass"}),
        ):
            done = await self.act(path, name, token, body)
            assert done.status == 200, (name, done.body)

    async def issue(self, body: dict[str, Any] | None = None) -> str:
        """A certificate, from the application to its issue; returns the path of its case."""
        path = await self.begin(body or {"content": content()})
        applied = await self.apply(path)
        assert applied.status == 200, applied.body
        await self.grant(path)
        return path

    async def end(self, path: str, body: dict[str, Any]) -> Answer:
        """Ends a certificate as two people do; what cannot be done is refused to the first."""
        proposed = await self.act(path, "end", self.clerk, body)
        if proposed.body.get("code") != "awaits_confirmation":
            return proposed
        colleague = self.system.token(CLERK, "confirming-clerk", self.issuer)
        return await self.system.send("POST", f"{proposed.headers['location']}/confirm", colleague)

    async def held(self, path: str) -> dict[str, Any]:
        """The certificate of a case as its people see it."""
        shown = (await self.system.send("GET", path, self.filer)).body
        return dict(shown["certificate"])
