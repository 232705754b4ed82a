"""What is on record of campaigns and registers, which have no review state machine."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from domain.case.kind import nothing_more
from domain.confirmations import CONFIRMED_ACT_LABELS, ConfirmedAct
from domain.duties import DUTY_REPORTED
from domain.jobs import JOB_ACTION_LABELS, JobAction
from domain.legal_persons import FINDING_LABELS, Finding
from domain.messages import closing_time
from domain.notices import (
    CHANNEL_LABELS,
    NOTICE_DELIVERED,
    NOTICE_SEEN,
    NOTICE_SERVED,
    Channel,
)
from domain.retention import KEPT_LABELS, Kept
from domain.signing_keys import KEY_PURPOSE_LABELS, RING_LABELS, KeyPurpose


class OperatorEvent(NamedTuple):
    """The Chinese label of an event, and what a timeline tells of its body."""

    label: str
    told: Callable[[Mapping[str, Any]], str]


def _role(body: Mapping[str, Any]) -> str:
    told = f"{body['role_label']} {body['scope']}".strip()
    return f"{told}（管理员）" if body["administers"] else told


def _token(body: Mapping[str, Any]) -> str:
    whom = f"{body['role_label']} {body['scope']}".strip()
    return f"{whom}，至 {closing_time(datetime.fromisoformat(body['ends_at']))}"


def _watched(body: Mapping[str, Any]) -> str:
    return f"{body['watched_by']} 在场，语句的 SHA-256 为 {body['statements_sha256']}"


def _label(body: Mapping[str, Any]) -> str:
    return str(body["label"])


def _roster(body: Mapping[str, Any]) -> str:
    told = f"{body['rows']} 行，导入 {body['accepted']} 家机构"
    if "added" not in body:
        return told
    return f"{told}，新登记 {body['added']} 家，改动 {body['changed']} 家"


def _import(body: Mapping[str, Any]) -> str:
    return f"{body['filename']}，{body['total']} 张，新登记机构 {len(body['institutions'])} 家"


def _imported(body: Mapping[str, Any]) -> str:
    return f"{body['total']} 张，发证 {body.get('issued', 0)} 张"


def _register(body: Mapping[str, Any]) -> str:
    return f"{body['rows']} 行，登记 {body['accepted']} 张"


def _institution(body: Mapping[str, Any]) -> str:
    return f"{body['institution']} {body['name']}"


def _uscc(body: Mapping[str, Any]) -> str:
    return f"{body['institution_id']}：{body['old_uscc'] or '没有'} → {body['new_uscc']}"


def _finding(body: Mapping[str, Any]) -> str:
    with_ = f"，由 {body['files_with']} 填报" if body["files_with"] else ""
    return f"{body['institution_id']}：{FINDING_LABELS[Finding(body['finding'])]}{with_}"


def _figures(body: Mapping[str, Any]) -> str:
    late = "，逾期" if body["late"] else ""
    return f"{body['authority']} {body['label']}，第 {body['revision']} 稿{late}"


def _duty(body: Mapping[str, Any]) -> str:
    document = f"（{body['document']}）" if body["document"] else ""
    return f"{body['label']}：{'已办' if body['done'] else '尚未办好'}{document}"


def _merged(body: Mapping[str, Any]) -> str:
    return f"{body['institution_id']} 并入 {body['into_id']}"


def _split(body: Mapping[str, Any]) -> str:
    return (
        f"{body['institution_id']} 分出 {'、'.join(part['institution'] for part in body['parts'])}"
    )


def _piece(body: Mapping[str, Any]) -> str:
    return f"第 {body['version']} 版：{body['title']}"


def _file(body: Mapping[str, Any]) -> str:
    return str(body["name"])


def _read(body: Mapping[str, Any]) -> str:
    return f"{body['about']}，{body['institutions']} 家"


def _filings(body: Mapping[str, Any]) -> str:
    return f"名录 {body['considered']} 家，应填报 {body['started']} 家"


def _sample(body: Mapping[str, Any]) -> str:
    return f"第 {body['draw']} 次，{body['filings']} 件中抽 {body['drawn']} 件，种子 {body['seed']}"


def _closed(body: Mapping[str, Any]) -> str:
    return f"{body['filings']} 件，未办结 {body['unfinished']} 件，汇总的哈希 {body['sha256']}"


def _batches(body: Mapping[str, Any]) -> str:
    return f"名录 {body['considered']} 家，应报送 {body['started']} 家"


def _ruleset(body: Mapping[str, Any]) -> str:
    ref = body["ruleset"]
    return f"{ref['id']} 第 {ref['revision']} 版，SHA-256 {ref['sha256'][:12]}"


def _amended(body: Mapping[str, Any]) -> str:
    document = f"（{body['document']}）" if body["document"] else ""
    return f"{'、'.join(body['places'])} 的规则，{body['total']} 件{document}"


def _what(body: Mapping[str, Any]) -> str:
    return str(body["what"])


def _extension(body: Mapping[str, Any]) -> str:
    until = closing_time(datetime.fromisoformat(body["until"]))
    whose = f"{body['jurisdiction']} 全部" if body["standing"] else f"{body['total']} 件"
    return f"{whose}，至 {until}" + (f"（{body['document']}）" if body["document"] else "")


def _checkpoint(body: Mapping[str, Any]) -> str:
    return f"第 {body['number']} 个封存点，SHA-256 {body['sha256'][:12]}"


def _notice(body: Mapping[str, Any]) -> str:
    return str(body["title"])


def _over(body: Mapping[str, Any]) -> str:
    return CHANNEL_LABELS[Channel(body["channel"])]


def _deputy(body: Mapping[str, Any]) -> str:
    return f"{body['authority']}：由 {body['deputy']} 代办"


def _of_authority(body: Mapping[str, Any]) -> str:
    return str(body["authority"])


def _scope(body: Mapping[str, Any]) -> str:
    return f"{body['role_label']} {body['scope']}".strip()


def _key(body: Mapping[str, Any]) -> str:
    return f"{KEY_PURPOSE_LABELS[KeyPurpose(body['purpose'])]} {body['key']}"


def _ring_key(body: Mapping[str, Any]) -> str:
    return f"{RING_LABELS[body['purpose']]} {body['key']}"


def _hidden_in(body: Mapping[str, Any]) -> str:
    return f"{body['column']} {body['hidden']} 项"


def _destroyed(body: Mapping[str, Any]) -> str:
    return f"{KEPT_LABELS[Kept(body['kind'])]}；依据{body['document']}"


def _job(body: Mapping[str, Any]) -> str:
    return f"{JOB_ACTION_LABELS[JobAction(body['action'])]}，{body['total']} 件"


def _list(body: Mapping[str, Any]) -> str:
    return f"{body['filename']}，{body['rows']} 行"


def _confirmed(body: Mapping[str, Any]) -> str:
    return f"{CONFIRMED_ACT_LABELS[ConfirmedAct(body['act'])]}，{body['proposed_by']} 提出"


OPERATOR_EVENTS: dict[str, OperatorEvent] = {
    "rules_published": OperatorEvent("发布规则", _ruleset),
    "campaign_opened": OperatorEvent("开启年度统计工作", nothing_more),
    "filings_started": OperatorEvent("为应填报机构建立填报", _filings),
    "stage_entered": OperatorEvent("进入阶段", _label),
    "sample_drawn": OperatorEvent("质量审查抽样", _sample),
    "campaign_amended": OperatorEvent("修订统计工作的规则", _amended),
    "campaign_annulled": OperatorEvent("统计工作作废", nothing_more),
    "campaign_closed": OperatorEvent("关闭统计工作，封存汇总", _closed),
    "extension_granted": OperatorEvent("给予延期", _extension),
    "extension_shortened": OperatorEvent("缩短延期", _extension),
    "campaign_ended": OperatorEvent("年度统计工作结束", _label),
    "roster_imported": OperatorEvent("导入机构名录", _roster),
    "batches_started": OperatorEvent("为应报送机构建立季度报送", _batches),
    "serials_set": OperatorEvent("设定证书流水号起点", nothing_more),
    "certificates_signed": OperatorEvent("补签证书", nothing_more),
    "import_begun": OperatorEvent("开始批量导入证书", _import),
    "certificates_imported": OperatorEvent("证书批量导入办完", _imported),
    "register_imported": OperatorEvent("导入有效证书清单", _register),
    "client_registered": OperatorEvent("登记联网系统", nothing_more),
    "client_secret_rotated": OperatorEvent("轮换联网系统的密钥", nothing_more),
    "client_revoked": OperatorEvent("停用联网系统", nothing_more),
    "institution_delivered": OperatorEvent("随送达登记机构", nothing_more),
    "audited": OperatorEvent("审计", _what),
    "content_read": OperatorEvent("查看内容", _what),
    "legal_person_found": OperatorEvent("认定账号由谁填报", _finding),
    "authority_figures_submitted": OperatorEvent("部门提交自己的统计", _figures),
    DUTY_REPORTED: OperatorEvent("部门说明职责的办理", _duty),
    "registration_requested": OperatorEvent("申请登记机构", _institution),
    "registration_approved": OperatorEvent("同意登记机构", _institution),
    "registration_refused": OperatorEvent("不予登记机构", _institution),
    "institution_uscc_changed": OperatorEvent("机构信用代码变更", _uscc),
    "institution_merged": OperatorEvent("机构合并", _merged),
    "institution_split": OperatorEvent("机构分立", _split),
    "announcement_published": OperatorEvent("发布公告", _piece),
    "announcement_changed": OperatorEvent("更新公告", _piece),
    "announcement_withdrawn": OperatorEvent("撤下公告", _piece),
    "attachment_added": OperatorEvent("添加公告附件", _file),
    "attachment_removed": OperatorEvent("移除公告附件", _file),
    "checkpoint_made": OperatorEvent("封存记录", _checkpoint),
    "contact_set": OperatorEvent("设定机构联系人", nothing_more),
    "contact_removed": OperatorEvent("删去机构联系人", nothing_more),
    "contacts_read": OperatorEvent("查看机构联系人", _read),
    NOTICE_SERVED: OperatorEvent("送达通知", _notice),
    NOTICE_DELIVERED: OperatorEvent("送到", _over),
    NOTICE_SEEN: OperatorEvent("收件人查看", nothing_more),
    "address_registered": OperatorEvent("登记送达地址", _over),
    "address_ended": OperatorEvent("停用送达地址", _over),
    "delivery_replayed": OperatorEvent("重新送达", _over),
    "role_given": OperatorEvent("给予身份", _role),
    "role_ended": OperatorEvent("收回身份", _role),
    "link_made": OperatorEvent("发出一次性链接", nothing_more),
    "password_set": OperatorEvent("设定密码", nothing_more),
    "token_issued": OperatorEvent("签发凭证", _token),
    "token_revoked": OperatorEvent("作废凭证", nothing_more),
    "secret_made": OperatorEvent("发给程序密钥", nothing_more),
    "secrets_ended": OperatorEvent("停用程序的密钥", nothing_more),
    "identity_tied": OperatorEvent("绑定身份认证", nothing_more),
    "identity_untied": OperatorEvent("解除身份认证的绑定", nothing_more),
    "deputy_named": OperatorEvent("登记代办", _deputy),
    "deputy_ended": OperatorEvent("提前结束代办", _deputy),
    "role_revoked": OperatorEvent("停用身份", _of_authority),
    "role_restored": OperatorEvent("恢复停用的身份", _of_authority),
    "signed_in": OperatorEvent("登录", _scope),
    "role_chosen": OperatorEvent("换用身份", _scope),
    "signed_out": OperatorEvent("退出登录", nothing_more),
    "key_made": OperatorEvent("增加签名密钥", _key),
    "key_retired": OperatorEvent("作废签名密钥", _key),
    "ring_key_made": OperatorEvent("增加密钥", _ring_key),
    "ring_key_ended": OperatorEvent("停用密钥", _ring_key),
    "data_keys_wrapped": OperatorEvent("以新密钥重新加密数据密钥", _ring_key),
    "names_indexed": OperatorEvent("以新密钥重做姓名的检索摘要", _ring_key),
    "plain_values_hidden": OperatorEvent("把原为明文的内容加密保存", _hidden_in),
    "data_destroyed": OperatorEvent("销毁数据密钥，内容不能再读", _destroyed),
    "glass_broken": OperatorEvent("以数据库管理员身份动手之前", _watched),
    "glass_mended": OperatorEvent("以数据库管理员身份办完之后", _watched),
    "job_begun": OperatorEvent("开始批办", _job),
    "job_stopped": OperatorEvent("停止批办", nothing_more),
    "job_resumed": OperatorEvent("接着批办", nothing_more),
    "act_proposed": OperatorEvent("提出须另一人确认的事项", _confirmed),
    "act_confirmed": OperatorEvent("确认另一人提出的事项", _confirmed),
    "act_done": OperatorEvent("确认的事项已办理", _confirmed),
    "act_refused": OperatorEvent("确认的事项不能办理", _confirmed),
    "act_declined": OperatorEvent("不予确认另一人提出的事项", _confirmed),
    "act_withdrawn": OperatorEvent("撤回提出的事项", _confirmed),
    "job_list_added": OperatorEvent("上传批办用的名单", _list),
    "register_rescanned": OperatorEvent("重新核对名录", nothing_more),
    "plan_received": OperatorEvent("收到赋码系统对接方案", nothing_more),
}
