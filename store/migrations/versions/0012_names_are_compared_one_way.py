"""names are compared one way"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# as domain.text.name_key: what counts as blank there and is none after NFKC is listed
_NAME_KEY = r"""
    CREATE FUNCTION name_key(name text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN btrim(regexp_replace(
        normalize(name, NFKC), '[\s\u001c-\u001f\u0085\u1680\u2028\u2029]+', ' ', 'g'
    ))
"""


def upgrade() -> None:
    """Applies the change."""
    op.execute(_NAME_KEY)
    op.drop_index("ix_institutions_name", "institutions")
    op.create_index("ix_institutions_name", "institutions", [sa.text("name_key(name)")])
