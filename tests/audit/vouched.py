"""What vouches for each column of the database, and why nothing does for some."""

from audit.case_checks import DERIVED

NO_EVIDENCE = {
    "alembic_version": "which form the database has; `zhibao migrate` looks after it",
    "certificate_counts": "how often the public asked",
    "lookup_counts": "how often the public asked",
    "provider_sign_ins": "sign-ins under way at a provider, for ten minutes",
    "requests": "keys of requests; what came of them is on record by its command",
    "seal_log": "the proof itself; checkpoints seal it, and it is compared with the seals",
    "seals": "the proof itself; whatever is wrong with it is told of what it proves",
    "sign_in_uses": "when somebody last used a sign-in; that it began and ended is on record",
    "tries": "how often somebody tried to sign in",
    "upload_pieces": "a file on its way, deleted once it is read; its hash is in its upload's step",
    "upload_problems": "what was wrong with a file's rows, told again whenever it is read",
}
"""Tables that no audit rests on, each with the reason."""

NOT_VOUCHED = {
    ("data_keys", "made_at"): "when a key was made says nothing of what it hides",
    ("journal", "recorded_at"): "the clock of the database; checkpoints seal it",
    ("outbox", "transaction"): "in which order the feed reads; checkpoints seal it",
    ("outbox", "to_tell"): "whether somebody is yet to be told; what was told is on record",
}
"""Columns that nothing but the next checkpoint vouches for, each with the reason."""

FOLLOWS = {
    "assignments": ("authority", "case_id"),
    "cases": DERIVED,
    "certificate_lines": ("number", "kind", "line", "words", "standard", "year"),
    "checkpoints": ("number", "body", "sha256", "key", "signature", "made_at"),
    "data_keys": ("subject", "wrapped", "destroyed_at", "rule"),
    "journal": ("case_id", "sequence", "event", "command_id", "step", "hash", "at"),
    "outbox": ("id", "case_id", "sequence"),
    "refusal_heads": ("case_id", "number", "hash"),
    "refusals": (
        "id", "case_id", "command_id", "action", "subject", "role", "scope", "refusal", "at",
        "number", "previous_hash", "hash",
    ),
    "report_numbers": ("number", "issued_on", "institution_no", "upload_no", "change_no"),
}  # fmt: skip
"""Columns that follow from steps, or stand in a chain of hashes."""
