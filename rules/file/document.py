"""A resolved rule set as a document: plain JSON, self-contained, hashed, kept for ever.

What stands in it is what decides. Examples, overriding permissions and file names stay outside,
so that improving an example does not change the set's sha256.
"""

from typing import Any, Literal

from pydantic import ConfigDict, model_validator

from domain.canonical import sha256_of
from domain.citation import Citation
from domain.decision import RuleSetRef
from domain.jurisdictions import Tree
from domain.model import Value
from rules.file.catalogue import Catalogue
from rules.file.duty_schema import Duties
from rules.file.enforcement_schema import Enforcement
from rules.file.number_schema import ReportNumbers
from rules.file.schema import Filing, RuleFile
from rules.file.shapes import Cite
from rules.filing.forms.library import FormLibrary
from rules.filing.forms.model import Form

FORMAT: Literal[1] = 1


class CitedSource(Value):
    """A notice as the document names it."""

    document: str
    title: str
    restates: str
    note: str


class RuleDocument(Value):
    """A resolved rule set. ``filing`` still cites by source name; see `citation`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    id: str
    year: int
    jurisdiction: str
    title: str
    revision: int
    timezone: Literal["Asia/Shanghai"]
    not_publishable: str | None
    sources: dict[str, CitedSource]
    filing: Filing
    report_numbers: ReportNumbers | None = None
    enforcement: Enforcement | None = None
    duties: Duties = ()
    forms: dict[str, Form]
    tree: Tree
    names: dict[str, str]

    @model_validator(mode="before")
    @classmethod
    def _published_before(cls, document: Any) -> Any:
        """Older sets held mere labels of measures, on which nothing acted."""
        filing = document.get("filing") if isinstance(document, dict) else None
        if isinstance(filing, dict) and "sanctions" in filing:
            kept = {key: value for key, value in filing.items() if key != "sanctions"}
            return {**document, "filing": kept}
        return document

    def citation(self, cite: Cite) -> Citation:
        """A citation that stands alone: the notice's number in place of its name here."""
        source = self.sources[cite.source] if cite.source is not None else None
        return Citation(
            document=source.document if source is not None else "",
            clause=cite.clause,
            quote=cite.quote,
            assumption=cite.assume,
        )


def build_document(rules: RuleFile, catalogue: Catalogue, forms: FormLibrary) -> dict[str, Any]:
    """The document of a merged rule file, as plain JSON data, the forms of its parts included."""
    document = RuleDocument(
        format=FORMAT,
        id=rules.id,
        year=rules.year,
        jurisdiction=rules.jurisdiction,
        title=rules.title,
        revision=rules.revision,
        timezone=rules.timezone,
        not_publishable=rules.not_publishable,
        sources={
            name: CitedSource(
                document=source.document,
                title=source.title,
                restates=source.restates,
                note=source.note,
            )
            for name, source in rules.sources.items()
        },
        filing=rules.filing,
        report_numbers=rules.report_numbers,
        enforcement=rules.enforcement,
        duties=rules.duties,
        forms={
            name: forms.get(name)
            for name in (
                *(part.form for part in rules.filing.parts),
                *(own.form for own in rules.filing.authority_figures),
            )
        },
        tree=catalogue.tree,
        names=_names(rules.jurisdiction, catalogue),
    )
    plain = document.model_dump(mode="json", by_alias=True)
    if not plain["filing"]["reminders"]:
        # a set without reminders is the document it was before there were any, and so its hash
        del plain["filing"]["reminders"]
    if plain["filing"]["certificates"]["first_day"] is None:
        # likewise where an unstated first day means that the certificate has begun
        del plain["filing"]["certificates"]["first_day"]
    if plain["report_numbers"] is None:
        # a set without the section is the document it was before there was one, and so its hash
        del plain["report_numbers"]
    elif plain["report_numbers"]["latest_year"] is None:
        # likewise for a set whose gate does not ask about the latest year
        del plain["report_numbers"]["latest_year"]
    if plain["filing"]["publication"] is None:
        # likewise where nothing is published
        del plain["filing"]["publication"]
    elif plain["filing"]["publication"]["figures"] is None:
        # nor figures
        del plain["filing"]["publication"]["figures"]
    for key in ("attestation", "corrections", "one_filing", "authority_figures"):
        # and where nobody confirms, no reasons for corrections are named, and so on
        if not plain["filing"][key]:
            del plain["filing"][key]
    check = plain["filing"]["quality_check"] or {}
    # and for one whose quality check is of everybody, at one level
    for part in (*check.get("levels", ()), check):
        for key, absent in (("levels", []), ("sample", None), ("when", "true")):
            if part.get(key, ...) == absent:
                del part[key]
    if not plain["duties"]:
        del plain["duties"]
    if plain["enforcement"] is None:
        # and for a set that names no measures
        del plain["enforcement"]
        plain["filing"]["sanctions"] = []
    return plain


def reference(document: dict[str, Any]) -> RuleSetRef:
    """Id, revision and sha256 of a document."""
    return RuleSetRef(id=document["id"], revision=document["revision"], sha256=sha256_of(document))


def _names(jurisdiction: str, catalogue: Catalogue) -> dict[str, str]:
    """Names of the fixed authorities, the provinces, and everything in the set's own province."""
    own = [] if jurisdiction == "000000" else catalogue.within(jurisdiction)
    provinces = [code for code in catalogue.areas if catalogue.tree.level(code) == "province"]
    regulators = (f"amr-{code}" for code in sorted({*provinces, *own}))
    authorities = [*catalogue.authorities.fixed, *regulators]
    return {authority: catalogue.authority_name(authority) for authority in authorities}
