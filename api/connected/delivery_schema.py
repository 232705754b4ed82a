"""The published JSON Schema of a delivery: made from its model, described in Chinese."""

from typing import Any

from domain.connected import Delivery

DESCRIPTIONS: dict[str, dict[str, str]] = {
    "IssueDelivery": {
        "": "发证：省里已批准，请编号赋码；已有编号的证书填 decision.number，保持原编号",
        "version": "接口版本，固定为 1",
        "delivery_id": "送达编号，由各省自己取，不重复；重送时不变",
        "action": "固定为 issue",
        "content": "证书内容",
        "decision": "审批决定",
        "institution": "机构不在名录中时填写，用来登记机构；已在名录中的不改动",
        "renews": "延续的，填原证书编号；不是延续的留空",
    },
    "ChangeDelivery": {
        "": "变更：省里已批准的变更，送变更后的全部内容",
        "version": "接口版本，固定为 1",
        "delivery_id": "送达编号，由各省自己取，不重复；重送时不变",
        "action": "固定为 change",
        "number": "证书编号",
        "change": "变更种类，如 name-address、people、items-removed、standards、other",
        "content": "变更后的全部证书内容",
        "decision": "审批决定",
    },
    "ExtensionDelivery": {
        "": "扩项：省里已批准的扩项，送扩项后的全部内容",
        "version": "接口版本，固定为 1",
        "delivery_id": "送达编号，由各省自己取，不重复；重送时不变",
        "action": "固定为 extension",
        "number": "证书编号",
        "content": "扩项后的全部证书内容",
        "decision": "审批决定",
    },
    "EndDelivery": {
        "": "终止：注销、撤销、吊销",
        "version": "接口版本，固定为 1",
        "delivery_id": "送达编号，由各省自己取，不重复；重送时不变",
        "action": "固定为 end",
        "number": "证书编号",
        "ending": "deregistered 注销，revoked 撤销，rescinded 吊销",
        "on": "终止日期，不早于发证日，不晚于今天",
        "document": "文书号",
        "reason": "理由",
        "approver": "批准人",
    },
    "Decision": {
        "": "发证机关的审批决定",
        "approved_on": "批准日期，如 2025-03-21，不晚于今天",
        "document": "审批文书号",
        "approver": "批准人",
    },
    "IssueDecision": {
        "": "发证机关的审批决定；已有证书的，连同原编号和有效期",
        "approved_on": "批准日期，如 2025-03-21，不晚于今天；也是发证日期",
        "document": "审批文书号",
        "approver": "批准人",
        "number": "已有证书的原编号；新证书留空，由系统分配",
        "valid_from": "已有证书的有效期起；新证书不填，由规则推算",
        "valid_to": "已有证书的有效期止（最后一天）；新证书不填，由规则推算",
    },
    "InstitutionDetails": {
        "": "登记新机构所需的情况",
        "region": "机构的监管区域，六位代码，到县（区），在发证机关的辖区之内",
        "legal_person": "是否独立法人",
    },
    "CertificateContent": {
        "": "证书内容：编号、日期、状态以外证书上写的一切",
        "institution": "机构编号，名录中的编号",
        "holder": "机构名称；有两个名称的用 / 分开",
        "uscc": "统一社会信用代码（GB 32100，校验位须对），没有的留空",
        "parent_uscc": "上级单位的统一社会信用代码，没有的留空",
        "address": "地址",
        "sites": "检验检测场所的地址，多个的逐一列出",
        "level": "provincial 省级，national 国家级",
        "issuer": "发证机关，如 amr-350000，须是送达的机关自己",
        "field": "专业领域，两位代码",
        "industry": "行业，两位代码",
        "capabilities": "检验检测能力附表，至少一项，不重复",
        "signatories": "授权签字人",
        "equipment": "仪器设备",
    },
    "Capability": {
        "": "检验检测能力附表的一项",
        "category": "类别",
        "item": "产品或参数",
        "standard": "标准（方法）编号，不含年号",
        "year": "标准年号，四位；没有的留空",
        "limits": "限制范围或说明，没有的留空",
    },
    "Signatory": {"": "授权签字人", "name": "姓名", "field": "授权签字领域"},
    "Equipment": {"": "一台（套）设备", "name": "名称", "model": "型号"},
}


def delivery_schema() -> dict[str, Any]:
    """Version 1 of the schema, as published; it stays as it is."""
    schema = Delivery.model_json_schema(mode="validation")
    made = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:zhibao:schema:certificate-delivery:v1",
        **_plain(schema),
        "title": "联网赋码的送达，第 1 版",
        "description": "省级审批系统送来的一件：发证、变更、扩项或者终止，以 action 区分",
    }
    for name, described in made["$defs"].items():
        words = DESCRIPTIONS[name]
        described["description"] = words[""]
        for field, one in described["properties"].items():
            one["description"] = words[field]
    return made


def _plain(schema: Any) -> Any:
    """Without the English titles and descriptions that come from the code."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for name, value in schema.items():
        if name in ("title", "description") and isinstance(value, str):
            continue
        # names of fields are not keywords, whatever they are called
        inside = name in ("properties", "$defs")
        kept[name] = (
            {field: _plain(one) for field, one in value.items()} if inside else _plain(value)
        )
    return kept
