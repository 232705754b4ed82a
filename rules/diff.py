"""What changed between two rule sets, in words. Pure."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from domain.case.plan import WINDOWS
from domain.model import Value

_LABELS = {
    "id": "规则集",
    "year": "统计年度",
    "jurisdiction": "辖区",
    "title": "名称",
    "revision": "修订号",
    "timezone": "时区",
    "not_publishable": "不能用来开展统计的理由",
    "sources": "来源",
    "document": "文号",
    "restates": "转述的文件",
    "note": "说明",
    "filing": "",
    "certificates": "证书",
    "as_of": "截止日",
    "scope": "能力范围的算法",
    "first_day": "未写生效日的",
    "valid_years": "有效期年数",
    "scope_cite": "能力范围算法的出处",
    "obligation": "填报义务",
    "outcome": "结论",
    "parts": "填报内容",
    "form": "表单",
    "required_when": "需要填报的条件",
    "windows": "窗口",
    **{name: window.label for name, window in WINDOWS.items()},
    "from": "第一天",
    "to": "最后一天",
    "completion": "完成条件",
    "require": "要求",
    "stages": "阶段",
    "overlaps": "可重叠的阶段",
    "national_department": "国家级证书的审核部门",
    "reviewers": "审核规则",
    "review_chain": "审核层级",
    "quality_check": "质量审查",
    "by": "由谁",
    "progress_report": "进展报送",
    "reported_to": "报送给谁",
    "attestation": "单位负责人确认",
    "corrections": "更正办结填报的事由",
    "material": "重大更正",
    "one_filing": "同一法人填报一次",
    "accounts_kept": "沿用此前账号",
    "joint_centres": "共建的国家质检中心",
    "authority_figures": "部门自己的统计",
    "label": "名称",
    "when": "条件",
    "why_not": "不适用的说明",
    "must": "必须满足",
    "otherwise": "否则拒绝",
    "otherwise_because": "拒绝的说明",
    "assign": "由谁审核",
    "refuse": "拒绝",
    "authority": "部门",
    "cite": "出处",
    "source": "来源",
    "clause": "条款",
    "quote": "原文",
    "assume": "推定",
    "duties": "职责",
    "who": "谁",
    "due": "到哪一天",
    "term": "期限",
    "event": "从什么事起",
    "once": "一次性",
    "years": "补做的年度",
    "measured": "怎样看出做到",
    "measure": "怎样看出做到",
    "share": "比例",
    "months": "月数",
    "working_days": "工作日数",
    "tree": "辖区的上下级",
    "names": "部门名称",
    "report_numbers": "报告编号",
    "quarters": "管哪些季度",
    "of": "范围",
    "window": "报送时间",
    "opens": "从何时起",
    "due_months": "季度结束后几个月内报送",
    "late": "逾期补报",
    "until_months": "到季度结束后第几个月为止",
    "reminders": "提醒",
    "days_before_due": "截止前几日",
    "anchor": "从何时算起",
    "audience": "提醒谁",
    "channels": "渠道",
    "text": "内容",
    "gate": "上传的前提",
    "latest_year": "最近一个统计年度是否完成",
    "counts": "算作",
    "code": "拒绝代码",
    "because": "拒绝的说明",
    "visible": "开放查询",
    "days": "上传后第几日",
    "longest_number": "编号的最大长度",
    "characters": "字符数",
    "eligible": "提供查询的机构",
    "complaints": "投诉",
    "answers": "公众查询的答复",
    "enforcement": "后续处理",
    "triggers": "情形",
    "about": "针对",
    "spent": "已不必再提出的条件",
    "measures": "措施",
    "kind": "种类",
    "open_wording": "由承办人写明措施",
    "proposes": "由谁提出",
    "decides": "由谁决定",
    "authority_cite": "提出和决定部门的出处",
    "laws": "法律依据",
    "law": "法律依据",
    "steps": "步骤",
    "terms": "期限",
    "statement": "陈述、申辩",
    "decision": "作出决定",
    "service": "送达",
    "correction": "改正",
    "lasts": "存续",
    "objection": "答复异议",
    "unit": "单位",
    "rolls": "末日顺延",
    "ends": "终止",
    "effects": "效力",
    "cure": "怎样解除",
    "found": "查到",
    "not_found": "未查到",
    "withdrawn": "已撤回或更正",
    "not_yet_visible": "尚未开放查询",
    "institution_not_eligible": "机构不提供查询",
    "says": "说明",
    "proves": "能说明什么",
    "does_not_prove": "不能说明什么",
    "next_step": "接下来怎么办",
    "cites": "出处",
}
_TELLING = (
    "assign", "refuse", "outcome", "authority", "form", "code", "days_before_due", "due", "label",
    "document", "counts", "title",
)  # fmt: skip
"""The key that stands for a whole item, the first it has."""
_IN_ENFORCEMENT = {"days": "天数", "by": "方式"}
"""What a key is called below ``enforcement``, where that differs."""
_IN_FORMS = {
    "id": "编号",
    "forms": "表单",
    "sections": "各节",
    "fields": "字段",
    "checks": "校验",
    "header": "表头",
    "type": "类型",
    "required": "必填",
    "help": "填写说明",
    "source": "数据来源",
    "holds": "应成立的条件",
    "level": "级别",
    "message": "提示",
    "tolerance": "容差",
    "example": "例子",
    "options": "选项",
    "table": "表格",
    "derived": "由系统计算",
    "min": "至少",
    "max": "至多",
    "assumption": "推定",
    "table_number": "表号",
    "issuing_authority": "制定机关",
    "approval_number": "批准或备案文号",
    "valid_until": "有效期至",
}
"""What a key is called below ``forms``, where that differs."""
_IN_NUMBERS = {
    "obligation": "报送义务",
    "assign": "由谁办理",
}
_ENDS = {
    "completed": "已办结",
    "under_way": "仍在办理",
    "lapsed": "逾期未完成",
    "withdrawn": "已撤回",
    "cancelled": "已取消",
    "not_obliged": "可以不填报",
    "not_opened": "没有其填报",
}
"""What an end of a filing is called below ``report_numbers.latest_year``."""
"""What a key is called below ``report_numbers``, where that differs."""
_LATEST_YEAR = ("report_numbers", "latest_year")
_VALUES = {
    "outcome": {"must": "必须", "may": "可以", "none": "不用"},
    "require": {
        "approved_inside_window": "在期限内审核通过",
        "submitted_inside_window": "在期限内提交",
        "reported": "已经报送",
    },
    "opens": {"after_quarter": "季度结束之后", "with_quarter": "季度的第一天"},
    "counts": {"complete": "已完成", "owed": "尚未完成", "not_owed": "不要求完成"},
    "kind": {"penalty": "行政处罚", "management": "管理措施", "referral": "移送其他部门"},
    "level": {"block": "须改正", "warn": "提醒", "note": "提示"},
}
"""What words of the file's own mean, by the key they stand under."""


_NOTHING: tuple[Any, ...] = (None, [], {}, "")
"""What says nothing, whichever of them stands there."""


class Change(Value):
    """One difference. ``path`` names items by id; ``text`` says it in a Chinese sentence."""

    path: str
    kind: Literal["added", "removed", "changed", "moved"]
    before: Any = None
    after: Any = None
    text: str


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """The differences from document ``old`` to document ``new``, in the documents' order.

    Names only one of them needs (of its own province's authorities) are no difference.
    """
    names = old["names"].keys() & new["names"].keys()
    found = _mapping(_by_part(old), _by_part(new), (), ())
    return [one for one in found if not one.path.startswith("names.") or one.path[6:] in names]


def _by_part(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document with its forms under the parts that they are for: another year's is compared."""
    used = {part["form"]: part["id"] for part in document["filing"].get("parts", ())}
    forms = document.get("forms") or {}
    return {**document, "forms": {used.get(id_, id_): form for id_, form in forms.items()}}


def _mapping(
    old: Mapping[str, Any], new: Mapping[str, Any], path: tuple[str, ...], words: tuple[str, ...]
) -> Iterator[Change]:
    for key in dict.fromkeys((*old, *new)):
        label = label_of((*path, key))
        yield from _value(
            old.get(key), new.get(key), (*path, key), (*words, label) if label else words
        )


def _value(old: Any, new: Any, path: tuple[str, ...], words: tuple[str, ...]) -> Iterator[Change]:
    if old == new or (old in _NOTHING and new in _NOTHING):
        return
    if path in (("report_numbers",), _LATEST_YEAR, ("enforcement",)):
        # a section that only one of the two has is told value by value
        old, new = old or {}, new or {}
    if isinstance(old, Mapping) and isinstance(new, Mapping) and "assume" not in old:
        yield from _mapping(old, new, path, words)
    elif _items(old) is not None and _items(new) is not None and (old or new):
        yield from _lists(_items(old) or {}, _items(new) or {}, path, words)
    else:
        yield _change(old, new, path, words)


def _lists(
    old: dict[str, Any], new: dict[str, Any], path: tuple[str, ...], words: tuple[str, ...]
) -> Iterator[Change]:
    for name in dict.fromkeys((*old, *new)):
        before, after = old.get(name), new.get(name)
        item = (*path[:-1], f"{path[-1]}[{name}]")
        label = (after or before or {}).get("label") or name
        named = (*words, f"“{label}”（{name}）")
        if before is None or after is None:
            yield _change(before, after, item, named)
        else:
            yield from _mapping(before, after, item, named)
    kept_old = [name for name in old if name in new]
    kept_new = [name for name in new if name in old]
    matcher = difflib.SequenceMatcher(a=kept_old, b=kept_new, autojunk=False)
    blocks = matcher.get_matching_blocks()
    blocks = matcher.get_matching_blocks()
    stay = {name for block in blocks for name in kept_old[block.a : block.a + block.size]}
    for name in kept_new:
        if name not in stay:
            before, after = kept_old.index(name) + 1, kept_new.index(name) + 1
            where = f"{_sentence(words)}{name} 的次序变了"
            text = f"{where}：两边都有的几项中，由第 {before} 改为第 {after}"
            yield Change(
                path=".".join((*path[:-1], f"{path[-1]}[{name}]")),
                kind="moved",
                before=before,
                after=after,
                text=text,
            )


def label_of(path: tuple[str, ...]) -> str:
    """What a place of a rule set is called."""
    key = path[-1]
    if path[:-1] in (("forms",), ("sources",)):
        # names of the file's own
        return f"“{key}”"
    if path[:-1] == _LATEST_YEAR:
        return _ENDS.get(key, key)
    if path[0] == "report_numbers" and key in _IN_NUMBERS:
        return _IN_NUMBERS[key]
    if path[0] == "enforcement" and key in _IN_ENFORCEMENT:
        return _IN_ENFORCEMENT[key]
    if path[0] == "forms" and key in _IN_FORMS:
        return _IN_FORMS[key]
    return _LABELS.get(key, key)


def _change(old: Any, new: Any, path: tuple[str, ...], words: tuple[str, ...]) -> Change:
    where, key = _sentence(words), path[-1]
    kind: Literal["added", "removed", "changed"]
    if old is None:
        kind, text = "added", f"{where}新增 {_shown(new, key)}"
    elif new is None:
        kind, text = "removed", f"{where}取消，原为 {_shown(old, key)}"
    else:
        kind, text = "changed", f"{where}由 {_shown(old, key)} 改为 {_shown(new, key)}"
    return Change(path=".".join(path), kind=kind, before=old, after=new, text=text)


def _items(value: Any) -> dict[str, Any] | None:
    """A list of items with ids, by id; None for anything else."""
    if not isinstance(value, list) or not all(
        isinstance(item, Mapping) and "id" in item for item in value
    ):
        return None
    return {item["id"]: item for item in value}


def _sentence(words: tuple[str, ...]) -> str:
    return " · ".join(words) + "：" if words else ""


def _shown(value: Any, key: str = "") -> str:
    if isinstance(value, Mapping):
        if "assume" in value:
            return _cited(value)
        if "from" in value and "to" in value:
            return f"{value['from']} 至 {value['to']}"
        for key in _TELLING:
            if value.get(key):
                return f"{_LABELS[key]} {_shown(value[key], key)}"
        inner = (
            f"{_LABELS.get(key, key)} {_shown(part, key)}" for key, part in value.items() if part
        )
        return "；".join(inner)
    if isinstance(value, list):
        return "、".join(_shown(item) for item in value) or "（空）"
    if isinstance(value, bool):
        return "是" if value else "否"
    told = str(value)
    return _VALUES.get(key, {}).get(told, told) if told else "（空）"


def _cited(cite: Mapping[str, Any]) -> str:
    place = f"{cite['source']} {cite['clause']}“{cite['quote']}”" if cite["source"] else ""
    return f"{place}（推定：{cite['assume']}）" if cite["assume"] else place
