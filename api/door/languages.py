"""Pages in other languages: Chinese stands in them, and another language is one file.

``api/texts/<language>.yaml`` says for each Chinese text of the templates, and of the labels that
are shown in them, how it is said there; what it leaves out stays Chinese. Refusals stand in it
below `REFUSALS` by their codes, with their own ``{…}`` in them. Whoever asks for a language gets it
where there is a file for it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

from domain.messages import explain
from domain.refusals import Code, Refusal, Words

SOURCE = "zh-CN"
"""The language of the templates."""

TEXTS = Path(__file__).resolve().parents[1] / "texts"

REFUSALS = "refusals"
"""The key below which a file says refusals: code, then ``title``, ``detail``, ``remedy``."""

language: ContextVar[str] = ContextVar("language", default=SOURCE)
"""In which language the page is that is being made."""

_CHINESE = "[\u3400-\u9fff]"
_TEXT = re.compile(rf'[^<>"\n]*{_CHINESE}[^<>"\n]*')
"""A text in a template: all between two tags, quotes or ends of lines."""


class _Translating(Extension):
    """Puts another language in place of the texts of a template while it is compiled."""

    def filter_stream(self, stream: TokenStream) -> Iterable[Token]:
        said: Mapping[str, str] = self.environment.texts  # type: ignore[attr-defined]
        for token in stream:
            if token.type == "data":
                yield Token(token.lineno, token.type, _said(token.value, said))
            elif token.type == "string":
                yield Token(token.lineno, token.type, said.get(token.value, token.value))
            else:
                yield token


def _said(text: str, said: Mapping[str, str]) -> str:
    def one(found: re.Match[str]) -> str:
        whole = found[0]
        bare = whole.strip()
        return whole.replace(bare, said.get(bare, bare))

    return _TEXT.sub(one, text)


def texts_of(environment: Environment) -> Iterator[str]:
    """Every Chinese text of every template: what a file of another language has to say."""
    assert environment.loader is not None
    for name in environment.loader.list_templates():
        source = environment.loader.get_source(environment, name)[0]
        for token in environment.lexer.tokenize(source, name):
            if token.type == "data":
                yield from (found.strip() for found in _TEXT.findall(token.value))
            elif token.type == "string" and re.search(_CHINESE, token.value):
                yield token.value


def in_other_languages(source: Environment, folder: Path = TEXTS) -> dict[str, Environment]:
    """An environment for each language that there is a file for, by the language."""
    return {
        file.stem: _speaking(source, _read(file), file.stem)
        for file in sorted(folder.glob("*.yaml"))
    }


def refusals_in(folder: Path = TEXTS) -> dict[str, dict[Code, dict[str, str]]]:
    """How refusals are said in each language there is a file for. Raises ValueError: no code."""
    return {
        file.stem: {Code(code): said for code, said in _read(file).get(REFUSALS, {}).items()}
        for file in sorted(folder.glob("*.yaml"))
    }


def explained(refusal: Refusal) -> Words:
    """The words for a refusal in the language of the answer that is being made."""
    said = REFUSED_IN.get(language.get(), {}).get(refusal.code, {})
    return explain(refusal, refusal.code.words._replace(**said))


def _read(file: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(file.read_text("utf-8")) or {})


def _speaking(source: Environment, texts: dict[str, Any], name: str) -> Environment:
    said = {text: other for text, other in texts.items() if text != REFUSALS}

    def shown(value: Any) -> Any:
        # labels come from Python: whole texts alone, so that nothing of what people wrote changes
        return said.get(value, value) if type(value) is str else value

    speaking = source.overlay(finalize=shown)
    speaking.texts = said  # type: ignore[attr-defined]
    speaking.add_extension(_Translating)
    speaking.globals = {**source.globals, "language": name}
    return speaking


def wanted(accepted: str, there: Iterable[str]) -> str:
    """The language to answer in, of those there are, for the header Accept-Language."""
    known = {one.lower(): one for one in there}
    for one in accepted.split(",")[:10]:
        name = one.partition(";")[0].strip().lower()
        if name.startswith("zh"):
            return SOURCE
        for candidate in (name, name.partition("-")[0]):
            if candidate in known:
                return known[candidate]
    return SOURCE


REFUSED_IN = refusals_in()
"""What refusals say besides Chinese, by language and code; what is left out stays Chinese."""
