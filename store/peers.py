"""What institutions have submitted for a year, as far as it is compared among peers."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_SUBMITTED = text("""
    SELECT (SELECT jsonb_object_agg(k, v) FROM jsonb_each(r.content->:part) AS e(k, v)
            WHERE k = ANY(:names))
    FROM cases c JOIN revisions r ON r.case_id = c.case_id AND r.revision = c.revision
    WHERE c.kind = 'filing' AND c.year = :year AND c.revision > 0
      AND c.status IN ('submitted', 'in_review', 'approved', 'quality_check', 'completed')
      AND r.saved_at < :before AND jsonb_typeof(r.content->:part) = 'object'
""")


async def submitted(
    connection: AsyncConnection, year: int, part: str, names: Sequence[str], before: datetime
) -> AsyncIterator[dict[str, Any]]:
    """The named values of a part, of every filing of a year that stands submitted.

    What was saved at ``before`` or later is left out.
    """
    asked = {"year": year, "part": part, "names": list(names), "before": before}
    found = await connection.stream(_SUBMITTED, asked)
    async for (values,) in found:
        if values:
            yield values
