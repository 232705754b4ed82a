"""A filing on paper, read back from its file: whole, signed and stamped in its place."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from domain.filing.state import Waiver, WaiverState
from printing.filing import render_filing
from rules.file.library import SHIPPED
from rules.filing.forms.checking import check_parts
from rules.filing.forms.context import Context
from rules.filing.forms.example import blank_example
from rules.filing.forms.library import FormLibrary
from services.filing_papers import Beside, filing_data
from tests.printing.papers import edges, pages_in, text_of

LIBRARY = FormLibrary(SHIPPED / "forms")
FORMS = {
    "statistics": LIBRARY.get("statistics-2023"),
    "annual-report": LIBRARY.get("annual-report-2023"),
    "social-responsibility": LIBRARY.get("social-responsibility-2023"),
}
LONG = "湖南某某检验检测认证与计量标准化研究院有限责任公司（生成的很长的单位名称，用来看怎样换行）"
WIDTH = 595.3


def waiver(check: str, pointer: str) -> Waiver:
    return Waiver(
        number=1,
        part=pointer.split("/")[1],
        check=check,
        pointer=pointer,
        finding="0" * 64,
        authority="amr-430000",
        state=WaiverState.GRANTED,
    )


def printed(change: Callable[[dict[str, Any]], None]) -> bytes:
    """The paper of the examples of all three forms, changed."""
    content: dict[str, Any] = {part: blank_example(form) for part, form in FORMS.items()}
    change(content)
    waivers = [
        (waiver("certificate-level", "/statistics/certificates/0"), "（生成）一行的理由"),
        (waiver("name-in-statistics", "/annual-report/institution_name"), "（生成）名称的理由"),
    ]
    beside = Beside(
        report=check_parts(FORMS, content, True, Context(year=2023)),
        waivers=waivers,
        receipt=None,
        files=(),
        authority_name={"amr-430000": "湖南省市场监督管理局"}.__getitem__,
    )
    rules: Any = SimpleNamespace(
        document=SimpleNamespace(title="生成的统计"),
        ref=SimpleNamespace(id="hunan-2023", revision=3, sha256="a" * 64),
        forms_of=lambda parts: FORMS,
    )
    case: Any = SimpleNamespace(
        institution_name=LONG,
        case_id="filing/2023/lab-1",
        plan=SimpleNamespace(parts=tuple(FORMS)),
    )
    revision: Any = SimpleNamespace(revision=3, content=content, sha256="b" * 64)
    data = filing_data(case, "91620102739638125B", rules, revision, beside)
    return render_filing("amr-430000", data, datetime(2024, 3, 1, tzinfo=UTC))


def test_a_long_filing_is_printed_whole_with_places_to_sign_and_stamp() -> None:
    story = "".join(f"（第{n}句）本机构持续符合资质认定条件和要求。" for n in range(400))
    numbers = [f"1527010{n:05d}" for n in range(100)]

    def fill(content: dict[str, Any]) -> None:
        statistics = content["statistics"]
        statistics["unit_name"] = LONG
        statistics["certificates"] = [
            {"number": one, "level": "省级", "scope": 7, "valid_to": "2027-01-31"}
            for one in numbers
        ]
        content["annual-report"]["activities_done"] = story
        centres = content["social-responsibility"]["copies"]
        centres.append({**centres[0], "centre_name": "国家第二（生成）产品质量检验检测中心"})

    paper = printed(fill)
    text = text_of(paper)
    footers = rf"内容SHA-256b{{64}}第\d+页共{pages_in(paper)}页"
    assert len(re.findall(footers, text)) == pages_in(paper)
    # what stands over several pages is parted by their heads and feet, and nothing is lost
    body = re.sub(f"{footers}|{re.escape(LONG)}未提交，仅供核对", "", text)
    assert [one for one in numbers if one not in body] == []
    assert [n for n in range(400) if f"（第{n}句）" not in body] == []
    assert LONG in text
    # one place for each form and each centre, whole on its page
    assert text.count("填报人（签字）：") == text.count("单位负责人（签字）：") == 4
    assert text.count("单位（盖章）：") == 2
    assert text.count("国家质检中心名称（盖章）：") == 2
    for page in range(1, pages_in(paper) + 1):
        shown = text_of(paper, page=page)
        assert shown.count("填报人（签字）：") == shown.count("（盖章）："), page
        left, right = edges(paper, page=page)
        assert 0 < left < right < WIDTH, page
    # the header of a table that goes on is on each of its pages
    assert text.count("证书编号级别") == 3


def test_a_waiver_is_shown_at_its_value_by_the_name_of_its_authority() -> None:
    text = text_of(printed(lambda content: None))
    for why in ("（生成）一行的理由", "（生成）名称的理由"):
        assert f"由湖南省市场监督管理局豁免：{why}" in text
    assert "amr-430000" not in text
