"""Rules for a demonstration: the 2024 national rules, their windows moved around today.

All of it is generated. Each province listed differs in one respect, so that every status a filing
can rest in is there to look at.
"""

import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from rules.file.library import SHIPPED

_YEAR = 2024
_WHY = "演示（生成）：2024年度全国规则，仅把时间移到今天前后"


GENERATED = "generated"
"""An empty file in a folder of rules that nobody wrote: they are in force from the first start."""


def write_rules(folder: Path, today: date) -> int:
    """Puts the demonstration's rules into ``folder``; returns the campaign's year.

    A folder that holds them already is left as it is: a campaign pins what it was opened under.
    """
    year = folder / str(_YEAR)
    if year.exists():
        return _YEAR
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    ignored = shutil.ignore_patterns("*.py", "__pycache__", "20??")
    shutil.copytree(SHIPPED, new, ignore=ignored)
    (new / str(_YEAR)).mkdir()
    for name, overlay in {"national": _national(today), **_provinces(today)}.items():
        text = yaml.safe_dump(overlay, allow_unicode=True, sort_keys=False)
        (new / str(_YEAR) / f"{name}.yaml").write_text(f"# {_WHY}\n{text}")
    for path in SHIPPED.glob("20??/certificates.yaml"):
        (new / path.parent.name).mkdir(exist_ok=True)
        shutil.copy(path, new / path.parent.name)
    (new / GENERATED).touch()
    new.rename(folder)
    return _YEAR


_FIGURES: dict[str, Any] = {
    "part": "statistics",
    "values": ["staff", "reports", "testing_revenue", "patents"],
    "by_field": {
        "table": "reports_by_field",
        "column": "field",
        "adds_up_to": {"reports": "reports", "revenue": "testing_revenue"},
    },
    "dominant": 80,
    "cite": {"assume": f"{_WHY}；通知没有写公布哪些指标"},
}


def _national(today: date) -> dict[str, Any]:
    """The 2024 rules with other windows, and citations that no longer claim the notice's dates."""
    rules = _shipped("2024/national")
    same = (today - timedelta(days=30), today + timedelta(days=60))
    stage = {"id": "filing-and-review", "label": "填报和审核", **_span(*same)}
    rules |= {"id": "demo-national-2024", "title": "演示：年度检验检测统计（生成）"}
    rules["examples"] = [
        one for one in rules["examples"] if "at" not in one and "reminders" not in one["expect"]
    ]
    # there is to be something to look up on the day of the first start
    rules["report_numbers"]["visible"] = {"days": 0, "cite": {"assume": f"{_WHY}；上传后即可查"}}
    rules["filing"] |= {
        "windows": _windows(fill=same, correct=same, review=same),
        "stages": [stage],
        "publication": {
            "fewest": 3,
            "figures": _FIGURES,
            "cite": {"assume": f"{_WHY}；少于三家的不公布"},
        },
    }
    return rules


def _shipped(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text())
    return found


def _provinces(today: date) -> dict[str, dict[str, Any]]:
    def day(offset: int) -> date:
        return today + timedelta(days=offset)

    fujian = _shipped("2023/fujian")["filing"]["review_chain"]
    chain = [{**level, "cite": {"assume": f"{_WHY}；层级仿福建2023年度"}} for level in fujian]
    differing: dict[str, tuple[str, dict[str, Any]]] = {
        # three levels of review
        "fujian": ("350000", {"review_chain": chain}),
        # what is approved waits for the quality check to open
        "hunan": ("430000", {"windows": _windows(quality=(day(7), day(90)))}),
        # what is submitted waits for the review to open
        "henan": ("410000", {"windows": _windows(review=(day(5), day(60)))}),
        # closed yesterday: what was not approved has lapsed
        "liaoning": ("210000", {"windows": _all_windows(day(-40), day(-1))}),
        # opens next week
        "shaanxi": ("610000", {"windows": _all_windows(day(6), day(60))}),
    }
    return {
        name: {
            "id": f"demo-{name}-2024",
            "year": _YEAR,
            "jurisdiction": code,
            "extends": f"{_YEAR}/national",
            "title": "演示（生成）",
            "revision": 1,
            "filing": filing,
            "examples": [_example(filing)],
        }
        for name, (code, filing) in differing.items()
    }


def _example(filing: dict[str, Any]) -> dict[str, Any]:
    """What an overlay changes, said as an example that the check runs."""
    if "windows" in filing:
        name, span = next(iter(filing["windows"].items()))
        inside = {"inside": [name]}
        return {
            "name": "演示：当日零点起",
            "at": f"{span['from']}T00:00:00+08:00",
            "expect": inside,
        }
    facts = {
        "institution": {"region": "350102"},
        "certificates": [{"level": "provincial", "issuer": "amr-350000"}],
    }
    chain = ["amr-350102", "amr-350100", "amr-350000"]
    return {"name": "演示：县、市、省三级审核", "facts": facts, "expect": {"chain": chain}}


def _all_windows(opens: date, closes: date) -> dict[str, Any]:
    span = (opens, closes)
    return _windows(fill=span, correct=span, review=span)


def _windows(**spans: tuple[date, date]) -> dict[str, Any]:
    return {name: _span(*span) for name, span in spans.items()}


def _span(opens: date, closes: date) -> dict[str, Any]:
    return {"from": opens.isoformat(), "to": closes.isoformat(), "cite": {"assume": _WHY}}
