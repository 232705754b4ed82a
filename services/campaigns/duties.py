"""The duties of authorities beside filing itself, with how far they have come."""

from datetime import date

from domain.citation import Citation
from domain.duties import Duty, DutyMeasure
from domain.model import Value
from rules.file.catalogue import Catalogue
from store.progress import Figures

_LEVELS = {
    "nation": "市场监管总局",
    "province": "省级市场监管部门",
    "city": "设区市市场监管部门",
    "county": "县级市场监管部门",
    "institution": "检验检测机构",
}


class DutyRow(Value):
    """One duty of a campaign. ``due`` is its last day, None where no day is named.

    ``figure`` says how far it has come, "" where no figure of the system tells; ``done`` is then
    None. ``overdue`` is a duty whose last day is over and that is not known to be done.
    """

    id: str
    label: str
    who: tuple[str, ...]
    due: date | None
    term: str
    once: bool
    years: tuple[int, ...]
    figure: str
    done: bool | None
    overdue: bool
    cite: Citation

    def text(self) -> str:
        """The duty as people read it."""
        when = f"，{self.due} 前（含当日）" if self.due else f"，{self.term}" if self.term else ""
        years = f"，补做 {'、'.join(map(str, self.years))} 年度" if self.years else ""
        state = "没有系统数据可以说明" if self.done is None else self.figure
        late = "，已逾期" if self.overdue and self.done is False else ""
        who = "、".join(self.who)
        return f"{self.label}（{who}{when}{years}）：{state}{late}。依据：{self.cite}"


def duty_row(duty: Duty, total: Figures, catalogue: Catalogue, today: date) -> DutyRow:
    """A duty beside the figures of the place it is done in, as they stand ``today``."""
    figure, done = _measured(duty, total)
    units = {"days": "日", "working_days": "个工作日", "months": "个月"}
    term = duty.term
    return DutyRow(
        id=duty.id,
        label=duty.label,
        who=tuple(_LEVELS.get(who) or catalogue.authority_name(who) for who in duty.who),
        due=duty.due,
        term=f"{term.event}之后 {term.term.days} {units[term.term.unit]}内" if term else "",
        once=duty.once,
        years=duty.years,
        figure=figure,
        done=done,
        overdue=duty.due is not None and duty.due < today and done is not True,
        cite=duty.cite,
    )


def _measured(duty: Duty, total: Figures) -> tuple[str, bool | None]:
    if duty.measure is DutyMeasure.BY_HAND:
        return "", None
    if duty.measure is DutyMeasure.NO_NON_FILERS:
        return f"从未提交 {total.not_filed} 家", total.not_filed == 0
    reached = {
        DutyMeasure.SUBMITTED: total.submitted,
        DutyMeasure.APPROVED: total.approved,
        DutyMeasure.COMPLETED: total.completed,
    }[duty.measure]
    word = {"submitted": "已提交", "approved": "审核通过", "completed": "办结"}[duty.measure]
    wanted = float(duty.share or "1") * total.must
    share = f"{100 * reached / total.must:.1f}%" if total.must else "—"
    return f"{word} {reached}/{total.must} 家（{share}）", reached >= wanted
