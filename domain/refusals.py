"""Refusals as data: a stable code, its parameters, the clause behind it, the date concerned.

The table of codes is all there is to say of each: adding one is adding its row.
"""

from datetime import datetime
from enum import StrEnum, unique
from typing import Any, NamedTuple

from pydantic import Field

from domain.citation import Citation
from domain.model import Recorded


class Words(NamedTuple):
    """``title`` names the refusal, ``detail`` what happened, ``remedy`` what the person can do."""

    title: str
    detail: str
    remedy: str


@unique
class Code(StrEnum):
    """Every reason for which something asked of the system can be refused.

    Each with the HTTP status it is answered with (409 where the request is understood and the case
    does not allow it now) and its words in Chinese, parameters in braces.
    """

    status: int
    words: Words

    def __new__(cls, code: str, *row: Any) -> "Code":
        """A member of its row; one that leaves anything out keeps the program from starting."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.status, title, detail, remedy = row
        member.words = Words(title, detail, remedy)
        return member

    # the life of a case
    NOT_OPEN_YET = "not_open_yet", 409, "尚未开放", "填报将于 {at}开放。", "请在开放之后提交。"
    FILL_CLOSED = (
        "fill_closed",
        409,
        "填报已截止",
        "填报已于 {at}截止，那时没有提交的不能再填写、提交或撤回。",
        "确有原因的，请联系主管部门说明情况并申请延期。",
    )
    CORRECT_CLOSED = (
        "correct_closed",
        409,
        "修改已截止",
        "修改和重报已于 {at}截止。",
        "确有原因的，请联系主管部门说明情况并申请延期；先延期，再退回或重报。",
    )
    REVIEW_NOT_OPEN = (
        "review_not_open",
        409,
        "审核尚未开始",
        "审核将于 {at}开始。",
        "请在审核开始之后办理。",
    )
    REVIEW_CLOSED = (
        "review_closed",
        409,
        "审核已截止",
        "审核已于 {at}截止。",
        "请由经办人按程序对本件延期，再行办理。",
    )
    QUALITY_NOT_OPEN = (
        "quality_not_open",
        409,
        "质量审查尚未开始",
        "质量审查将于 {at}开始。",
        "请在质量审查开始之后办理。",
    )
    QUALITY_CLOSED = (
        "quality_closed",
        409,
        "质量审查已截止",
        "质量审查已于 {at}截止。",
        "请由经办人按程序对本件延期，再行办理。",
    )
    WRONG_STATUS = (
        "wrong_status",
        409,
        "当前状态不能这样办理",
        "本件现为“{status}”，不能{action}。",
        "请刷新后按当前状态办理：{next}。",
    )
    CASE_ENDED = (
        "case_ended",
        409,
        "本件已结束",
        "本件已为“{status}”，不能{action}。",
        "请按本件的状态办理：{next}。",
    )
    CASE_LAPSED = (
        "case_lapsed",
        409,
        "本件已逾期",
        "本件已于 {at}逾期，不能直接{action}。",
        "请先延期（extension），本件即回到逾期前的状态，可以继续办理；要取消的，再取消。",
    )
    VOLUNTARY_CLOSED = (
        "voluntary_closed",
        409,
        "自愿填报已截止",
        "填报已于 {at}截止；本机构可以不填报，不算逾期。",
        "本年度不用办理；需要填报的，请在下一年度开放之后填报。",
    )
    QUESTION_STATE = (
        "question_state",
        409,
        "提问现在不能这样办理",
        "第 {question} 号提问{state}，不能{action}。",
        "请查看本件的提问（questions），按其现状办理；另有问题的，请另行提问。",
    )
    TOO_MANY_QUESTIONS = (
        "too_many_questions",
        409,
        "提问过多",
        "本件已有 {count} 个提问没有了结。",
        "请等待答复，或先了结（close）已经清楚的提问，再提问。",
    )
    RETURN_ASKED = (
        "return_asked",
        409,
        "填报人已申请退回",
        "填报人已申请退回本件，尚未答复，不能{action}。",
        "请先退回（return），或说明理由、不予退回（decline-return），再办理。",
    )
    NOT_ATTESTED = (
        "not_attested",
        409,
        "单位负责人还没有确认",
        "第 {revision} 稿还没有由单位负责人确认，不能提交；内容改动过的，此前的确认不再有效。",
        "请由单位负责人确认这一稿（attest）后再提交；单位没有人能确认的，"
        "请说明理由、申请免予确认（ask-unsigned）。",
    )
    SIGNER_IS_FILER = (
        "signer_is_filer",
        403,
        "须由单位负责人另行确认",
        "填报和确认须由两个人承担：填写或提交本件的人不能同时作为单位负责人确认。",
        "请由没有填写本件的单位负责人确认；单位没有其他人的，请申请免予确认（ask-unsigned）。",
    )
    NOT_WAIVABLE = (
        "not_waivable",
        409,
        "没有可以豁免的校验",
        "第 {revision} 稿没有这一项阻止提交的校验结果；只有校验（check_failed）可以豁免，"
        "缺项、格式等不能豁免。",
        "请重新读取草稿（draft）的 report，填写其中仍然阻止提交的结果的 sha256。",
    )
    WAIVER_STATE = (
        "waiver_state",
        409,
        "豁免申请现在不能这样办理",
        "第 {waiver} 号豁免申请{state}，不能{action}。",
        "请查看本件的豁免申请（waivers），按其现状办理。",
    )
    WAIVED_BY_ANOTHER = (
        "waived_by_another",
        409,
        "豁免校验的不是审核本件的部门",
        "第 {waivers} 号豁免由 {authorities} 准予，而本次提交由 {reviewer} 审核；"
        "豁免只在准予的部门审核时有效。",
        "请选取准予豁免的部门，或更正数据；"
        "由 {reviewer} 审核的，请向其申请豁免（waivers，写明 choice）。",
    )
    CORRECTION_REASON = (
        "correction_reason",
        422,
        "须写明更正的事由",
        "本件已经办结，更正后重新提交须写明事由和说明；可选的事由：{options}。",
        "请在 correction 中填写事由的代码，在 reason 中写明更正了什么、为什么，再提交。",
    )
    CORRECTION_CHANGES_FIGURES = (
        "correction_changes_figures",
        422,
        "更正改动了统计数据",
        "所写的事由“{label}”不算重大更正，而这一稿的数值或选项与办结的第 {completed} 稿不同。",
        "请改写改动数据的事由；只更正文字的，请恢复数据后再提交。可选的事由：{options}。",
    )
    NO_CORRECTION = (
        "no_correction",
        422,
        "不是对办结填报的更正",
        "本件没有办结后重新开启，不能写更正的事由。",
        "请去掉 correction，再提交。",
    )
    NOT_OWED = (
        "not_owed",
        409,
        "不是必须填报的",
        "本件由机构自愿填报，不填报不算逾期，不能催报。",
        "不用办理；确属必须填报的，请先核对名录中该机构的证书与资质信息。",
    )
    NOT_YOUR_AUTHORITY = (
        "not_your_authority",
        403,
        "不由您所在的部门办理",
        "本件现由 {authority} 办理。",
        "请由该部门的人员办理。",
    )
    NOT_YOUR_CASE = (
        "not_your_case",
        403,
        "不是您所在机构的事项",
        "所请求的内容属于机构 {institution}。",
        "请核对机构编号；确属该机构的，请使用该机构的账号办理。",
    )
    NOT_YOUR_REGION = (
        "not_your_region",
        403,
        "不在您的辖区",
        "所请求的内容属于地区 {region}，您的辖区是 {jurisdiction}。",
        "请核对地区代码；确属该地区的，请由该地区或其上级的经办人办理。",
    )
    NOT_CLAIMED = "not_claimed", 409, "尚未领取", "本件还没有人领取。", "请先领取，再办理。"
    CLAIMED_BY_OTHER = (
        "claimed_by_other",
        409,
        "已由他人领取",
        "本件已由 {person} 领取。",
        "请联系领取人办理，或请其退领后再领取。",
    )
    SAME_PERSON = (
        "same_person",
        403,
        "须由不同的人办理",
        "您已作为{role}参与本件，不能再作为{wanted}办理：填报、审核、质量审查须由三个不同的人承担。",
        "请由其他人员办理。",
    )
    REASON_REQUIRED = (
        "reason_required",
        422,
        "须说明理由",
        "{action}必须说明理由，理由为空。",
        "请在 {field} 中写明理由后重新提交。",
    )
    EXTENSION_NOT_LATER = (
        "extension_not_later",
        422,
        "延期时间无效",
        "延期须晚于现在，也须晚于原定截止时间 {at}。",
        "请在 until 中填写更晚的时间，带时区，如 2025-04-01T00:00:00+08:00。",
    )
    EXTENSION_REPLACED = (
        "extension_replaced",
        409,
        "现行的不是这项延期",
        "本件现在的期限不是由这项延期而来。",
        "不用办理；要缩短本件现行的延期，请查本件（extension）并对该项延期办理。",
    )
    EXTENSION_RELIED_ON = (
        "extension_relied_on",
        409,
        "申报方已依靠这项延期",
        "原定期限已于 {at}截止，本件只靠这项延期才能办理，提前收回会使申报方逾期。",
        "不用办理：本件的延期照旧；确须提前结束的，请与申报方商定后另行处理。",
    )
    EXTENSION_NOT_EARLIER = (
        "extension_not_earlier",
        422,
        "缩短后的时间无效",
        "缩短后的时间须早于现定的 {at}，也不能早于现在。",
        "请在 until 中填写更早的时间；不填即自现在起收回。",
    )
    AMENDMENT_UNNEEDED = (
        "amendment_unneeded",
        409,
        "不受这次修订影响",
        "这里适用的规则没有新发布的修订。",
        "不用办理；要修订的，请先发布新的一版（zhibao rules publish）。",
    )
    AMENDMENT_DECIDED = (
        "amendment_decided",
        409,
        "修订不及于已经确定的事项",
        "这一修订不适用于本件：{why}。",
        "本件仍按原来的规则办理；需要更多时间的请用延期（zhibao campaign extend）。",
    )
    PERSON_NOT_FIT = (
        "person_not_fit",
        409,
        "不能交给这个人办理",
        "{person} 已作为{role}参与本件，不能再作为{wanted}："
        "填报、审核、质量审查须由三个不同的人承担。",
        "请交给其他人员。",
    )
    PERSON_REVOKED = (
        "person_revoked",
        409,
        "这个人的身份已停用",
        "{person} 为 {authority} 办事的身份已于 {at}停用。",
        "请交给其他人员。",
    )
    NOTHING_TO_SUBMIT = (
        "nothing_to_submit",
        422,
        "没有可提交的内容",
        "尚未保存过填报内容。",
        "请先保存填报内容，再提交。",
    )
    STALE_REVISION = (
        "stale_revision",
        409,
        "提交的不是最新内容",
        "提交的是第 {revision} 稿，系统中最新为第 {latest} 稿。",
        "请核对最新一稿后再提交。",
    )
    STALE_FILES = (
        "stale_files",
        409,
        "附件已经变动",
        "所列的附件与现在的不同：{gone} 件已不在，{new} 件没有列出。",
        "请重新查看附件（files），核对后再办理。",
    )
    CONTENT_ALTERED = (
        "content_altered",
        409,
        "内容与记录不符",
        "{what}与保存时记下的不符，可能被人在数据库中改动过，不予显示，也不能据以办理。",
        "请把办件编号 {case} 告知系统管理员，由其运行 zhibao audit verify 查明，从备份恢复原稿。",
    )
    CONTENT_DESTROYED = (
        "content_destroyed",
        409,
        "内容已按规定销毁",
        "{case} 的内容已过保存期限，或按规定提前销毁：密钥已不存在，任何人不能再读，也不能再写入。",
        "办理经过和内容的哈希仍在日志中，可以核对；内容本身不能恢复。",
    )
    CONTENT_INCOMPLETE = (
        "content_incomplete",
        422,
        "内容未填完整或不符合校验",
        "共有 {count} 处问题。",
        "请按逐项提示修改后再提交。",
    )
    PART_NOT_REQUIRED = (
        "part_not_required",
        409,
        "草稿里有不再需要填报的部分",
        "草稿里的 {parts} 按机构现在的名录信息不用填报；现在应填报的是 {required}。",
        "请从草稿中去掉 {parts}，保存后再提交；机构仍应填报的，请先由经办人更正名录。",
    )
    CHOICE_NOT_AN_ISSUER = (
        "choice_not_an_issuer",
        422,
        "选取的审核部门不对",
        "选取的“{choice}”没有为本机构颁发有效的资质认定证书，也不是本机构的归口审核部门。",
        "请在本机构的发证或归口部门中选取一个。",
    )
    CHOICE_NEEDED = (
        "choice_needed",
        422,
        "须选取审核部门",
        "本机构的资质认定证书能力范围相当，按规则不能自动确定审核部门。",
        "请选取一个上报审核的部门，再提交。",
    )
    NOBODY_APPLIES = (
        "nobody_applies",
        409,
        "没有适用的审核部门",
        "按规则，本机构现有的证书和资质没有对应的审核部门。",
        "请核对机构的证书与资质信息；信息无误的，请联系所在地市场监管部门。",
    )
    # report numbers and complaints
    UPLOADS_UNDER_WAY = (
        "uploads_under_way",
        409,
        "还有文件在核对",
        "还有 {count} 份上传的文件没有核对完。",
        "请等核对完成后再办理；进度见上传列表。",
    )
    TOTAL_DIFFERS = (
        "total_differs",
        422,
        "报告编号数量不一致",
        "您声明本季度共 {given} 个编号，系统中有效的为 {latest} 个。",
        "请核对上传结果；少的补充上传，多的撤回，再按系统中的数量声明。",
    )
    NUMBERS_NOT_ON_RECORD = (
        "numbers_not_on_record",
        422,
        "有的编号不能撤回或更正",
        "共 {count} 个编号不在本季度有效的编号之列，或更正后的内容不合要求；一个也没有改动。",
        "请按逐项提示修改后重新提交。",
    )
    UPLOAD_CLOSED = (
        "upload_closed",
        409,
        "这份上传不再接收内容",
        "这份上传现为“{stage}”，不能{action}。",
        "需要补充的，请另行上传一份文件。",
    )
    UPLOAD_GAP = (
        "upload_gap",
        409,
        "上传的位置不对",
        "系统已收到前 {received} 个字节，这一段却从第 {given} 个字节开始，或与已收到的内容不同。",
        "请查询已收到的字节数，从那里继续；文件有改动的，请另行上传。",
    )
    UPLOAD_INCOMPLETE = (
        "upload_incomplete",
        422,
        "文件没有收齐",
        "收到 {received} 个字节，应为 {declared} 个字节，或 SHA-256 与声明的不同。",
        "请从已收到的位置继续上传；内容不同的，请放弃这一份，重新上传。",
    )
    QUARTER_NOT_OPEN = (
        "quarter_not_open",
        404,
        "这一季度的报送尚未开启",
        "{quarter} 的报告编号报送尚未在 {jurisdiction} 开启。",
        "请由经办人先开启该季度的报送。",
    )
    NOT_IN_REPORTING = (
        "not_in_reporting",
        409,
        "不在报告编号报送范围",
        "按规则，机构 {institution} 不能报送报告编号。",
        "请核对机构的资质认定证书；有误的，请先更新名录。",
    )
    BATCH_EXISTS = (
        "batch_exists",
        409,
        "报送已存在",
        "机构 {institution} 的 {quarter} 报告编号报送已存在。",
        "请直接办理已有的报送。",
    )
    LATEST_YEAR_NOT_COMPLETED = (
        "latest_year_not_completed",
        409,
        "最近一年的统计尚未完成",
        "{year} 统计年度的填报已经截止，本机构的年度统计没有完成，现在不能上传报告编号。",
        "该年度的填报仍在办理的，请等到办结再上传；已逾期或撤回的，请联系主管部门申请延期，办结之后再上传。",
    )
    FIRST_FILING_NOT_COMPLETED = (
        "first_filing_not_completed",
        409,
        "首次年度统计尚未完成",
        "本机构还没有完成过年度统计，现在不能上传报告编号。",
        "请在年度统计开放时完成填报，办结之后再上传。",
    )
    # certificates
    NO_CERTIFICATE = (
        "no_certificate",
        409,
        "还没有发证",
        "本件还没有发证，不能这样办理。",
        "请在发证之后办理。",
    )
    CERTIFICATE_NOT_IN_FORCE = (
        "certificate_not_in_force",
        409,
        "证书不在有效状态",
        "证书 {number} 现为“{status}”，不能这样办理。",
        "请核对证书编号；需要重新取得资质的，请另行申请。",
    )
    CERTIFICATE_EXISTS = (
        "certificate_exists",
        409,
        "本件已经发证",
        "本件已发证书 {number}。",
        "要改证书内容的，请申请变更或扩项；要延续的，请另建延续申请。",
    )
    DECIDED_BY_ISSUER_ONLY = (
        "decided_by_issuer_only",
        403,
        "不能自行填写审批结果",
        "审批结果只能由发证机关的经办人登记。",
        "请去掉审批结果后提交，由发证机关审核。",
    )
    CERTIFICATE_NOT_ENDED = (
        "certificate_not_ended",
        409,
        "证书没有被终止",
        "证书 {number} 现为“{status}”，没有误登记的注销、撤销或吊销可以更正。",
        "请核对证书编号。",
    )
    REPLACED_MEANWHILE = (
        "replaced_meanwhile",
        409,
        "已另行发证",
        "证书 {number} 终止之后，已换发新证 {by}，不能再恢复。",
        "请改为更正终止的方式或日期，或先依法处理新证。",
    )
    FILERS_DRAFT = (
        "filers_draft",
        409,
        "这是机构自己的申请",
        "这份申请由机构自己填写和提交，发证机关的经办人不能改写或代为提交。",
        "需要修改的，请在审核中退回并写明理由；要按发证机关的决定采集的，请另建申请。",
    )
    ENDING_DAY_OUTSIDE = (
        "ending_day_outside",
        422,
        "终止日期不对",
        "终止日期须在发证日 {first} 至今日 {last} 之间。",
        "请按文书上的日期填写。",
    )
    ENDING_INCOMPLETE = (
        "ending_incomplete",
        422,
        "终止证书的依据不全",
        "{ending}须写明{missing}。",
        "请按文书补充后重新提交。",
    )
    NUMBER_TAKEN = (
        "number_taken",
        409,
        "证书编号已被使用",
        "编号 {number} 已有证书登记；编号从不重复使用。",
        "请核对原证书的编号；需要新编号的，请把编号留空，由系统分配。",
    )
    SERIALS_EXHAUSTED = (
        "serials_exhausted",
        409,
        "本年流水号已用完",
        "{authority} {year} 年的四位流水号已用到 9999。",
        "请联系市场监管总局明确后续编号办法；本件保持原状，没有改动。",
    )
    SERIAL_NOT_HIGHER = (
        "serial_not_higher",
        422,
        "流水号起点不对",
        "编号 {number} 已分配或已登记，起点不能低于它的流水号。",
        "请填写不小于 {last} 的数。",
    )
    NO_AUTHORITY_CODE = (
        "no_authority_code",
        409,
        "发证机关没有代码",
        "证书编号的代码表里没有 {authority} 的发证机关代码。",
        "请由市场监管总局明确代码，并写进 certificates.yaml。",
    )
    RENEWAL_EARLY = (
        "renewal_early",
        409,
        "还不到申请延续的时候",
        "证书 {number} 的有效期到 {valid_to}，{opens} 起可以申请延续。",
        "请在 {opens} 至 {due} 之间提出申请。",
    )
    RENEWED_ALREADY = (
        "renewed_already",
        409,
        "已有延续申请",
        "证书 {number} 已由 {other} 办理延续。",
        "请在那一件申请上继续办理；不再需要的，先撤回那一件。",
    )
    PREDECESSOR_ENDED = (
        "predecessor_ended",
        409,
        "原证书已终止",
        "本件申请延续的证书 {number} 现为“{status}”，不能再批准延续。",
        "请退回本件，或者不予批准；需要重新取得资质的，由机构另行申请发证。",
    )
    OTHER_HOLDER = (
        "other_holder",
        422,
        "不是同一机构的证书",
        "证书 {number} 不属于机构 {institution}。",
        "请核对机构和证书编号。",
    )
    CHANGE_OUTSIDE = (
        "change_outside",
        422,
        "改动超出了所选的变更种类",
        "“{change}”不能改：{fields}。",
        "请改选合适的变更种类，或者分别申请；增加检验检测项目请申请扩项。",
    )
    UNKNOWN_CHANGE = (
        "unknown_change",
        422,
        "没有这种变更",
        "规则里没有变更种类“{change}”。",
        "请从 {known} 中选取。",
    )
    DECISION_IMPOSSIBLE = (
        "decision_impossible",
        422,
        "审批结果不合理",
        "审批结果不能登记：{because}。",
        "请按审批文书核对后重新提交。",
    )
    NOT_SIGNED = (
        "not_signed",
        409,
        "证书还没有签名",
        "证书 {number} 发证时没有可用的签名密钥，二维码无法生成。",
        "请系统管理员先运行 zhibao certificates keys add 增加密钥，"
        "再运行 zhibao certificates sign 补签，然后重新打印。",
    )
    CONTENT_NOT_ON_RECORD = (
        "content_not_on_record",
        409,
        "没有证书内容",
        "证书 {number} 只在名录里有编号，没有登记内容，不能打印。",
        "请发证机关补录该证书的内容后再打印。",
    )
    CHARACTERS_MISSING = (
        "characters_missing",
        409,
        "有打印不出的字",
        "不能打印：{said}",
        "文字有误的，请按变更程序更正；生僻字请系统管理员把含有该字的字体放入模板文件夹。",
    )
    TEMPLATE_BROKEN = (
        "template_broken",
        500,
        "证书模板有误",
        "不能打印：{said}",
        "请联系系统管理员；日志里有出错的文件和行。",
    )
    MANUAL_MODE = (
        "manual_mode",
        409,
        "该省现为手动赋码模式",
        "{authority}现为“手动赋码”模式，不接收联网送达，本次没有登记任何内容。",
        "请由总局在 certificates.yaml 的 modes.provinces 中把 {id} 改为 connected；"
        "改用之前可以用联调客户端（sandbox）测试，证书由经办人手动录入或批量导入。",
    )
    OTHER_ISSUER = (
        "other_issuer",
        403,
        "不是本机关颁发的证书",
        "{what}的发证机关是 {authority}。",
        "请核对发证机关和证书编号；由该发证机关的经办人，或它自己的审批系统办理。",
    )
    CERTIFICATE_NOT_TAKEN_OVER = (
        "certificate_not_taken_over",
        409,
        "证书还没有接收",
        "证书 {number} 只有名录登记，没有证书内容和代码。",
        "请先把它作为已有证书送达（action 为 issue，decision.number 填原编号），再办理。",
    )
    CLIENT_REFUSED = (
        "client_refused",
        401,
        "客户端编号或密钥无效",
        "客户端编号或密钥不对，或者该客户端已停用（{why}）。",
        "请核对 Authorization: Basic 中的客户端编号和密钥；密钥遗失的，请总局经办人轮换。",
    )
    CLIENTS_ONLY = (
        "clients_only",
        403,
        "只供联网的审批系统调用",
        "这一接口须由已登记的客户端，用 /api/connected/token 取得的凭证调用。",
        "人员请用证书办件的接口办理；系统请先取得凭证。",
    )
    TOO_MANY_DELIVERIES = (
        "too_many_deliveries",
        429,
        "请求过于频繁",
        "{counted}在 {window} 秒内的请求已达上限 {limit} 次，本次没有办理。",
        "请在 {seconds} 秒之后重试，送达编号不变；大量送达请用批量接口，错开时间。",
    )
    # what another person confirms
    AWAITS_CONFIRMATION = (
        "awaits_confirmation",
        409,
        "已提出，须另一人确认",
        "“{act}”须由两个人办理：您已提出（编号 {id}），还没有办理。",
        "请由本部门或本辖区的另一个人（{roles}）在 {at}之前确认，地址 /api/confirmations/{id}；"
        "{then}不再需要的请撤回。",
    )
    CONFIRMATION_LATE = (
        "confirmation_late",
        409,
        "确认的期限已过",
        "这一事项须在 {at}之前由另一人确认，现已过期，没有办理。",
        "仍需办理的，请用新的 Idempotency-Key 重新提出。",
    )
    OWN_PROPOSAL = (
        "own_proposal",
        409,
        "不能自己确认",
        "这一事项由 {person} 自己提出，须由另一个人确认或不予确认。",
        "请另一位有权确认的人办理；不再需要的，请撤回。",
    )
    NOT_TO_CONFIRM = (
        "not_to_confirm",
        403,
        "不能确认这一事项",
        "规则规定这一事项由{wanted}确认，程序和联网系统不能代人确认。",
        "请由有此身份的人办理；您现在的身份见 /api/me。",
    )
    PROPOSERS_ONLY = (
        "proposers_only",
        409,
        "只能由提出人撤回",
        "这一事项由 {person} 提出，只能由其撤回。",
        "不同意办理的，请写明理由，不予确认。",
    )
    CONFIRMATION_DECIDED = (
        "confirmation_decided",
        409,
        "已有结果",
        "这一事项已于 {at}由 {person} 办结，结果是“{state}”。",
        "仍需办理的，请用新的 Idempotency-Key 重新提出。",
    )
    CONFIRMED_AND_REFUSED = (
        "confirmed_and_refused",
        409,
        "已确认，但不能办理",
        "另一人已经确认，但办理时被拒绝：{why}",
        "请按所说的更正后，重新提出。",
    )
    # the request
    UNAUTHENTICATED = (
        "unauthenticated",
        401,
        "未登录或凭证无效",
        "请求没有带有效的凭证（{why}）。",
        "请用 Authorization: Bearer 请求头带上有效的凭证；"
        "没有或已过期的，请系统管理员签发（zhibao token）。",
    )
    FORBIDDEN = (
        "forbidden",
        403,
        "没有权限",
        "以“{role}”的身份不能办理这一事项。",
        "请由{wanted}办理；您现在的身份见 /api/me。",
    )
    UNSIGNED_COMMAND = (
        "unsigned_command",
        503,
        "命令没有网关的签名",
        "流程收到的这一命令没有有效的网关签名，没有办理。",
        "各 API 和 worker 进程的密钥必须一致；请联系运维人员核对后重试。",
    )
    NOT_FOUND = (
        "not_found",
        404,
        "没有找到",
        "没有找到{what}。",
        "请核对编号或地址后重试。",
    )
    METHOD_NOT_ALLOWED = (
        "method_not_allowed",
        405,
        "不支持这一操作",
        "这一地址不支持 {method}。",
        "请改用 {allowed}；接口文档见 /docs。",
    )
    INVALID_BODY = (
        "invalid_body",
        422,
        "请求内容有误",
        "请求内容共有 {count} 处错误。",
        "请按逐项提示修改后重新提交；格式见 /docs。",
    )
    INVALID_PARAMETER = (
        "invalid_parameter",
        422,
        "参数有误",
        "参数 {name} 有误：{why}。",
        "请修改后重试；格式见 /docs。",
    )
    UNKNOWN_HOST = (
        "unknown_host",
        421,
        "不是本系统的域名",
        "本系统不以请求中的主机名提供服务。",
        "请使用公布的网址；域名由运维人员以 ZHIBAO_HOSTS 设定。",
    )
    TOO_SLOW = (
        "too_slow",
        408,
        "发送过慢",
        "请求的内容长时间没有传完，连接已结束，什么都没有保存。",
        "请检查网络后重新发送；报告编号文件可从断点继续上传。",
    )
    TOO_LARGE = "too_large", 413, "内容过大", "内容超过上限 {limit}。", "请缩减或拆分后重试。"
    UNSUPPORTED_MEDIA_TYPE = (
        "unsupported_media_type",
        415,
        "内容类型不支持",
        "不支持{given}。",
        "请使用 {wanted}。",
    )
    KEY_REQUIRED = (
        "key_required",
        428,
        "缺少 Idempotency-Key",
        "写操作须带 Idempotency-Key 请求头（1 至 200 个可见 ASCII 字符）。",
        "请为每次操作生成一个新的键；重试时使用同一个键。",
    )
    KEY_REUSED = (
        "key_reused",
        422,
        "Idempotency-Key 已用于另一请求",
        "同一个键已用于内容不同的请求。",
        "新的操作请换用新的键；重试请保持内容不变。",
    )
    MATCH_REQUIRED = (
        "match_required",
        428,
        "缺少 If-Match",
        "保存填报内容须带 If-Match 请求头，值为所改那一稿的 ETag。",
        '请先读取最新一稿，再保存；首次保存用 "0"。',
    )
    REVISION_CONFLICT = (
        "revision_conflict",
        412,
        "内容已被他人更新",
        "您改的是第 {given} 稿，系统中最新为第 {latest} 稿。",
        "请读取最新一稿，合并后再保存。您这次的内容没有保存。",
    )
    # campaigns, institutions, rules
    RULES_NOT_FOUND = (
        "rules_not_found",
        404,
        "没有相应的规则",
        "没有 {year} 统计年度、{jurisdiction} 的规则。{known}",
        "请核对年度和辖区代码；现有的规则用 zhibao rules check 查看。",
    )
    FORM_INVALID = (
        "form_invalid",
        409,
        "表单文件未通过核对",
        "服务器规则目录中的表单有问题：{first}",
        "请用 zhibao rules check 查看全部问题，改正后重试。",
    )
    FORM_EXPIRED = (
        "form_expired",
        409,
        "表单已过有效期限",
        "《{form}》（表号 {table}，文号 {approval}）的有效期限到 {until} 为止，不能再填报。",
        "统计调查对象有权拒绝填报过期的统计表；请联系 {authority}，等待重新批准或备案的表单。",
    )
    CONDITION_FAILED = (
        "condition_failed",
        409,
        "规则对本机构算不出结果",
        "规则的条件 {condition} 对本机构的情况算不出结果：{problem}。什么都没有改变。",
        "请把代码和请求编号告诉经办人；规则改正并发布新版、以修订用于本次统计之后再办。",
    )
    RULES_INVALID = (
        "rules_invalid",
        409,
        "规则文件未通过核对",
        "{year} 统计年度、{jurisdiction} 的规则共有 {count} 处问题，例如 {first}",
        "请用 zhibao rules check 查看全部问题，改正后重试。",
    )
    DUTY_MEASURED = (
        "duty_measured",
        409,
        "这一职责由系统数据说明",
        "这一职责做到没有，由系统里的数据说明，不由部门填写；现在是：{figure}。",
        "请把事情办好，数据随之更新；认为数据不对的，请联系经办人。",
    )
    QUARTER_NOT_AMENDED = (
        "quarter_not_amended",
        409,
        "季度报送不能修订",
        "{year} 是季度的报告编号，正在办理的批次固定按开启时的规则办理。",
        "需要更多时间的请用延期（zhibao campaign extend）；新的规则从下一季度起适用。",
    )
    REVISION_TAKEN = (
        "revision_taken",
        409,
        "修订号没有增加",
        "{year} 统计年度、{jurisdiction} 已经发布到第 {latest} 版，"
        "文件改了内容，修订号却是 {revision}。",
        "请把这个规则文件的 revision 改为 {next} 再发布；随上级规则改变的文件也要改。",
    )
    CAMPAIGN_NOT_FOUND = (
        "campaign_not_found",
        404,
        "统计工作尚未开启",
        "{year} 统计年度、{jurisdiction} 的统计工作尚未开启。",
        "请由经办人先开启该年度的统计工作（zhibao campaign open）。",
    )
    CAMPAIGN_EXISTS = (
        "campaign_exists",
        409,
        "统计工作已经开启",
        "{year} 统计年度、{jurisdiction} 的统计工作已按另一版规则（{sha256}）开启。",
        "请直接办理已经开启的统计工作；要看各件按哪一版规则办理，用 zhibao campaign status。",
    )
    WINDOW_PASSED = (
        "window_passed",
        409,
        "填报期限已过",
        "{year} 统计年度的填报已于 {at}截止，现在开启，没有机构来得及填报。",
        "确需开启的，请说明理由，并写明在期限过后开启（after_window，命令行为 --after-window "
        "--reason）：建立的填报不计应报、不算逾期，延期后才能填报。",
    )
    CAMPAIGN_ANNULLED = (
        "campaign_annulled",
        409,
        "统计工作已作废",
        "{year} 统计年度、{jurisdiction} 的统计工作已经作废，其填报不计入任何统计。",
        "要看作废的理由，用 zhibao campaign status；需要重新开展的，由经办人重新开启。",
    )
    ANNULMENT_UNFINISHED = (
        "annulment_unfinished",
        409,
        "作废还没有办完",
        "{year} 统计年度、{jurisdiction} 的统计工作正在作废，还有 {left} 件填报没有作废，"
        "或者仍在未办完的批办里；办完之前不能重新开启。",
        "请等批办办完后再开启；已停止的批办先用 zhibao jobs resume 继续，"
        "没有批办的再执行一次 zhibao campaign annul。",
    )
    QUARTER_NOT_ANNULLED = (
        "quarter_not_annulled",
        409,
        "季度报送不能作废",
        "{year} 已有机构上传的报告编号，可能已向社会公开，不能随统计工作一并作废。",
        "个别机构确有错误的，请取消（cancel）该件，或由机构更正、撤回编号。",
    )
    LIST_REJECTED = (
        "list_rejected",
        422,
        "名单有误，没有收下",
        "名单共有 {count} 处问题。",
        "请按逐行提示改正后再上传；只保留机构编号（或办件编号）一列。",
    )
    DEPUTY_REFUSED = (
        "deputy_refused",
        422,
        "不能这样登记代办",
        "代办没有登记：{why}。",
        "请核对离岗的人、代办的人和起止时间后再登记。",
    )
    MEMBERSHIP_REFUSED = (
        "membership_refused",
        422,
        "不能这样给予身份",
        "身份没有给予：{why}。",
        "请核对人员、身份、范围和起止时间后再给予。",
    )
    NOT_AN_ADMINISTRATOR = (
        "not_an_administrator",
        403,
        "没有管理这一身份的权限",
        "{person} 不是管理{what}的管理员。",
        "请由该机构、该部门所在辖区或上级辖区的管理员办理。",
    )
    ROLE_ENDED = (
        "role_ended",
        403,
        "身份已到期或收回",
        "{person} 的{role}身份现在不在有效期内。",
        "如有疑问，请联系给予这一身份的管理员。",
    )
    SIGN_IN_REFUSED = (
        "sign_in_refused",
        401,
        "没有登录",
        "账号、密码或动态口令不对。",
        "请核对后再登录；忘记密码或更换手机的，请管理员重发一次性链接。",
    )
    NO_ROLE = (
        "no_role",
        403,
        "没有可用的身份",
        "账号 {person} 现在没有可用的身份{why}。",
        "请联系本机构或本辖区的管理员。",
    )
    IDENTITY_UNKNOWN = (
        "identity_unknown",
        403,
        "还没有绑定账号",
        "您在{provider}的身份没有绑定本系统的账号。",
        "请向本机构或本辖区的管理员索取一次性链接，由链接绑定。",
    )
    PROVIDER_REFUSED = (
        "provider_refused",
        400,
        "登录没有完成",
        "{provider}的答复不能采信（{why}）。",
        "请回到登录页重新开始。",
    )
    PROGRAM_REFUSED = (
        "program_refused",
        401,
        "程序的账号或密钥无效",
        "程序的账号或密钥不对、密钥已失效，或者没有所要的身份。",
        "请核对账号、密钥和 scope；密钥遗失的，请管理员另发。",
    )
    LINK_ENDED = (
        "link_ended",
        404,
        "链接已失效",
        "这一链接不存在、已经用过或已到期。",
        "请管理员重发一次性链接。",
    )
    PASSWORD_UNFIT = (
        "password_unfit",
        422,
        "密码没有设定",
        "密码没有设定：{why}。",
        "请按提示修改后再提交。",
    )
    FORM_REFUSED = (
        "form_refused",
        403,
        "表单已失效",
        "这一表单不是为您现在的登录打开的。",
        "请回到上一页，刷新后再提交。",
    )
    ROLE_REVOKED = (
        "role_revoked",
        403,
        "身份已停用",
        "{person} 为 {authority} 办事的身份已于 {at}停用。",
        "如有疑问，请联系本部门的经办人；恢复之后，原来的凭证仍可使用。",
    )
    NOTHING_SELECTED = (
        "nothing_selected",
        422,
        "没有选中任何办件",
        "按所给的条件或清单，没有您可以办理的办件。",
        "请核对年度、区域、状态等条件，或办件编号清单；只能选择本辖区、本部门的办件。",
    )
    QUARTER_NOT_CLOSED = (
        "quarter_not_closed",
        409,
        "季度报送不封存汇总",
        "{year} 是季度报告编号的报送；封存汇总的只有年度统计。",
        "请用 zhibao campaign progress 查看季度报送的情况。",
    )
    CAMPAIGN_NOT_OVER = (
        "campaign_not_over",
        409,
        "统计工作的期限未过",
        "{year} 统计年度的{window}到{at}才截止，此前不能关闭。",
        "请在该期限过后再关闭；误开的统计工作请作废（zhibao campaign annul）。",
    )
    FILINGS_UNFINISHED = (
        "filings_unfinished",
        409,
        "还有填报没有办结",
        "{year} 统计年度还有 {count} 件填报没有办结。",
        "请先办结；确需现在关闭的，请写明 unfinished（命令行为 --unfinished）并说明理由，"
        "未办结的按现状封存，此后的办理另行列出。",
    )
    CAMPAIGN_NOT_CLOSED = (
        "campaign_not_closed",
        404,
        "统计工作没有封存的汇总",
        "{year} 统计年度、{jurisdiction} 的统计工作没有关闭，或者其规则没有规定公布。",
        "由经办人在期限过后关闭（zhibao campaign close）；公布还要规则写明 publication。",
    )
    CAMPAIGN_COVERED = (
        "campaign_covered",
        409,
        "已在上级的统计工作中",
        "{year} 统计年度、{jurisdiction} 的机构已由 {covering} 的统计工作列入，"
        "同一机构同一年度只有一件填报。",
        "请直接办理上级的统计工作，按区域（--region {jurisdiction}）筛选、延期和查看进度即可，"
        "不用另行开启。",
    )
    NOTHING_TO_DRAW = (
        "nothing_to_draw",
        409,
        "没有等待抽样的填报",
        "该统计工作没有审核通过、可以质量审查、又还没有参加抽样的填报；规则没有规定抽样的，逐件审查。",
        "请等到有填报审核通过、质量审查开始之后再抽样；已有的抽样用 zhibao campaign sample 查看。",
    )
    UNKNOWN_INSTITUTION = (
        "unknown_institution",
        404,
        "没有这个机构",
        "名录中没有机构 {institution}。",
        "请核对机构编号，或先导入名录。",
    )
    WRONG_ADDRESS = (
        "wrong_address",
        422,
        "不能登记这一送达地址",
        "不能登记：{because}。",
        "请更正 target 后重新登记。",
    )
    UNKNOWN_REGION = (
        "unknown_region",
        422,
        "没有这个监管区域",
        "没有代码为 {region} 的监管区域。",
        "请填写六位区域代码，到区县一级，如 350102。",
    )
    ALREADY_REGISTERED = (
        "already_registered",
        409,
        "机构已经登记",
        "机构编号 {institution} 已在名录中，不能再登记一次。",
        "请核对机构编号；信息有变化的，请由所在辖区的经办人更正名录或办理变更。",
    )
    REGISTRATION_WAITING = (
        "registration_waiting",
        409,
        "已有登记申请",
        "机构编号 {institution} 已有一件登记申请等待办理。",
        "请等所在辖区的经办人办理；内容有误的，请其不予登记后重新申请。",
    )
    REGISTRATION_DECIDED = (
        "registration_decided",
        409,
        "登记申请已经办理",
        "这一申请已于 {at}办为“{state}”。",
        "不予登记的，可以重新申请；已登记的，请到名录中更正。",
    )
    INSTITUTION_MERGED = (
        "institution_merged",
        409,
        "机构已并入其他机构",
        "机构 {institution} 已并入 {into}，不再单独办理。",
        "请以 {into} 办理；已在办的事项仍可用原账号办完。",
    )
    SAME_INSTITUTION = (
        "same_institution",
        422,
        "不能与自己办理",
        "{action}涉及的机构不能重复，机构 {institution} 出现了不止一次。",
        "请核对机构编号，每家只写一次。",
    )
    USCC_UNCHANGED = (
        "uscc_unchanged",
        409,
        "信用代码没有变化",
        "机构 {institution} 的统一社会信用代码已经是 {uscc}。",
        "不用再办；写错的，请填写变更后的代码。",
    )
    NOT_EFFECTIVE_YET = (
        "not_effective_yet",
        422,
        "变更尚未生效",
        "生效日期 {day} 在今天之后。",
        "请在生效之日起再办，或核对日期。",
    )
    CERTIFICATE_STAYS = (
        "certificate_stays",
        409,
        "证书不能随分立转移",
        "证书 {number} 是在本系统按申请颁发的，只属于申请的机构。",
        "请由分立出的机构向发证机关申请新证，再按程序注销原证。",
    )
    ATTACHMENT_UNFIT = (
        "attachment_unfit",
        422,
        "附件与类型不符",
        "附件的内容或文件名后缀不是 {wanted}。",
        "请核对 Content-Type、文件名后缀和文件本身，三者须一致。",
    )
    TOO_MANY_ATTACHMENTS = (
        "too_many_attachments",
        409,
        "附件过多",
        "每则至多 {most} 件附件，已经满了。",
        "请先移除不用的附件，或另发一则。",
    )
    LEGAL_PERSON_FILES_ONCE = (
        "legal_person_files_once",
        409,
        "同一法人只填报一次",
        "{institution} 与 {other} 属同一法人，{year}年度由 {other} 填报。",
        "请由 {other} 一并填报；确是另一独立法人或确需沿用此前账号的，请报所在辖区的经办人认定。",
    )
    CENTRE_FILED_BY_LEAD = (
        "centre_filed_by_lead",
        409,
        "共建的中心由牵头单位填报",
        "“{centre}”的社会责任报告已由 {other} 填报。",
        "请由牵头单位汇总填写一份；牵头单位有误的，请报所在辖区的经办人更正名录。",
    )
    ATTACHMENT_INFECTED = (
        "attachment_infected",
        422,
        "附件含有恶意程序",
        "附件没有通过查毒，没有保存。",
        "请在本机查杀后，换用干净的文件。",
    )
    ANNOUNCEMENT_WITHDRAWN = (
        "announcement_withdrawn",
        409,
        "公告已撤下",
        "这一公告已于 {at}撤下，不能再改。",
        "请另发一则。",
    )
    SHOWN_NEVER = (
        "shown_never",
        422,
        "有效期间不对",
        "有效期间在 {at}结束，不晚于开始。",
        "请把 shown_until 改到 shown_from 之后，或都不填：即时有效，不设期限。",
    )
    NOT_IN_STATISTICS = (
        "not_in_statistics",
        409,
        "不在统计范围",
        "按规则，机构 {institution} 不在统计范围。",
        "请核对机构的证书与资质信息；有误的，请先更正名录，再建立填报；无误的不用填报。",
    )
    FILING_EXISTS = (
        "filing_exists",
        409,
        "填报已存在",
        "机构 {institution} 的 {year} 年度填报已存在。",
        "请直接办理已有的填报。",
    )
    ROSTER_REJECTED = (
        "roster_rejected",
        422,
        "名录没有导入",
        "文件共 {rows} 行，其中 {bad} 处错误；没有导入任何机构。",
        "请按逐行报告修改后重新导入；只有部分机构有错的，也可以用 accept=good 只导入无误的。",
    )
    # enforcement
    NOTHING_TO_PROPOSE = (
        "nothing_to_propose",
        409,
        "没有可以提出的措施",
        "对 {case}，规则没有可以提出的措施：{because}。",
        "请核对该件的状态和日期；要依据承办人的认定提出的，请写明 findings 和证据。",
    )
    ENFORCEMENT_UNDER_WAY = (
        "enforcement_under_way",
        409,
        "已经立案",
        "对 {case} 已经立案 {other}，还没有结束。",
        "请办理那一件；确需另立一件的，请单独立案。",
    )
    UNKNOWN_MEASURE = (
        "unknown_measure",
        409,
        "没有这项措施",
        "本件可以提出的措施里没有 {measure}。",
        "请在可以提出的措施中选择：{there}。",
    )
    NOT_HEARD = (
        "not_heard",
        409,
        "还没有事先告知",
        "{measure}要先告知机构，听取陈述、申辩，才能决定。",
        "请由承办人先作事先告知（notice）。",
    )
    STATEMENT_RUNNING = (
        "statement_running",
        409,
        "陈述、申辩的期限未满",
        "机构可以陈述、申辩到 {at} 为止，届满之前不能决定采取措施。",
        "请在期满之后决定；要不采取措施的，现在就可以决定（outcome 填 dismiss）。",
    )
    STATEMENT_CLOSED = (
        "statement_closed",
        409,
        "陈述、申辩的期限已满",
        "陈述、申辩的期限已于 {at}届满。",
        "对随后的决定不服的，可以提出异议，也可以依法申请行政复议或者提起行政诉讼。",
    )
    DECISION_OVERDUE = (
        "decision_overdue",
        409,
        "作出决定的期限已过",
        "应当在 {at} 之前决定，逾期的不再采取措施。",
        "本件不再办理；仍有新的事实的，请另行立案。",
    )
    SERVICE_OVERDUE = (
        "service_overdue",
        409,
        "送达的期限已过",
        "决定应当在 {at} 之前送达，没有按时送达的不生效。",
        "本件不再办理；仍有必要的，请另行立案。",
    )
    BASIS_REQUIRED = (
        "basis_required",
        409,
        "须写明作出处罚的法律依据",
        "{measure}是行政处罚，通知不能设定行政处罚（行政处罚法第十六条），"
        "要写明本部门依哪部法律哪一条有权作出。",
        "请在 basis 中写明；写不出的，请决定不采取（dismiss），或者移送有权的机关。",
    )
    NOT_CURABLE = (
        "not_curable",
        409,
        "这项措施不因补报而解除",
        "规则没有写{measure}因补报而解除。",
        "认为有误的，可以提出异议。",
    )
    NOT_CURED = (
        "not_cured",
        409,
        "还没有补报并通过审核",
        "所涉的填报在立案之后还没有通过审核。",
        "请先补报，由承办人核对后办理：{cure}。",
    )
    CURED_MEANWHILE = (
        "cured_meanwhile",
        409,
        "已经补报并通过审核",
        "所涉的填报在立案之后已经通过审核，“{measure}”的解除条件已经满足，不再采取。",
        "请决定不采取（dismiss），或者由承办人撤回。",
    )
    CALENDAR_MISSING = (
        "calendar_missing",
        409,
        "期限数不出来",
        "期限要数到 {year} 年，系统里还没有该年的放假安排，不能推算。",
        "请由系统管理员按国务院办公厅的通知补上 rules/calendar/{year}.yaml 后再办理。",
    )
    APPLICATIONS_REFUSED = (
        "applications_refused",
        409,
        "不受理该机构的资质认定申请",
        "对该机构采取的措施“{measure}”自 {since} 起生效，有效期间不受理其新的资质认定申请。",
        "请先消除所针对的情形：{cure}。",
    )
    # the public
    TOO_MANY_LOOKUPS = (
        "too_many_lookups",
        429,
        "查询过于频繁",
        "{counted}在 {window} 秒内的查询已达上限 {limit} 次，本次没有查询。",
        "请在 {seconds} 秒之后再查。",
    )
    TOO_MANY_COMPLAINTS = (
        "too_many_complaints",
        429,
        "投诉过于频繁",
        "{counted}在 {window} 秒之内已提交 {limit} 件投诉，这一件没有提交。",
        "请在 {seconds} 秒之后再提交。",
    )
    TOO_MANY_SIGN_INS = (
        "too_many_sign_ins",
        429,
        "登录过于频繁",
        "{counted}在 {window} 秒内的登录已达上限 {limit} 次，本次没有核对。",
        "请在 {seconds} 秒之后再登录。",
    )
    # the system itself
    SEARCH_TOO_WIDE = (
        "search_too_wide",
        422,
        "查询的条件太宽",
        "按所给的条件要找的太多，没有在规定的时间内查完。",
        "请改用证书编号、统一社会信用代码，或者写得更全的机构名称、能力、标准再查。",
    )
    TOO_MANY_REQUESTS = (
        "too_many_requests",
        429,
        "一段时间内的请求过多",
        "{counted}在 {window} 秒内最多请求 {limit} 次。",
        "请在 {seconds} 秒后用同一个 Idempotency-Key 再试；成批办理请用批办（/api/jobs）。",
    )
    BUSY = (
        "busy",
        429,
        "系统繁忙",
        "请求过多，暂时不能办理。",
        "请稍后用同一个 Idempotency-Key 重试。",
    )
    UNAVAILABLE = (
        "unavailable",
        503,
        "暂时不能办理",
        "{part}暂时没有响应；本次操作是否已经生效，尚不能确定。",
        "请稍后用同一个 Idempotency-Key 重试，不会重复办理。",
    )
    KEYS_MISSING = (
        "keys_missing",
        503,
        "系统的密钥不可用",
        "系统的密钥缺失或者不能读取，加密保存的内容现在不能读，也不能写。",
        "请运维核对密钥目录（ZHIBAO_KEYS，zhibao keys list）；恢复之后，"
        "请用同一个 Idempotency-Key 重试，不会重复办理。",
    )
    INTERNAL = (
        "internal",
        500,
        "系统内部错误",
        "处理时发生了意外错误，已记录。",
        "请稍后重试；仍不成功的，请提供请求编号联系运维。",
    )


class Refusal(Recorded):
    """Why something was refused. ``at`` is the date concerned, ``cite`` the rule behind it."""

    code: Code
    params: dict[str, str] = Field(default_factory=dict)
    cite: Citation | None = None
    at: datetime | None = None


class Refused(Exception):
    """Carries a `Refusal` through layers that answer with a value otherwise."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code.value)
        self.refusal = refusal


def unseen() -> Refusal:
    """The one answer for what is not there and for what is there and not the asker's to see."""
    what = "所请求的内容，或者它不由您所在的机构、部门或辖区办理"
    return Refusal(code=Code.NOT_FOUND, params={"what": what})
