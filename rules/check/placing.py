"""Findings about one merged file, each placed at the line that has to change."""

from rules.file.findings import Finding, dotted
from rules.file.strict_yaml import Node
from rules.file.strict_yaml import Path as NodePath


class Findings:
    """Findings about one merged file, placed by path.

    ``own`` is the file alone where ``node`` has a base merged in. The base has passed its own
    check, so that what is wrong of the two together is told at the nearest line of ``own``.
    """

    def __init__(self, node: Node, own: Node | None = None) -> None:
        self.node = node
        self.own = own
        self.all: list[Finding] = []

    def one(self, code: str, path: NodePath, message: str, beside: NodePath = ()) -> Finding:
        """A finding at ``path``, not yet added. ``beside`` is what it contradicts, if anything."""
        place = self.node.place_of(path)
        if self.own is not None and place.file != self.own.place.file:
            other = self.node.place_of(beside) if beside else place
            if other.file == self.own.place.file:
                return Finding(code, other.file, other.line, dotted(beside), message)
            message = f"{message}（所依据的是 {place}）"
            place = self.own.place_of(_up_to_list(path))
        return Finding(code, place.file, place.line, dotted(path), message)

    def add(self, code: str, path: NodePath, message: str, beside: NodePath = ()) -> None:
        """Add a finding at ``path``."""
        self.all.append(self.one(code, path, message, beside))


def _up_to_list(path: NodePath) -> NodePath:
    """The path as far as positions in lists do not count: those of two files differ."""
    steps = [step for step in path if isinstance(step, str)]
    return tuple(steps[: next((i for i, step in enumerate(path) if isinstance(step, int)), None)])
