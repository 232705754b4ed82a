"""Windows: inclusive days of Beijing time made instants, and what contradicts what. Pure."""

from collections.abc import Sequence
from datetime import timedelta

from domain.case.plan import WINDOWS, Window
from domain.citation import Citation
from domain.clock import first_instant, first_instant_after
from rules.file.schema import Span, Stage, Windows

Contradiction = tuple[str, str, str, str]


def window(span: Span, cite: Citation) -> Window:
    """A span of inclusive days as a window: it closes at 00:00 of the day after the last."""
    return Window(
        opens=first_instant(span.first),
        closes=first_instant_after(span.last),
        cite=cite,
    )


def contradictions(windows: Windows, stages: Sequence[Stage]) -> list[Contradiction]:
    """What is wrong with windows and stages: code, path below ``filing``, sentence, beside what."""
    found = _reversed(windows, stages)
    return found or [*_order(windows), *_stage_overlaps(stages)]


def _reversed(windows: Windows, stages: Sequence[Stage]) -> list[Contradiction]:
    spans = [
        (f"windows.{name}.to", WINDOWS[name].label, span) for name, span in windows.stated().items()
    ]
    spans += [(f"stages[{i}].to", stage.label, stage) for i, stage in enumerate(stages)]
    return [
        (
            "reversed_window",
            path,
            f"{label}的最后一天 {span.last} 早于第一天 {span.first}；请对调或更正",
            path.removesuffix("to") + "from",
        )
        for path, label, span in spans
        if span.last < span.first
    ]


def _order(windows: Windows) -> list[Contradiction]:
    found = []
    fill, late, review = windows.fill, windows.supplement, windows.review
    correct, quality = windows.correct, windows.quality
    last = late or fill
    if fill and late and late.first <= fill.last:
        message = (
            f"补报从 {late.first} 开始，与填报（到 {fill.last} 为止）重叠；补报要从填报的次日开始"
        )
        found.append(("overlapping_windows", "windows.supplement.from", message, "windows.fill.to"))
    elif fill and late and late.first != fill.last + timedelta(days=1):
        message = (
            f"填报到 {fill.last} 为止，补报却从 {late.first} 开始，中间有空档；请从填报的次日开始"
        )
        found.append(("gap_between_windows", "windows.supplement.from", message, "windows.fill.to"))
    if fill and review and review.first < fill.first:
        message = f"审核从 {review.first} 开始，早于填报开始的 {fill.first}"
        found.append(("window_order", "windows.review.from", message, "windows.fill.from"))
    if last and review and review.last < last.last:
        message = f"审核到 {review.last} 为止，早于填报（补报）的最后一天 {last.last}；会无人审核"
        found.append(("window_order", "windows.review.to", message, "windows.fill.to"))
    if fill and correct and correct.first < fill.first:
        message = f"修改从 {correct.first} 开始，早于填报开始的 {fill.first}"
        found.append(("window_order", "windows.correct.from", message, "windows.fill.from"))
    if last and correct and correct.last < last.last:
        message = f"修改到 {correct.last} 为止，早于填报（补报）的最后一天 {last.last}"
        found.append(("window_order", "windows.correct.to", message, "windows.fill.to"))
    if correct and review and review.last < correct.last:
        message = f"修改到 {correct.last} 为止，晚于审核的最后一天 {review.last}；改完会无人审核"
        found.append(("window_order", "windows.correct.to", message, "windows.review.to"))
    if quality and review and quality.first < review.first:
        message = f"质量审查从 {quality.first} 开始，早于审核开始的 {review.first}"
        found.append(("window_order", "windows.quality.from", message, "windows.review.from"))
    if quality and review and quality.last < review.last:
        message = f"质量审查到 {quality.last} 为止，早于审核的最后一天 {review.last}"
        found.append(("window_order", "windows.quality.to", message, "windows.review.to"))
    return found


def _stage_overlaps(stages: Sequence[Stage]) -> list[Contradiction]:
    found = []
    ids = [stage.id for stage in stages]
    for index, stage in enumerate(stages):
        for name in stage.overlaps:
            if name not in ids:
                message = f"overlaps 里的 {name} 不是任何阶段的 id；有：{'、'.join(ids)}"
                found.append(("unknown_stage", f"stages[{index}].overlaps", message, ""))
        for other in stages[:index]:
            apart = other.last < stage.first or stage.last < other.first
            if not apart and other.id not in stage.overlaps and stage.id not in other.overlaps:
                message = (
                    f"阶段“{stage.label}”（{stage.first} 至 {stage.last}）与“{other.label}”"
                    f"（{other.first} 至 {other.last}）重叠；若通知确实如此，"
                    f"请写 overlaps: [{other.id}]"
                )
                beside = f"stages[{ids.index(other.id)}].from"
                found.append(("overlapping_stages", f"stages[{index}].from", message, beside))
    return found
