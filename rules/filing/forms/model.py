"""The shapes a form is made of: sections of fields, tables, checks, legal particulars.

A form is one YAML file, ``rules/forms/<id>.yaml``. What is filled in is a JSON object: a field's
id with its value, a table's id with a list of rows, and two words of the form's own: ``reasons``
(why a warning's figures are right, by check) and ``unconfirmed`` (what was filled in beforehand
and nobody has looked at). A form that repeats holds a list of such objects under ``copies``.
Whole numbers are JSON numbers; decimals and percents are texts with at most two decimal places, in
the unit that the field states. What follows from other values (``derived``) is never filled in.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, PrivateAttr, StringConstraints, model_validator
from pydantic import Field as Spec

from domain.canonical import sha256_of
from domain.citation import Citation
from domain.model import Value
from domain.text import trimmed

MAX_TEXT = 20_000
"""The most characters a text field may ever hold."""

MAX_NUMBER = 10**12
"""No number may be larger than this, either way; sums and products then stay inside int64."""

MAX_ROWS = 200
"""The most rows a table may ever have."""

MAX_COPIES = 50
"""The most copies of a form that repeats."""

REASONS, UNCONFIRMED, COPIES = "reasons", "unconfirmed", "copies"
RESERVED = frozenset({REASONS, UNCONFIRMED, COPIES, "row", "tolerance", "peer"})
"""Words that no field, table or column may have as its id."""

FieldType = Literal["integer", "decimal", "text", "choice", "choices", "date", "percent", "boolean"]
Level = Literal["block", "warn", "note"]
Prefill = Literal[
    "last_year",
    "register.name",
    "register.uscc",
    "register.legal_person",
    "register.certificates",
]
NUMBERS = frozenset({"integer", "decimal", "percent"})

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class FormError(Exception):
    """A form file is not in order: ``code`` is stable, the text says where and how to mend it.

    ``line`` is that of the file, 1 where no single one is wrong.
    """

    def __init__(self, code: str, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.code = code
        self.line = line


def _seen(text: str) -> str:
    if not trimmed(text):
        raise ValueError("不能是空白")
    return text


Words = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(_seen)]
FieldId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
CheckId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
Cel = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(_seen)]
Amount = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,2})?$")]


def day_in(text: str) -> date | None:
    """The day that a text names as 2024-12-31, None if it names none."""
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


class HeaderItem(Value):
    """One of the legal particulars; ``assumption`` says why it is not the official value."""

    value: Words
    assumption: str = ""

    @property
    def known(self) -> bool:
        """Whether the value was read in a source."""
        return not self.assumption


def _a_day(item: HeaderItem) -> HeaderItem:
    if item.known and day_in(item.value) is None:
        raise ValueError('valid_until 写成带引号的日期，如 "2026-12-31"；没有公布的写明 assumption')
    return item


class Header(Value):
    """What must stand on a statistical form (统计法 17): 表号, 制定机关, 批准或备案文号, 有效期限.

    ``valid_until`` is the last day on which the form may be filled in, where it is known.
    """

    table_number: HeaderItem
    issuing_authority: HeaderItem
    approval_number: HeaderItem
    valid_until: Annotated[HeaderItem, AfterValidator(_a_day)]

    @property
    def last_day(self) -> date | None:
        """The last day of the form's validity, None where it is not known."""
        return day_in(self.valid_until.value) if self.valid_until.known else None


class Derived(Value):
    """How a value follows from others; exactly one way is stated.

    ``sum`` adds what is filled in, ``difference`` takes the second from the first, ``share`` is the
    first in the second and ``growth`` the first over the second, in percent; ``total`` adds a
    table's column (``table.column``) and ``count`` counts its rows.
    """

    sum: tuple[FieldId, ...] = ()
    difference: tuple[FieldId, ...] = ()
    share: tuple[FieldId, ...] = ()
    growth: tuple[FieldId, ...] = ()
    total: str = ""
    count: str = ""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [key for key in type(self).model_fields if getattr(self, key)]
        if len(ways) != 1:
            raise ValueError("derived 只写 sum、difference、share、growth、total、count 中的一种")
        pairs = self.difference or self.share or self.growth
        if pairs and len(pairs) != 2:
            raise ValueError(f"derived 的 {ways[0]} 要写两个字段")
        return self

    @property
    def way(self) -> str:
        """Which way it is."""
        return next(key for key in type(self).model_fields if getattr(self, key))

    @property
    def inputs(self) -> tuple[str, ...]:
        """The fields or tables it is made of."""
        if self.total:
            return (self.total.partition(".")[0],)
        return self.sum or self.difference or self.share or self.growth or (self.count,)


class FormField(Value):
    """One blank. ``min`` and ``max`` bound numbers, ``max_length`` counts a text's characters.

    ``source`` says where the blank comes from (the annex's line, a published indicator), ``help``
    how to fill it in. ``pattern`` is what a text must match, ``pattern_words`` the same in words.
    ``prefill``: ``last_year``, or what of the register it begins with.
    """

    id: FieldId
    label: Words
    type: FieldType
    unit: str = ""
    help: str = ""
    source: str = ""
    required: bool = True
    min: int | None = None
    max: int | None = None
    max_length: int = Spec(default=200, ge=1, le=MAX_TEXT)
    pattern: str = ""
    pattern_words: str = ""
    uscc: bool = False
    options: tuple[Words, ...] = ()
    prefill: Prefill | None = None
    derived: Derived | None = None
    example: int | str | bool | tuple[str, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_kept(cls, data: Any) -> Any:
        """Sets on record from before call the help a note: they are read as they are kept."""
        if isinstance(data, dict) and "note" in data and "help" not in data:
            return {("help" if key == "note" else key): value for key, value in data.items()}
        return data

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.type in ("choice", "choices")) != bool(self.options):
            raise ValueError("options 只用于 choice、choices，且不能为空")
        if len(set(self.options)) != len(self.options):
            raise ValueError("options 有重复项")
        if self.id in RESERVED:
            raise ValueError(f"{self.id} 是保留的字，请换一个编号")
        if bool(self.pattern) != bool(self.pattern_words) or (
            (self.pattern or self.uscc) and self.type != "text"
        ):
            raise ValueError("pattern 与 pattern_words 同写，且只用于 text")
        if self.pattern:
            try:
                re.compile(self.pattern)
            except re.error:
                raise ValueError("pattern 不是有效的正则表达式") from None
        if self.derived is not None and self.type not in NUMBERS:
            raise ValueError("derived 只用于数值字段")
        return self

    def example_value(self) -> Any:
        """A generated value of the right JSON type; texts say that they are generated."""
        if self.example is not None:
            return list(self.example) if isinstance(self.example, tuple) else self.example
        match self.type:
            case "integer":
                return self.min or 0
            case "decimal" | "percent":
                return str(self.min or 0)
            case "choice":
                return self.options[0]
            case "choices":
                return [self.options[0]]
            case "date":
                return "2024-06-30"
            case "boolean":
                return False
            case "text":
                return f"演示（生成）{self.label}"[: self.max_length]


class Table(Value):
    """That a section has rows: at least ``min``, at most ``max``, no two alike in ``unique``."""

    min: int = Spec(default=0, ge=0, le=MAX_ROWS)
    max: int = Spec(default=50, ge=1, le=MAX_ROWS)
    unique: tuple[FieldId, ...] = ()
    prefill: Literal["register.certificates", "last_year"] | None = None
    example: tuple[dict[str, Any], ...] = ()


class Section(Value):
    """A group of fields; with ``table`` its fields are the columns of rows kept under its id.

    ``when`` is CEL over fields of sections that are always there: the section is filled in where
    it holds and left empty where it does not. ``assumption`` says what in it no source states.
    """

    id: FieldId
    title: Words
    note: str = ""
    assumption: str = ""
    when: Cel | None = None
    table: Table | None = None
    fields: tuple[FormField, ...] = Spec(min_length=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.table is None:
            return self
        if self.id in RESERVED:
            raise ValueError(f"{self.id} 是保留的字，请换一个编号")
        if any(field.derived is not None for field in self.fields):
            raise ValueError("表格的列不能有 derived")
        columns = {field.id for field in self.fields}
        if not set(self.table.unique) <= columns:
            raise ValueError("table.unique 只能写本表的列")
        if self.table.min > self.table.max:
            raise ValueError("table 的 min 不能大于 max")
        return self


class Figure(Value):
    """A figure for a check's message: CEL, and how its result is written."""

    value: Cel
    type: Literal["integer", "decimal", "percent", "texts"] = "integer"
    unit: str = ""


class CheckExample(Value):
    """What is changed in the form's own example so that a check fires, and so that it passes.

    A field or table with its value (null takes it out); under ``register``, ``last_year``,
    ``peers`` or another part's id what is known besides.
    """

    fires: dict[str, Any]
    passes: dict[str, Any]


class Peers(Value):
    """That a number is compared with those of institutions alike, see `rules.filing.forms.peers`.

    It is unusual when it lies outside what is usual in every group of at least ``least``: farther
    from the median than ``score`` times the spread, and than ``factor`` times the median.
    """

    field: FieldId
    least: int = Spec(default=30, ge=5)
    score: int = Spec(default=5, ge=2)
    factor: int = Spec(default=10, ge=2)


class Check(Value):
    """What must be true of filled-in values. ``holds`` and ``when`` are CEL and must be boolean.

    ``level``: ``block`` keeps a filing from being submitted, ``warn`` is accepted with a written
    reason, ``note`` is to be looked at. ``fields`` are those it is about, the first is where it is
    shown; ``absent`` must be blank for it to run. ``each`` names a table whose rows are looked at
    one by one, as ``row``. ``tolerance`` (in the fields' unit) is known to CEL in hundredths.
    The example is not part of what is hashed: a better one makes no other form.
    """

    id: CheckId
    level: Level = "block"
    fields: tuple[FieldId, ...] = Spec(min_length=1)
    absent: tuple[FieldId, ...] = ()
    each: FieldId | None = None
    when: Cel | None = None
    holds: Cel | None = None
    peers: Peers | None = None
    tolerance: Amount | None = None
    figures: dict[FieldId, Figure] = Spec(default_factory=dict)
    message: Words
    cite: Citation | None = None
    example: CheckExample | None = Spec(default=None, exclude=True)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.holds is None) == (self.peers is None):
            raise ValueError("校验要写 holds 或 peers，只写一个")
        if self.peers is not None and (self.when or self.each or self.absent or self.figures):
            raise ValueError("peers 校验不能写 when、each、absent、figures")
        return self


class Repeats(Value):
    """One copy for each of what the register lists, told apart by ``field``."""

    each: Literal["national_centres"]
    field: FieldId
    what: Words


class PeerGroups(Value):
    """What makes institutions alike: a choice field, and a field of several choices."""

    kind: FieldId
    field: FieldId


class Form(Value):
    """A form. ``reads`` names what of other parts its checks look at: part → field → type.

    ``revision`` counts what was published of it; its ``sha256`` tells one content from another.
    """

    id: str
    title: Words
    revision: int = Spec(default=1, ge=1)
    note: str = ""
    header: Header
    cite: Citation
    repeats: Repeats | None = None
    reads: dict[str, dict[FieldId, Literal["integer", "decimal", "percent", "text"]]] = Spec(
        default_factory=dict
    )
    peer_groups: PeerGroups | None = None
    sections: tuple[Section, ...] = Spec(min_length=1)
    checks: tuple[Check, ...] = ()

    _fields: dict[str, FormField] = PrivateAttr(default_factory=dict)
    _tables: dict[str, Section] = PrivateAttr(default_factory=dict)
    _conditional: dict[str, Section] = PrivateAttr(default_factory=dict)
    _sha256: str = PrivateAttr(default="")
    _compiled: Any = PrivateAttr(default=None)

    def model_post_init(self, context: Any, /) -> None:
        """Index the fields and tables. Raises FormError where two have one id."""
        for section in self.sections:
            if section.when is not None:
                ids = [section.id] if section.table else [field.id for field in section.fields]
                self._conditional |= dict.fromkeys(ids, section)
        single = [field for s in self.sections if s.table is None for field in s.fields]
        tables = [section for section in self.sections if section.table is not None]
        columns = [(f"分节 {s.id} 的列", [field.id for field in s.fields]) for s in tables]
        single_ids = [field.id for field in single]
        for what, names in (
            ("字段或表格", [*single_ids, *(table.id for table in tables)]),
            ("分节", [section.id for section in self.sections]),
            ("校验", [check.id for check in self.checks]),
            *columns,
        ):
            _refuse_duplicates(self.id, what, names)
        self._fields = {field.id: field for field in single}
        self._tables = {section.id: section for section in tables}

    @property
    def fields(self) -> Mapping[str, FormField]:
        """The fields outside tables by id, in the order of the form, derived ones included."""
        return self._fields

    @property
    def tables(self) -> Mapping[str, Section]:
        """The tables by id."""
        return self._tables

    @property
    def places(self) -> frozenset[str]:
        """What of the form can be named: fields, tables, and columns as ``table.column``."""
        columns = (f"{name}.{one.id}" for name, s in self._tables.items() for one in s.fields)
        return frozenset((*self._fields, *self._tables, *columns))

    def section_of(self, name: str) -> Section | None:
        """The conditional section that a field or table belongs to, None for all others."""
        return self._conditional.get(name)

    def check(self, check_id: str) -> Check | None:
        """The check with this id."""
        return next((check for check in self.checks if check.id == check_id), None)

    @property
    def sha256(self) -> str:
        """Lowercase hex SHA-256 of the form, year texts applied."""
        if not self._sha256:
            self._sha256 = sha256_of(self.model_dump(mode="json"))
        return self._sha256

    def copies(self, values: Any) -> Iterator[tuple[int | None, Any]]:
        """The filled-in copies with their numbers from 0; a form that does not repeat is one."""
        if self.repeats is None:
            yield None, values
            return
        found = values.get(COPIES) if isinstance(values, dict) else None
        yield from enumerate(found if isinstance(found, list) else ())


def _refuse_duplicates(form_id: str, what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise FormError("bad_form", f"表单 {form_id}：{what}编号 {name} 重复，请改名")
        seen.add(name)
