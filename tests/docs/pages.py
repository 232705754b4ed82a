"""Markdown as the tests read it: headings, fenced blocks with their markers, code spans, links.

A block's marker is an HTML comment on the line above its fence. Several are parted by ``;``:

| marker | what a test does with the block |
|---|---|
| ``run`` | runs it in bash with nothing else running; ``run: exit 1`` expects that exit code |
| ``run: system`` | runs it in bash against a whole system on real servers |
| ``refused`` | expects the API to refuse something in it; nowhere else may it |
| ``not run: why`` | looks up every command, option, file and address in it |
| ``output`` | compares it with what the block above printed; ``…`` stands for anything |
| ``file NAME`` | puts it beside the page's commands as a file |
| ``facts`` | reads it as facts for the rules |
| ``body METHOD PATH``, ``answer METHOD PATH`` | checks it against the operation's model |
| ``problem`` | makes the same problem document and compares |
| ``step`` | recomputes the step's hash |
| ``form ID`` | checks it as a complete form |
| ``in FILE`` | finds it in the file, word for word |
| ``rules FILE`` | checks it as a rule file in a copy of the rules folder |
| ``new FILE``, ``edit FILE`` | `tests.workflows.test_adding_a_kind` makes that file, or edit |
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^```(\w*)\s*$")
_MARKER = re.compile(r"^<!--\s*(.+?)\s*-->$")
_HEADING = re.compile(r"^(#{1,6}) (.+?)\s*$")
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]\n]*\]\(([^()\s]+(?:\([^()\s]*\))?[^()\s]*)\)")
_NOT_OURS = {"docs/performance.md"}


@dataclass(frozen=True)
class Block:
    """A fenced block. ``line`` is that of its fence, counted from 1."""

    page: str
    line: int
    language: str
    markers: tuple[str, ...]
    text: str

    def marked(self, name: str) -> str | None:
        """What follows a marker's name, "" if nothing does, None if it is not there."""
        for marker in self.markers:
            if marker == name:
                return ""
            for after in (": ", " "):
                if marker.startswith(name + after):
                    return marker[len(name) + len(after) :]
        return None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Page:
    """One Markdown file. ``headings`` are (level, text), ``spans`` (line, code), ``links`` too."""

    name: str
    text: str
    blocks: tuple[Block, ...]
    headings: tuple[tuple[int, str], ...]
    spans: tuple[tuple[int, str], ...]
    links: tuple[tuple[int, str], ...]

    def anchors(self) -> set[str]:
        """The names of the headings as links use them."""
        return {slug(text) for _, text in self.headings}

    def table(self, heading: str) -> list[list[str]]:
        """The cells of the first table below a heading, without its two head lines."""
        below = self.text.split(f"\n{heading}\n", 1)[1]
        rows = []
        for line in below.splitlines():
            if line.startswith("|"):
                rows.append([cell.strip() for cell in line.strip("|").split("|")])
            elif rows or line.startswith("#"):
                break
        return rows[2:]


def slug(heading: str) -> str:
    """A heading's name in links."""
    bare = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return bare.replace(" ", "-")


@cache
def pages() -> tuple[Page, ...]:
    """Every page this folder of tests answers for."""
    names = [*ROOT.glob("*.md"), *sorted(ROOT.glob("docs/**/*.md"))]
    shown = [path.relative_to(ROOT).as_posix() for path in names]
    return tuple(page(name) for name in shown if name not in _NOT_OURS)


@cache
def page(name: str) -> Page:
    """One page, named from the checkout's root. Raises OSError, ValueError for an open fence."""
    text = (ROOT / name).read_text("utf-8")
    blocks: list[Block] = []
    headings: list[tuple[int, str]] = []
    spans: list[tuple[int, str]] = []
    links: list[tuple[int, str]] = []
    fence: tuple[int, str] | None = None
    inside: list[str] = []
    above = ""
    for number, line in enumerate(text.splitlines(), 1):
        found = _FENCE.match(line)
        if fence is not None:
            if line == "```":
                blocks.append(Block(name, *fence, _markers(above), "\n".join(inside) + "\n"))
                fence, inside = None, []
                above = ""
            else:
                inside.append(line)
            continue
        if found:
            fence = (number, found[1])
            continue
        if heading := _HEADING.match(line):
            headings.append((len(heading[1]), heading[2]))
        spans += [(number, code) for code in _SPAN.findall(line)]
        links += [(number, target) for target in _LINK.findall(_SPAN.sub("", line))]
        above = line.strip()
    if fence is not None:
        raise ValueError(f"{name}:{fence[0]}: a block without an end")
    return Page(name, text, tuple(blocks), tuple(headings), tuple(spans), tuple(links))


def _markers(above: str) -> tuple[str, ...]:
    found = _MARKER.match(above)
    return tuple(one.strip() for one in found[1].split(";")) if found else ()
