"""The body of a published piece: Markdown of CommonMark without HTML, images or odd addresses."""

import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

_ADDRESS = re.compile(r"(https?://|mailto:)[^\s]+|/(?![/\\])[^\s]*|#[^\s]*", re.IGNORECASE)
_HIGHEST = 2
"""A page has a heading of its own: those of a body begin below it."""


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:
        """Whether a link leads to the web, to a mail address, or into this site."""
        return _ADDRESS.fullmatch(url) is not None


class _Renderer(RendererHTML):
    def heading_open(self, tokens: Sequence[Token], at: int, *_: Any) -> str:
        return f"<h{_level(tokens[at])}>"

    def heading_close(self, tokens: Sequence[Token], at: int, *_: Any) -> str:
        return f"</h{_level(tokens[at])}>\n"


def _level(heading: Token) -> int:
    return min(6, int(heading.tag[1:]) + _HIGHEST - 1)


_MARKDOWN = _Markdown("commonmark", {"html": False}, renderer_cls=_Renderer)
_MARKDOWN.disable(["image", "html_block", "html_inline"])
_MARKDOWN.enable("table")


def html_of(body: str) -> str:
    """A body as HTML that runs nothing and loads nothing."""
    return str(_MARKDOWN.render(body))
