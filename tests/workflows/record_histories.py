"""Records the histories that every later version must replay.

As a program: ``python -m tests.workflows.record_histories [LIFE…]``.

Each life is played by the test named here, on real servers. What is recorded already stays as it
is, for ever: a history is what a process under way may have behind it. A life that is new, or that
a release has changed behind a gate, is recorded under another name.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent / "histories"
HERE = "tests/workflows/test_"

LIVES: dict[str, tuple[str, str]] = {
    "annual-filing-one-level": (
        "annual_filing.py::test_an_approval_in_the_last_second_counts",
        "filing_*",
    ),
    "annual-filing-supplementary-and-lapse": (
        "annual_filing.py::test_fujians_supplementary_filing_is_taken_until_7_march_and_marked_late",
        "filing_*",
    ),
    "annual-filing-extension-and-reopening": (
        "annual_filing.py::test_a_lapsed_filing_is_revived_by_an_extension"
        "_and_a_completed_one_by_reopening",
        "filing_*",
    ),
    "annual-filing-within-its-dates": (
        "annual_filing.py::test_a_filing_goes_through_its_levels_within_its_own_dates",
        "filing_*",
    ),
    "annual-filing-adoption": (
        "adoption.py::test_the_next_act_first_adopts_what_the_journal_holds",
        "filing_*",
    ),
    "annual-filing-continued": (
        "engine.py::test_a_case_moved_more_often_than_a_run_may_be_continues_as_new",
        "filing_*",
    ),
    "report-batch-mandatory-quarter": (
        "report_batch.py::test_a_mandatory_quarter_from_its_first_day_to_its_last",
        "report-numbers_*",
    ),
    "report-batch-revival": (
        "report_batch.py::test_a_batch_that_has_ended_takes_up_life_again_for_a_withdrawal",
        "report-numbers_*",
    ),
    "complaint": (
        "complaint.py::test_a_complaint_is_followed_up_and_its_sender_told",
        "complaint_*",
    ),
    "complaint-passed-on": (
        "complaint.py::test_a_complaint_goes_on_to_a_colleague_and_to_the_authority_it_is_for",
        "complaint_*",
    ),
    "enforcement-warning": (
        "enforcement.py::test_a_warning_is_heard_decided_by_another_served_and_never_published",
        "enforcement_*",
    ),
    "enforcement-applications-refused-and-cured": (
        "enforcement.py::test_who_did_not_file_is_refused_applications_until_it_has",
        "enforcement_*",
    ),
    "enforcement-objection-and-correction": (
        "enforcement.py::test_a_listing_is_published_shown_objected_to_and_corrected",
        "enforcement_*",
    ),
    "enforcement-referral": (
        "enforcement.py::test_a_referral_needs_a_reminder_and_carries_its_proof",
        "enforcement_*",
    ),
    "enforcement-withdrawn": (
        "enforcement.py::test_a_defence_that_is_accepted_ends_it_and_so_does_a_withdrawal",
        "enforcement_*",
    ),
    "enforcement-out-of-time": (
        "enforcement.py::test_ninety_days_without_a_decision_end_it",
        "enforcement_*",
    ),
    "campaign": (
        "campaign.py::test_everybody_gets_the_rules_of_the_smallest_area_that_has_some",
        "campaign_*",
    ),
    "certificate-renewal-and-supersession": (
        "certificate.py::test_a_certificate_is_renewed_once_however_many_apply",
        "certificate_*",
    ),
    "certificate-ten-years": (
        "certificate.py::test_ten_years_of_a_certificate",
        "certificate_*",
    ),
    "certificate-continued": (
        "certificate.py::test_a_case_that_is_moved_often_continues_with_its_history",
        "certificate_*",
    ),
    "annual-filing-back-and-forth": (
        "lives.py::test_a_filing_goes_back_and_forth_and_is_cancelled",
        "filing_*",
    ),
    "annual-filing-national-department": (
        "lives.py::test_a_national_certificate_is_reviewed_by_its_national_department",
        "filing_*",
    ),
    "annual-filing-lapse-and-extension": (
        "lives.py::test_a_filing_lapses_is_extended_completed_and_opened_again",
        "filing_*",
    ),
    "annual-filing-caught-up": ("lives.py::test_a_filing_is_told_to_catch_up", "filing_*"),
    "annual-filing-asked-about": (
        "lives.py::test_a_filing_is_asked_about_and_asked_back",
        "filing_*",
    ),
    "annual-filing-given-to-people": (
        "lives.py::test_a_filing_is_given_to_people_and_more_time_and_less",
        "filing_*",
    ),
    "annual-filing-sampled": (
        "province_year.py::test_a_province_s_year_from_the_dry_run_to_the_sealed_close",
        "filing_*",
    ),
    "annual-filing-reminded": (
        "reminders.py::test_reminders_are_given_to_the_instant_and_only_to_whoever_has_to_act",
        "filing_*",
    ),
    "report-batch-reminded-on-record": (
        "lives.py::test_a_batch_lapses_is_extended_complained_of_and_opened_again",
        "report-numbers_*",
    ),
    "report-batch-extension-and-reopening": (
        "lives.py::test_a_batch_lapses_is_extended_complained_of_and_opened_again",
        "report-numbers_*",
    ),
    "report-batch-asked-for-and-extended": (
        "report_batch.py::test_who_asks_for_a_batch_has_its_place_s_extension"
        "_until_it_is_taken_back",
        "report-numbers_*",
    ),
    "report-batch-voluntary": (
        "lives.py::test_a_voluntary_batch_is_asked_for",
        "report-numbers_*",
    ),
    "complaint-told-to-a-batch": (
        "lives.py::test_a_batch_lapses_is_extended_complained_of_and_opened_again",
        "complaint_*",
    ),
    "complaint-cancelled": ("lives.py::test_a_complaint_is_cancelled", "complaint_*"),
    "campaign-another-pass-and-end": (
        "lives.py::test_a_campaign_makes_another_pass_and_one_that_is_over_ends",
        "campaign_*",
    ),
    "annual-filing-confirmed": (
        "lives.py::test_a_filing_is_confirmed_excused_waived_and_remarked_on",
        "filing_*",
    ),
    "campaign-annulled": (
        "lives.py::test_a_campaign_and_its_filings_are_annulled_by_a_job",
        "campaign_*",
    ),
    "annual-filing-amended": (
        "lives.py::test_a_filing_is_amended_with_its_filer_and_with_its_reviewer",
        "filing_*",
    ),
    "annual-filing-annulled": (
        "lives.py::test_a_campaign_and_its_filings_are_annulled_by_a_job",
        "filing_*",
    ),
    "job": ("lives.py::test_a_campaign_and_its_filings_are_annulled_by_a_job", "job_*"),
    "campaign-opened-again": (
        "lives.py::test_a_year_that_was_annulled_is_opened_again",
        "campaign_*",
    ),
    "annual-filing-begun-anew": (
        "lives.py::test_a_year_that_was_annulled_is_opened_again",
        "filing_*",
    ),
    "certificate-cancelled": (
        "lives.py::test_an_application_is_claimed_let_go_and_cancelled",
        "certificate_*",
    ),
    "certificate-returned-and-rejected": (
        "certificate.py::test_an_application_can_be_returned_withdrawn_applied_for_again"
        "_and_refused",
        "certificate_*",
    ),
    "certificate-more-scope": (
        "certificate.py::test_more_scope_is_applied_for_and_a_change_can_be_given_up",
        "certificate_*",
    ),
    "certificate-end-corrected": (
        "certificate.py::test_an_end_registered_by_mistake_is_corrected_by_two",
        "certificate_*",
    ),
    "certificate-expiry": (
        "certificate.py::test_the_last_day_is_valid_to_its_last_second",
        "certificate_*",
    ),
    "certificate-import": (
        "certificate_import.py::test_an_import_replays_and_its_history_says_nothing_of_its"
        "_certificates",
        "certificate-import_*",
    ),
}
"""Lives by name: the test that plays each, and the processes of it that are kept."""

MOST = 4
"""So many histories of one life are kept, the longest first."""


def record(life: str) -> None:
    """Plays a life and keeps its histories. Raises CalledProcessError when its test fails."""
    test, wanted = LIVES[life]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", HERE + test],
            check=True,
            env={**os.environ, "RECORD_LIVES": folder},
        )
        played = sorted(Path(folder).glob(wanted), key=lambda one: -one.stat().st_size)
        for number, history in enumerate(played[:MOST], 1):
            # where the recording machine keeps its files is no part of what happened
            told = re.sub(
                r'"stackTrace": "(?:[^"\\]|\\.)*"', '"stackTrace": ""', history.read_text()
            )
            (FOLDER / f"{life}-{number}.json").write_text(told)


if __name__ == "__main__":
    for name in sys.argv[1:] or LIVES:
        if not list(FOLDER.glob(f"{name}-[0-9].json")):
            record(name)
