"""The base every value of the domain is built on: frozen, and strict about unknown fields."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """An immutable value. An unknown field is an error, never silently dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Recorded(BaseModel):
    """A value that stands in recorded histories: a newer field in an old reader is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")
