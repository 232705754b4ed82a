"""Where the engine's own pages show a case: for engineers, by the address of its page. Pure."""

import re
from urllib.parse import parse_qs, quote

from domain.case.commands import Actor, Role
from domain.ids import NATION

_PLACES = tuple(
    (kind, re.compile(rf"/work/{place}/({inside})(?:/.*)?"))
    for kind, place, inside in (
        ("filing", "filings", r"[0-9]{4}/[^/]+"),
        ("report-numbers", "report-batches", r"[0-9]{4}Q[1-4]/[^/]+"),
        ("certificate", "certificates", r"[0-9a-f]{24}"),
        ("complaint", "complaints", r"[0-9a-f]{32}"),
        ("enforcement", "enforcement", r"(?:filing|report-numbers)/[^/]+/[^/]+/[0-9]+"),
    )
)
"""The pages of one case, and what of their address names it."""


def case_at(path: str, query: str = "") -> str:
    """The case that a page of the workbench is about, "" for none."""
    if path == "/work/audit/case":
        return parse_qs(query).get("case", [""])[0]
    for kind, place in _PLACES:
        if found := place.fullmatch(path):
            return f"{kind}/{found[1]}"
    return ""


def engine_page(pages: str, case_id: str, actor: Actor) -> str:
    """The engine's page of a case, "" where there is none or it is not its reader's to see.

    ``pages`` is where the engine's pages list the workflows; a case's has the case's id. Only
    auditors and the nation's operators are led there: others' cases stand beside it.
    """
    engineers = actor.role is Role.AUDITOR or (
        actor.role is Role.OPERATOR and actor.scope == NATION
    )
    return f"{pages}/{quote(case_id, safe='')}" if pages and case_id and engineers else ""
