"""Everybody is audited: each act leaves its step, and whoever adds an act says which."""

from collections.abc import Iterator
from typing import Any

import typer

from api.resources import OPERATIONS, PAGES
from cli.main import app
from domain.kinds import KINDS
from domain.operator_events import OPERATOR_EVENTS
from tests.audit.left_on_record import BY_ADDRESS, BY_COMMAND, NOTHING, NOTHING_BY_COMMAND

EVENTS = set(OPERATOR_EVENTS) | {str(event) for kind in KINDS.values() for event in kind.events}


def test_every_address_that_changes_something_is_known_to_leave_a_step() -> None:
    acts = {f"{one.method} {one.path}" for one in (*OPERATIONS, *PAGES) if one.method != "GET"}
    assert acts == set(BY_ADDRESS) | set(NOTHING)
    assert set(BY_ADDRESS) & set(NOTHING) == set()


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    for name, command in getattr(group, "commands", {}).items():
        yield from _commands(command, (*path, name)) or ()
        if not hasattr(command, "commands"):
            yield " ".join((*path, name))


def test_every_command_is_known_to_leave_a_step() -> None:
    commands = set(_commands(typer.main.get_command(app)))
    assert commands == set(BY_COMMAND) | set(NOTHING_BY_COMMAND)
    assert set(BY_COMMAND) & set(NOTHING_BY_COMMAND) == set()


def test_every_step_that_is_left_is_one_that_there_is() -> None:
    left = {event for events in (*BY_ADDRESS.values(), *BY_COMMAND.values()) for event in events}
    assert left - EVENTS == set()
    assert all((*NOTHING.values(), *NOTHING_BY_COMMAND.values()))
