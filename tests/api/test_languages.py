"""Pages in another language are one more file; what it does not say stays Chinese."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.door import languages, pages
from api.door.languages import (
    SOURCE,
    in_other_languages,
    language,
    refusals_in,
    texts_of,
    wanted,
)
from api.door.problems import problem_body
from domain.case.commands import ROLE_LABELS, Role
from domain.refusals import Code, Refusal

_TEMPLATES = pages._TEMPLATES
_CHINESE = re.compile("[\u3400-\u9fff]")
FORM = {
    "name": "张三", "to": "", "demo": [("demo-1", ROLE_LABELS[Role.FILER], "lab-1", "x")],
    "provider": "", "leaving": "", "refused": None, "request_id": "r",
}  # fmt: skip


def _in(said: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "en.yaml").write_text(yaml.safe_dump(said, allow_unicode=True), "utf-8")
    monkeypatch.setattr(pages, "SPEAKING", in_other_languages(_TEMPLATES, folder))


def _page(name: str) -> str:
    kept = language.set(name)
    try:
        return bytes(pages.render("sign_in.html", FORM, {}).body).decode()
    finally:
        language.reset(kept)


def test_a_file_with_every_text_leaves_nothing_chinese_but_what_people_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = set(texts_of(_TEMPLATES))
    assert {"登录", "跳到正文", "查报告编号"} <= texts
    said = {text: f"t{number}" for number, text in enumerate(sorted(texts))}
    _in({**said, ROLE_LABELS[Role.FILER]: "filer"}, tmp_path, monkeypatch)
    shown = _page("en")
    assert '<html lang="en">' in shown
    assert "<td>filer</td>" in shown
    assert f"<title>{said['登录']}</title>" in shown
    assert _CHINESE.findall(shown) == list("张三")
    # and nobody else is shown it
    chinese = _page(SOURCE)
    assert '<html lang="zh-CN">' in chinese
    assert "<title>登录</title>" in chinese


def test_what_a_file_leaves_out_stays_chinese(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _in({"密码": "Password"}, tmp_path, monkeypatch)
    shown = _page("en")
    assert '<label for="password">Password</label>' in shown
    assert '<label for="name">账号</label>' in shown


def test_refusals_are_said_by_their_code_and_what_is_left_out_stays_chinese(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"not_claimed": {"title": "Not claimed"}, "not_found": {"detail": "No {what} here."}}
    _in({"refusals": said}, tmp_path, monkeypatch)
    monkeypatch.setattr(languages, "REFUSED_IN", refusals_in(tmp_path))
    missing = Refusal(code=Code.NOT_FOUND, params={"what": "lab-1"})
    kept = language.set("en")
    try:
        told = problem_body(missing, "r")
        words = pages.words_of(Refusal(code=Code.NOT_CLAIMED))
    finally:
        language.reset(kept)
    assert (told["detail"], told["title"]) == ("No lab-1 here.", Code.NOT_FOUND.words.title)
    assert (words["title"], words["remedy"]) == ("Not claimed", Code.NOT_CLAIMED.words.remedy)
    assert "lab-1" in problem_body(missing, "r")["detail"]
    assert problem_body(missing, "r")["detail"] != "No lab-1 here."
    # a file that names what no code is called is wrong
    _in({"refusals": {"no_such_code": {}}}, tmp_path, monkeypatch)
    with pytest.raises(ValueError, match="no_such_code"):
        refusals_in(tmp_path)


@pytest.mark.parametrize(
    ("accepted", "told"),
    [
        ("", SOURCE),
        ("zh-CN,zh;q=0.9,en;q=0.8", SOURCE),
        ("en-GB,en;q=0.9", "en"),
        ("EN", "en"),
        ("fr,en;q=0.5", "en"),
        ("fr", SOURCE),
        ("*", SOURCE),
        (";;;,,", SOURCE),
    ],
)
def test_a_browser_is_answered_in_the_first_language_there_is(accepted: str, told: str) -> None:
    assert wanted(accepted, ["en"]) == told
    assert wanted(accepted, []) == SOURCE
