"""Brings a database to the present schema."""

from pathlib import Path

from alembic import command
from alembic.config import Config

_HERE = Path(__file__).parent


def configuration(url: str) -> Config:
    """Alembic's configuration for a database."""
    config = Config()
    config.set_main_option("script_location", str(_HERE / "migrations"))
    config.attributes["url"] = url
    return config


def upgrade(url: str) -> None:
    """Applies all migrations that the database lacks; none twice."""
    command.upgrade(configuration(url), "head")
