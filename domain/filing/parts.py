"""Which parts a filing consists of now: its plan's, as far as its institution still has them.

What an institution is may change after its plan was made: a national centre is taken from it, and
nobody can fill in the centre's part any more.
"""

from collections.abc import Collection, Sequence

from domain.refusals import Code, Refusal


def parts_to_file(planned: Sequence[str], required: Collection[str]) -> tuple[str, ...]:
    """The planned parts that the rules still require, in the plan's order."""
    return tuple(part for part in planned if part in required)


def parts_left_over(content: Collection[str], to_file: Collection[str]) -> tuple[str, ...]:
    """The parts of a content that are not to be filed, in the content's order."""
    return tuple(part for part in content if part not in to_file)


def left_over_refusal(content: Collection[str], to_file: Sequence[str]) -> Refusal | None:
    """The refusal of a content with parts that are not to be filed: nothing is left out unsaid."""
    left_over = parts_left_over(content, to_file)
    if not left_over:
        return None
    params = {"parts": "、".join(left_over), "required": "、".join(to_file)}
    return Refusal(code=Code.PART_NOT_REQUIRED, params=params)
