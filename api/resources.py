"""What there is: every operation, every page, and what stands in their addresses."""

from typing import Any

from api.announcements import announcements
from api.announcements.announcement_page import PAGES as ANNOUNCEMENT_PAGES
from api.audit import audit
from api.campaigns import (
    amendments,
    campaigns,
    contacts,
    duties,
    extensions,
    institution_acts,
    institutions,
    jobs,
    legal_persons,
    linked_institutions,
    memberships,
    people,
    published,
    registrations,
    review,
    reviewer,
    rules,
    samples,
)
from api.campaigns.week_page import PAGES as WEEK_PAGES
from api.cases import events, schedule, tasks, timeline
from api.certificates import certificates, drafts, imports, printing, register, search, serials
from api.certificates import public as certificate_public
from api.certificates.certificate_page import PAGES as CERTIFICATE_PAGES
from api.complaints import complaints
from api.complaints.complaint_page import PAGES as COMPLAINT_PAGES
from api.confirmations import confirmations
from api.connected import clients, deliveries, provinces
from api.door import health, me
from api.door.operations import Operation, Parameter
from api.enforcement import enforcement
from api.enforcement import register as measures
from api.enforcement.register import PAGES as MEASURE_PAGES
from api.filings import authority_figures, filings
from api.notices import notices, outbox
from api.numbers import batches, changes, lookup, uploads
from api.numbers.lookup_page import PAGES as LOOKUP_PAGES
from api.people import own_record, provider, tokens, views
from api.retention import retention
from api.workbench.auditing import PAGES as AUDIT_PAGES
from api.workbench.batches import PAGES as BATCH_PAGES
from api.workbench.campaign_details import PAGES as CAMPAIGN_DETAIL_PAGES
from api.workbench.campaigns import PAGES as CAMPAIGN_PAGES
from api.workbench.certificates import PAGES as CERTIFICATE_CASE_PAGES
from api.workbench.complaints import PAGES as COMPLAINT_CASE_PAGES
from api.workbench.confirmations import PAGES as CONFIRMATION_PAGES
from api.workbench.connected import PAGES as CONNECTED_PAGES
from api.workbench.counts import PAGES as COUNT_PAGES
from api.workbench.duties import PAGES as DUTY_PAGES
from api.workbench.enforcement import PAGES as MEASURE_CASE_PAGES
from api.workbench.filing_files import PAGES as FILING_FILE_PAGES
from api.workbench.filing_parts import PAGES as FILING_PART_PAGES
from api.workbench.filing_revisions import PAGES as FILING_REVISION_PAGES
from api.workbench.filings import PAGES as FILING_PAGES
from api.workbench.home import PAGES as HOME_PAGES
from api.workbench.imports import PAGES as IMPORT_PAGES
from api.workbench.inbox import PAGES as INBOX_PAGES
from api.workbench.institutions import PAGES as INSTITUTION_PAGES
from api.workbench.notices import PAGES as NOTICE_PAGES
from api.workbench.outbox import PAGES as OUTBOX_PAGES
from api.workbench.own_figures import PAGES as OWN_FIGURES_PAGES
from api.workbench.pages import downloads
from api.workbench.people import PAGES as PEOPLE_PAGES
from api.workbench.publishing import PAGES as PUBLISHING_PAGES
from api.workbench.questions import PAGES as QUESTION_PAGES
from api.workbench.register_review import PAGES as REGISTER_REVIEW_PAGES
from api.workbench.registrations import PAGES as REGISTRATION_PAGES
from api.workbench.rules import PAGES as RULE_PAGES
from api.workbench.sign_in import PAGES as SIGN_IN_PAGES

OPERATIONS: list[Operation] = [
    *lookup.OPERATIONS,
    *certificate_public.OPERATIONS,
    *health.OPERATIONS,
    *me.OPERATIONS,
    *own_record.OPERATIONS,
    *tasks.OPERATIONS,
    *confirmations.OPERATIONS,
    *retention.OPERATIONS,
    *duties.OPERATIONS,
    *filings.OPERATIONS,
    *authority_figures.OPERATIONS,
    *notices.OPERATIONS,
    *outbox.OPERATIONS,
    *campaigns.OPERATIONS,
    *amendments.OPERATIONS,
    *published.OPERATIONS,
    *extensions.OPERATIONS,
    *jobs.OPERATIONS,
    *samples.OPERATIONS,
    *people.OPERATIONS,
    *memberships.OPERATIONS,
    *tokens.OPERATIONS,
    *views.OPERATIONS,
    *provider.OPERATIONS,
    *batches.OPERATIONS,
    *uploads.OPERATIONS,
    *changes.OPERATIONS,
    *complaints.OPERATIONS,
    # the register's fixed word, before a case's address takes it
    *measures.OPERATIONS,
    *enforcement.OPERATIONS,
    *imports.OPERATIONS,
    *register.OPERATIONS,
    # fixed words of their own, before the certificates' addresses take them for a case
    *deliveries.OPERATIONS,
    *provinces.OPERATIONS,
    *serials.OPERATIONS,
    *certificates.OPERATIONS,
    *drafts.OPERATIONS,
    *clients.OPERATIONS,
    *printing.OPERATIONS,
    *search.OPERATIONS,
    # a fixed word, before an institution's address takes it
    *legal_persons.OPERATIONS,
    *linked_institutions.OPERATIONS,
    *registrations.OPERATIONS,
    *institutions.OPERATIONS,
    *institution_acts.OPERATIONS,
    *contacts.OPERATIONS,
    *review.OPERATIONS,
    *reviewer.OPERATIONS,
    *announcements.OPERATIONS,
    *rules.OPERATIONS,
    *timeline.OPERATIONS,
    *audit.OPERATIONS,
    *schedule.OPERATIONS,
    *events.OPERATIONS,
]

PAGES: list[Operation] = [
    *HOME_PAGES,
    *SIGN_IN_PAGES,
    *FILING_PAGES,
    *FILING_REVISION_PAGES,
    *FILING_FILE_PAGES,
    *FILING_PART_PAGES,
    *INBOX_PAGES,
    *LOOKUP_PAGES,
    *COMPLAINT_PAGES,
    *CERTIFICATE_PAGES,
    *ANNOUNCEMENT_PAGES,
    *WEEK_PAGES,
    *published.PAGES,
    *MEASURE_PAGES,
    *BATCH_PAGES,
    *IMPORT_PAGES,
    # fixed words, before the addresses of one certificate and one institution take them
    *CONNECTED_PAGES,
    *REGISTER_REVIEW_PAGES,
    *CERTIFICATE_CASE_PAGES,
    *MEASURE_CASE_PAGES,
    *CAMPAIGN_PAGES,
    *CAMPAIGN_DETAIL_PAGES,
    *INSTITUTION_PAGES,
    *COMPLAINT_CASE_PAGES,
    *CONFIRMATION_PAGES,
    *DUTY_PAGES,
    *QUESTION_PAGES,
    *AUDIT_PAGES,
    *RULE_PAGES,
    *PEOPLE_PAGES,
    *REGISTRATION_PAGES,
    *NOTICE_PAGES,
    *OUTBOX_PAGES,
    *COUNT_PAGES,
    *OWN_FIGURES_PAGES,
    *PUBLISHING_PAGES,
    *downloads(OPERATIONS),
]
"""Behind the same door as the operations of the API, and not in its description."""


def _place(name: str, words: str, **schema: Any) -> Parameter:
    return Parameter(name, words, "path", True, schema)


PLACES: dict[str, Parameter] = {
    place.name: place
    for place in (
        _place("year", "统计年度", type="integer", minimum=2000, maximum=2999),
        _place(
            "period",
            "统计年度，如 2024；季度报告编号，如 2024Q3",
            type="string",
            pattern="^2[0-9]{3}(Q[1-4])?$",
        ),
        _place("quarter", "季度，如 2024Q3", type="string", pattern="^2[0-9]{3}Q[1-4]$"),
        _place(
            "about",
            "针对填报 filing 还是报告编号 report-numbers",
            type="string",
            enum=["filing", "report-numbers"],
        ),
        _place("n", "针对同一件的第几件", type="integer", minimum=1, maximum=9999),
        _place("upload", "上传编号", type="string", pattern="^[0-9a-f]{32}$"),
        _place("complaint", "投诉编号", type="string", pattern="^[0-9a-f]{32}$"),
        _place("receipt", "回执编号", type="string", pattern="^[0-9A-Za-z-]{10,40}$"),
        _place("application", "证书办件编号", type="string", pattern="^[0-9a-f]{24}$"),
        _place("code", "证书代码", type="string", minLength=1, maxLength=64),
        _place("number", "证书编号", type="string", minLength=1, maxLength=64),
        _place("uscc", "统一社会信用代码", type="string", pattern="^[0-9A-Z]{18}$"),
        _place("waiver", "豁免申请的序号", type="integer", minimum=1, maximum=2**31 - 1),
        _place("question", "提问的序号", type="integer", minimum=1, maximum=2**31 - 1),
        _place("sending", "送达编号，见 /api/outbox", type="string", pattern="^[0-9a-f]{32}$"),
        _place("address", "送达地址编号", type="string", pattern="^[0-9a-f]{32}$"),
        _place("subject", "部门统计的编号", type="string", pattern="^[a-z][a-z0-9-]{0,63}$"),
        _place("duty", "规则中职责的编号", type="string", pattern="^[a-z][a-z0-9-]{0,63}$"),
        _place("draw", "第几次抽样", type="integer", minimum=1, maximum=9999),
        _place("extension", "延期编号", type="string", pattern="^[0-9a-f]{32}$"),
        _place("confirmation", "待确认事项的编号", type="string", pattern="^[0-9a-f]{32}$"),
        _place("deputy", "代办编号", type="string", pattern="^[0-9a-f]{32}$"),
        _place("membership", "身份编号", type="string", pattern="^[0-9a-f]{32}$"),
        _place("person", "账号", type="string", pattern="^[0-9A-Za-z][0-9A-Za-z._@-]{0,63}$"),
        _place("token", "凭证编号", type="string", pattern="^[0-9a-f]{32}$"),
        _place(
            "program",
            "程序的账号",
            type="string",
            pattern="^program\\.[0-9A-Za-z._@-]{1,56}$",
        ),
        _place("revocation", "停用编号", type="string", pattern="^[0-9a-f]{32}$"),
        _place("notice", "通知编号", type="string", pattern="^[0-9a-f]{32}$"),
        _place("job", "批办编号", type="string", pattern="^[0-9a-f]{32}$"),
        _place("announcement", "公告编号", type="string", pattern="^[0-9a-f]{32}$"),
        _place("file", "附件的 SHA-256", type="string", pattern="^[0-9a-f]{64}$"),
        _place("registration", "登记申请编号", type="string", pattern="^[0-9a-f]{32}$"),
        _place("import", "批量导入编号", type="string", pattern="^[0-9a-f]{32}$"),
        _place("client", "联网系统（客户端）编号", type="string", pattern="^[0-9a-f]{16}$"),
        _place(
            "delivery",
            "各省自己的送达编号",
            type="string",
            pattern="^[0-9A-Za-z][0-9A-Za-z._-]{0,99}$",
        ),
        _place("authority", "省级部门，如 amr-350000", type="string", pattern="^amr-[0-9]{6}$"),
        _place(
            "institution", "机构编号", type="string", pattern="^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$"
        ),
        _place("jurisdiction", "六位辖区代码，000000 为全国", type="string", pattern=r"^\d{6}$"),
        _place("form", "表单编号", type="string", pattern="^[a-z][a-z0-9-]{0,63}$"),
        _place("attachment", "后续处理附件的 SHA-256", type="string", pattern="^[0-9a-f]{64}$"),
        _place("document", "后续处理文书的 SHA-256", type="string", pattern="^[0-9a-f]{64}$"),
        _place("sha256", "规则集的 SHA-256", type="string", pattern="^[0-9a-f]{64}$"),
    )
}
"""The parameters in addresses, by name."""
