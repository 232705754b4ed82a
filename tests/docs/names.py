"""Whether what a page names exists: commands, options, addresses, variables, files, modules."""

import importlib
import re
import shlex
from functools import cache
from typing import Any

import typer
from temporalio import workflow

from api.resources import OPERATIONS, PAGES
from cli import main
from settings import ENVIRONMENT
from tests.docs.pages import ROOT

_PACKAGES = (
    "domain", "rules", "workflows", "activities", "store", "services", "engine", "files", "api",
    "printing", "cli", "audit",
)  # fmt: skip
_PLACES = (*_PACKAGES, "deploy", "settings", "logs", "worker")
_OTHERS = {"pg_dump", "pg_restore", "curl", "kubectl", "docker", "temporal", "psql", "make"}
"""Programs that are no part of the project."""

_COMMAND = re.compile(r"""(?:\.venv/bin/)?\bzhibao((?:\s+(?:"[^"]*"|'[^']*'|[^\s|;&<>()"']+))*)""")
_ADDRESS = re.compile(r"^(?:(GET|POST|PUT|DELETE|PATCH) )?(/[\w{}$./-]*)(?:\?[\w=&]*)?$")
_OTHER_ADDRESSES = {("GET", "/docs"), ("GET", "/openapi.json")}
_DATA = ".zhibao"


@cache
def command_tree() -> Any:
    """The ``zhibao`` command with everything below it."""
    return typer.main.get_command(main.app)


@cache
def source_text() -> str:
    """All code, rules and settings of the project, to look words up in."""
    files = [
        *ROOT.glob("*.py"),
        *ROOT.glob("*.toml"),
        *ROOT.glob("*.lock"),
        *(ROOT / ".ci").glob("*"),
        ROOT / "Makefile",
        *(ROOT / "rules" / "sources").glob("*.txt"),
    ]
    for folder in (*_PACKAGES, "deploy", "bench"):
        for kind in ("*.py", "*.yaml", "*.service", "*.env", "Containerfile"):
            files += (ROOT / folder).rglob(kind)
    return "\n".join(path.read_text("utf-8") for path in files)


@cache
def make_targets() -> frozenset[str]:
    """The targets of the Makefile."""
    return frozenset(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.M))


def why_unknown(span: str) -> str | None:
    """Why something in backticks is not known, None if it is."""
    bare = span.removeprefix(".venv/bin/")
    if bare == "zhibao" or bare.startswith("zhibao "):
        return why_no_command(bare)
    if bare.startswith("make "):
        return why_no_target(bare)
    if bare in _OTHERS or bare.split(" ")[0] in _OTHERS:
        return None
    if span.startswith("http://127.0.0.1:8600/"):
        return why_no_address(span.removeprefix("http://127.0.0.1:8600"))
    if re.fullmatch(r"host:\d+", span) or (ROOT / span).is_file():
        return None
    if "://user:password@host" in span:
        return _why_not_in_source(span.partition("user:")[0])
    if span.startswith(("/etc/", "/opt/")):
        return _why_not_in_source(span)
    if _ADDRESS.match(span):
        if why_no_address(span) is None or (ROOT / span.lstrip("/")).exists():
            return None
        return why_no_address(span)
    if re.fullmatch(r"[A-Z][A-Z0-9_]{2,}", span) and span in ENVIRONMENT.values():
        return None
    if re.match(r"(filing|campaign|register)/", span):
        return _why_no_case(span)
    if span == _DATA or span.startswith(f"{_DATA}/"):
        return _why_no_data(span)
    if call := re.fullmatch(r"(?:workflow\.)?(\w+)\(\)", span):
        return None if hasattr(workflow, call[1]) else f"Temporal's workflows know no {call[1]}"
    if re.fullmatch(r"[\w.*-]+(/[\w.*<>-]*)+", span):
        return _why_no_path(span)
    if re.fullmatch(r"\w+(\.\w+)+", span) and span.partition(".")[0] in _PLACES:
        return _why_no_module(span)
    return _why_not_in_source(span)


def commands_in(script: str) -> list[str]:
    """The ``zhibao`` commands of a shell script."""
    joined = script.replace("\\\n", " ")
    return [
        found[0].strip()
        for line in joined.splitlines()
        if not line.lstrip().startswith("#")
        for found in _COMMAND.finditer(line)
    ]


def why_no_command(line: str) -> str | None:
    """Why there is no such command, with these options and so many arguments; None if there is."""
    words = shlex.split(line, comments=True)[1:]
    command, place = command_tree(), "zhibao"
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        place = f"{place} {words[0]}"
        command = command.commands.get(words.pop(0))
        if command is None:
            return f"no command {place}"
    if words == ["…"] or (words and set("".join(words)) <= set("…|")):
        return None
    options = {
        name: one
        for one in command.params
        for name in (*one.opts, *one.secondary_opts)
        if name.startswith("-")
    }
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    given = 0
    while words:
        word = words.pop(0)
        if not word.startswith("-") or word == "-":
            given += 1
            continue
        if word == "--help":
            continue
        name, _, value = word.partition("=")
        option = options.get(name)
        if option is None:
            return f"{place} has no option {name}"
        if not option.is_flag and not value:
            if not words:
                return f"{place} {name} needs a value"
            words.pop(0)
    most = sum(1 if one.nargs > 0 else 1000 for one in arguments)
    return f"{place} takes {most} arguments, not {given}" if given > most else None


def why_no_target(line: str) -> str | None:
    """Why the Makefile cannot do this, None if it can."""
    for word in shlex.split(line)[1:]:
        if "=" in word:
            name = word.partition("=")[0]
            if f"{name} ?=" not in (ROOT / "Makefile").read_text("utf-8"):
                return f"the Makefile knows no variable {name}"
        elif word not in make_targets():
            return f"no make target {word}"
    return None


def why_no_address(address: str) -> str | None:
    """Why the API has no such method and path, None if it has."""
    found = _ADDRESS.match(address)
    if found is None:
        return f"{address} is no address"
    if operations_at(found[1], found[2]):
        return None
    known = {path for _, path in _OTHER_ADDRESSES}
    return None if found[2] in known else f"no operation {address}"


def operations_at(method: str | None, path: str) -> list[Any]:
    """The operations that would answer a method (None: any) at a path, the very path's first."""
    found = [
        operation
        for operation in [*OPERATIONS, *PAGES]
        if (method is None or operation.method == method) and _fits(operation.path, path)
    ]
    return sorted(found, key=lambda operation: operation.path != path)


def _fits(template: str, path: str) -> bool:
    wanted, given = template.split("/"), path.split("/")
    return len(wanted) == len(given) and all(
        one == other or one.startswith("{") for one, other in zip(wanted, given, strict=True)
    )


def _why_no_case(span: str) -> str | None:
    if span.startswith("filing/"):
        named = re.fullmatch(r"filing/(<year>|\d{4})/(<institution>|[\w.-]+)", span)
        return None if named else f"{span} is no filing's id"
    if re.fullmatch(r"campaign/(<year>|\d{4})/(<jurisdiction>|\d{6})", span):
        return None
    return _why_not_in_source(span)


def _why_no_data(span: str) -> str | None:
    """What a data folder holds is named in the code that makes it."""
    for part in span.split("/")[1:]:
        if part and not re.search(rf'["/`]{re.escape(part)}\b', source_text()):
            return f"nothing in the code makes {part}"
    return None


def _why_no_path(span: str) -> str | None:
    bare = span.rstrip("/")
    if (ROOT / bare).exists() or (ROOT / "rules" / f"{bare}.yaml").exists():
        return None
    if (ROOT / "rules" / bare).exists():
        return None
    pattern = re.sub(r"<[^<>]+>", "*", bare)
    if "*" in pattern and (any(ROOT.glob(pattern)) or any((ROOT / "rules").glob(pattern))):
        return None
    return _why_not_in_source(span)


def _why_no_module(span: str) -> str | None:
    """``rules.file.library.RuleLibrary``: a module, then names in it. ``worker.py``: a file."""
    if (ROOT / span).exists():
        return None
    parts = span.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for name in parts[length:]:
            if not hasattr(found, name) and name not in getattr(found, "model_fields", {}):
                return f"{span}: no {name}"
            found = getattr(found, name, None)
        return None
    return f"no module {span}"


def _why_not_in_source(span: str) -> str | None:
    pieces = [piece for piece in re.split(r"…|<[^<>]+>", span) if piece.strip()]
    for piece in pieces:
        if piece.strip() not in source_text():
            return f"{piece.strip()!r} stands nowhere in the code"
    return None
