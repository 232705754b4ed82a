"""What all tables are made with: one `MetaData`, one way of naming, instants, checks."""

from sqlalchemy import Column, DateTime, Index, MetaData, func, text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def instant(name: str, *, nullable: bool = False, now: bool = False) -> Column[object]:
    """A column of instants; with ``now``, the row's own unless it is given."""
    default = func.now() if now else None
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default)


def one_of(column: str, values: list[str]) -> str:
    """A check that a column has one of these values."""
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def grams_index(name: str, column: str) -> Index:
    """Finds any part of a name; see `store.words.contains`."""
    grams = text(f"certificate_grams(certificate_folded({column}))")
    return Index(name, grams, postgresql_using="gin")
