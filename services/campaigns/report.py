"""How far a place has come with a year, as it is reported to the authority above it.

Which notice asks for such a report, and in which clause, is data of the rules; where they say
nothing of it, the report says so.
"""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.citation import Citation
from domain.ids import NATION
from domain.jurisdictions import authority_of, narrower
from domain.messages import closing_time, local_time
from domain.model import Value
from domain.numbers.quarters import Period
from files import export
from rules.file.catalogue import Catalogue
from services.campaigns.duties import DutyRow, DutyService
from services.campaigns.progress import (
    NON_FILERS,
    BacklogRow,
    Level,
    NonFilerRow,
    Progress,
    ProgressService,
    non_filer_cells,
)
from services.extensions import Extension
from services.rule_sets import PinnedRules
from store import campaigns, extensions

FIGURES = {
    "must": "应填报",
    "submitted": "已提交",
    "on_time": "按期",
    "in_grace": "延期内",
    "late": "补报",
    "returned": "退回",
    "approved": "通过",
    "checked": "已质审",
    "completed": "办结",
    "lapsed": "逾期",
    "extended": "延期",
    "not_filed": "未提交",
    "voluntary": "自愿",
}
"""The figures of a campaign with what tables call them."""


class Report(Value):
    """A report at ``as_of``; ``cite`` is the clause that asks for it, None where no rule does."""

    place: str
    sender: str
    receiver: str
    period: str
    as_of: datetime
    cite: Citation | None
    progress: Progress
    backlog: tuple[BacklogRow, ...]
    extended: tuple[Extension, ...]
    duties: tuple[DutyRow, ...]
    non_filers: tuple[NonFilerRow, ...]

    def text(self) -> str:
        """The report as people read it."""
        total = self.progress.total
        asked = f"依据：{self.cite}。" if self.cite else "规则没有写明应当报送的条款。"
        lines = [
            f"关于{self.period}年度检验检测服务业统计工作进展情况的报告",
            "",
            f"报送：{self.receiver}",
            f"报送单位：{self.sender}",
            asked,
            "",
            f"截至 {local_time(self.as_of)}，{self.place}应填报 {total.must} 家，"
            f"已提交 {total.submitted} 家（{_share(total.submitted, total.must)}），"
            f"其中按期 {total.on_time} 家、延期内 {total.in_grace} 家、补报 {total.late} 家；"
            f"退回待改 {total.returned} 家，审核通过 {total.approved} 家，"
            f"办结 {total.completed} 家（{_share(total.completed, total.must)}）；"
            f"逾期 {total.lapsed} 家，从未提交 {total.not_filed} 家。",
            "",
            "一、各地进展",
            *(
                f"{row.name}：应填报 {row.must}，已提交 {row.submitted}"
                f"（{_share(row.submitted, row.must)}），办结 {row.completed}，逾期 {row.lapsed}，"
                f"从未提交 {row.not_filed}。"
                for row in self.progress.rows
            ),
            "",
            "二、待办",
            *(
                f"{row.name}（{row.status_label}）：{row.waiting} 件，未领取 {row.unclaimed} 件，"
                f"最久已等 {row.oldest_days} 天。"
                for row in self.backlog
            ),
            *([] if self.backlog else ["没有待办。"]),
            "",
            "三、延期",
            *(
                f"{one.jurisdiction}{'全部' if one.standing else f'所列 {one.total} 件'}，"
                f"至 {closing_time(one.until)}{f'（{one.document}）' if one.document else ''}。"
                for one in self.extended
            ),
            *([] if self.extended else ["没有延期。"]),
            "",
            "四、各项职责",
            *(duty.text() for duty in self.duties),
            *([] if self.duties else ["规则没有写明填报以外的职责。"]),
            "",
            f"五、未完成填报 {len(self.non_filers)} 家，名单见附表。",
            "",
        ]
        return "\n".join(lines)

    def xlsx(self) -> bytes:
        """The report as a workbook: its words, and a sheet for each table."""
        header = ("代码", "名称", *FIGURES.values())
        rows: list[list[Any]] = [
            [row.key, row.name, *(getattr(row, name) for name in FIGURES)]
            for row in self.progress.rows
        ]
        rows.append(["", "合计", *(getattr(self.progress.total, name) for name in FIGURES)])
        return export.workbook(
            [
                ("报告", ("工作进展",), [[line] for line in self.text().split("\n")]),
                ("各地进展", header, rows),
                (
                    "待办",
                    ("部门", "名称", "状态", "件数", "未领取", "最久天数", "一半不足天数"),
                    [
                        [
                            row.authority,
                            row.name,
                            row.status_label,
                            row.waiting,
                            row.unclaimed,
                            str(row.oldest_days),
                            str(row.median_days),
                        ]
                        for row in self.backlog
                    ],
                ),
                (
                    "延期",
                    ("辖区", "范围", "至", "件数", "文件", "批准"),
                    [
                        [
                            one.jurisdiction,
                            "整个辖区" if one.standing else "所列各件",
                            closing_time(one.until),
                            one.total,
                            one.document,
                            one.authorised_by,
                        ]
                        for one in self.extended
                    ],
                ),
                (
                    "各项职责",
                    (
                        "编号",
                        "职责",
                        "谁",
                        "到哪一天",
                        "情况",
                        "做到",
                        "做到的部门",
                        "部门数",
                        "依据",
                    ),
                    [
                        [
                            one.id,
                            one.label,
                            "、".join(one.who),
                            str(one.due or one.term),
                            one.figure,
                            {None: "", True: "是", False: "否"}[one.done],
                            one.done_by,
                            len(one.authorities),
                            str(one.cite),
                        ]
                        for one in self.duties
                    ],
                ),
                ("未报机构名单", NON_FILERS, [non_filer_cells(row) for row in self.non_filers]),
            ]
        )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "—"


class ReportService:
    """Makes reports; writes nothing."""

    def __init__(
        self,
        engine: AsyncEngine,
        progress: ProgressService,
        pinned: PinnedRules,
        catalogue: Catalogue,
        duties: DutyService,
    ) -> None:
        self._engine = engine
        self._progress = progress
        self._pinned = pinned
        self._catalogue = catalogue
        self._duties = duties

    async def of(self, period: Period, jurisdiction: str, within: str = "") -> Report:
        """The report of a place, as far as ``within`` reaches. Raises Refused: nothing opened."""
        level: Level = "province" if jurisdiction == NATION else "city"
        figures = await self._progress.figures(
            period, jurisdiction, "region", level=level, within=within
        )
        place = narrower(within, jurisdiction)
        async with self._engine.connect() as connection:
            given = await extensions.of_place(
                connection, period.year, period.quarter, place, None, 200
            )
        to, cite = await self._asked_for(period, jurisdiction)
        duties = await self._duties.of_place(period, jurisdiction, within)
        own = authority_of(jurisdiction)
        return Report(
            place=self._catalogue.areas.get(jurisdiction, "全国"),
            sender=self._catalogue.authority_name(own),
            receiver=self._catalogue.authority_name(to),
            period=str(period),
            as_of=figures.as_of,
            cite=cite,
            progress=figures,
            backlog=await self._progress.backlog(period, jurisdiction, within),
            extended=tuple(given),
            duties=duties,
            non_filers=tuple(
                await self._progress.all_non_filers(period, jurisdiction, within=within)
            ),
        )

    async def _asked_for(self, period: Period, jurisdiction: str) -> tuple[str, Citation | None]:
        """To whom the rules of a place have its progress reported, and in which clause."""
        async with self._engine.connect() as connection:
            opened = await campaigns.of_period(connection, period.year, period.quarter)
        pinned = {place: sha for one in opened for place, sha in one.rule_sets.items()}
        for place in self._catalogue.tree.upwards(jurisdiction):
            if place in pinned:
                rules = await self._pinned.get(pinned[place])
                asked = rules.document.filing.progress_report
                if asked is not None:
                    return asked.reported_to, rules.document.citation(asked.cite)
        return authority_of(NATION), None
