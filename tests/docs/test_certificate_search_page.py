"""docs/certificate-search.md against the code: answers, proofs, bounds."""

from api.certificates.search import MOST_MONTHS
from domain.certificates.public import SCAN_ANSWER_LABELS, Proof
from services.certificates.enquiries import MOST_PAGES, PAGE
from tests.docs.pages import page

PAGE_OF_DOCS = page("docs/certificate-search.md")


def test_every_answer_and_proof_has_its_line() -> None:
    tables = PAGE_OF_DOCS.text.split("The answer as a whole", 1)
    proofs = [line.split("|")[1].strip() for line in tables[0].splitlines() if line[:3] == "| `"]
    assert proofs == [f"`{one.value}`" for one in Proof]
    rows = [line.split("|") for line in tables[1].splitlines() if line[:3] == "| `"]
    told = {row[1].strip(" `"): row[2].strip() for row in rows}
    assert told == {answer.value: label for answer, label in SCAN_ANSWER_LABELS.items()}


def test_the_bounds_are_those_of_the_code() -> None:
    assert f"{MOST_PAGES} pages of {PAGE}" in PAGE_OF_DOCS.text
    assert f"up to {MOST_MONTHS} months" in PAGE_OF_DOCS.text
