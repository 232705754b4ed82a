"""Forms as data: their fields, their checks, and what is wrong with a filled-in one.

A form is one YAML file, ``rules/forms/<id>.yaml``. Its checks are CEL expressions over field ids,
compiled and type-checked when the form is loaded. Inside CEL a decimal or percent is an integer in
hundredths ("12.34" is 1234); texts, choices and dates are strings. A check runs only when all
fields that it names are filled in (and all it lists under ``absent`` are not).

A value that is None, an empty or blank string or an empty list counts as not filled in.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from cel_expr_python import cel
from pydantic import Field as Spec
from pydantic import PrivateAttr, ValidationError, model_validator

from domain.canonical import canonical_json, sha256_of
from domain.citation import Citation
from domain.model import Value
from domain.text import not_written
from rules.file.findings import RulesInvalid
from rules.file.strict_yaml import load

MAX_TEXT = 20_000
"""The most characters a text field may ever hold."""

MAX_NUMBER = 10**12
"""No number may be larger than this, either way; sums and products then stay inside int64."""

MAX_FORM_BYTES = 256 * 1024
"""The largest filled-in form as canonical JSON; `check_form` refuses more."""

MAX_LISTED_UNKNOWN = 20

FieldType = Literal["integer", "decimal", "text", "choice", "choices", "date", "percent", "boolean"]
FieldId = str
_ID = r"^[a-z][a-z0-9_]{0,63}$"
_FORM_ID = re.compile(r"[a-z][a-z0-9-]{0,63}")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,12})(?:\.[0-9]{1,2})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BREAKS = dict.fromkeys(map(ord, "\t\r\n"))
_CEL_STRING = re.compile(r"'[^']*'|\"[^\"]*\"")


class FormNotFound(KeyError):
    """No form has this id."""

    def __init__(self, form_id: str) -> None:
        super().__init__(form_id)
        self.form_id = form_id

    def __str__(self) -> str:
        return f"没有编号为“{self.form_id[:64]}”的表单，请核对规则文件中的 form"


class FormError(Exception):
    """A form file is not in order: ``code`` is stable, the text says where and how to mend it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class FieldProblem(Value):
    """What is wrong with one field, in Chinese; ``check`` names the check that failed, if any.

    Codes: unknown_field, wrong_type, bad_format, too_long, bad_characters, too_large,
    not_an_option, duplicate_option, required, out_of_range, check_failed, check_not_computable.
    """

    field: str
    code: str
    message: str
    check: str | None = None


class HeaderItem(Value):
    """One item of the statutory header; ``assumption`` says why it is not the official value."""

    value: str = Spec(min_length=1)
    assumption: str = ""

    @property
    def known(self) -> bool:
        """Whether the value was read in a source."""
        return not self.assumption


class Header(Value):
    """What must stand on a statistical form (统计法 17)."""

    table_number: HeaderItem
    issuing_authority: HeaderItem
    approval_number: HeaderItem
    valid_until: HeaderItem


class FormField(Value):
    """One blank. ``min`` and ``max`` bound numbers, ``max_length`` counts a text's characters."""

    id: FieldId = Spec(pattern=_ID)
    label: str = Spec(min_length=1)
    type: FieldType
    unit: str = ""
    required: bool = True
    min: int | None = None
    max: int | None = None
    max_length: int = Spec(default=200, ge=1, le=MAX_TEXT)
    options: tuple[str, ...] = ()
    note: str = ""
    example: int | str | bool | tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        if (self.type in ("choice", "choices")) != bool(self.options):
            raise ValueError("options 只用于 choice、choices，且不能为空")
        if len(set(self.options)) != len(self.options):
            raise ValueError("options 有重复项")
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


class Section(Value):
    """A group of fields; ``assumption`` says what in it the sources do not state."""

    id: str = Spec(pattern=_ID)
    title: str
    note: str = ""
    assumption: str = ""
    fields: tuple[FormField, ...] = Spec(min_length=1)


class Check(Value):
    """A condition between fields. ``holds`` and ``when`` are CEL and must be boolean."""

    id: str = Spec(pattern=r"^[a-z][a-z0-9-]{0,63}$")
    fields: tuple[FieldId, ...] = Spec(min_length=1)
    absent: tuple[FieldId, ...] = ()
    when: str | None = None
    holds: str
    message: str = Spec(min_length=1)
    cite: Citation | None = None


class _Program(NamedTuple):
    """A check with its compiled expressions."""

    check: Check
    when: Any
    holds: Any


class Form(Value):
    """A form: sections of fields, checks between them, header and source.

    Building one compiles its checks and raises `FormError` if a check or its example is wrong.
    """

    id: str
    title: str
    note: str = ""
    header: Header
    cite: Citation
    sections: tuple[Section, ...] = Spec(min_length=1)
    checks: tuple[Check, ...] = ()

    _fields: dict[str, FormField] = PrivateAttr(default_factory=dict)
    _programs: tuple[_Program, ...] = PrivateAttr(default=())
    _env: Any = PrivateAttr(default=None)

    def model_post_init(self, context: Any, /) -> None:
        """Index the fields, compile the checks, and try the form on its own example."""
        fields = [field for section in self.sections for field in section.fields]
        self._fields = {field.id: field for field in fields}
        for what, names in (
            ("字段", [field.id for field in fields]),
            ("分节", [section.id for section in self.sections]),
            ("校验", [check.id for check in self.checks]),
        ):
            _refuse_duplicates(self.id, what, names)
        self._env = _environment(self._fields.values())
        self._programs = tuple(_compile(self, check) for check in self.checks)
        problems = check_form(self, self.blank_example(), complete=True)
        if problems:
            raise FormError(
                "bad_example",
                f"表单 {self.id} 的示例不合格：{problems[0].field}：{problems[0].message}"
                "；请改正该字段的 example",
            )

    @property
    def fields(self) -> Mapping[str, FormField]:
        """The fields by id, in the order of the form."""
        return self._fields

    @property
    def sha256(self) -> str:
        """Lowercase hex SHA-256 of the form, year texts applied."""
        return sha256_of(self.model_dump(mode="json"))

    def blank_example(self) -> dict[str, Any]:
        """A generated filled-in form without problems; its texts say that they are generated."""
        return {field.id: field.example_value() for field in self._fields.values()}


class FormLibrary:
    """The forms of a folder, one ``<id>.yaml`` each, read when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._forms: dict[str, Form] = {}

    def ids(self) -> tuple[str, ...]:
        """The ids of all forms, sorted."""
        return tuple(sorted(path.stem for path in self._folder.glob("*.yaml")))

    def get(self, form_id: str) -> Form:
        """The form. Raises `FormNotFound`, or `FormError` if its file is not in order."""
        if form_id not in self._forms:
            document = self._read(form_id)
            base_id = document.pop("extends", None)
            if base_id is not None:
                document = self._extended(form_id, document, base_id)
            elif "texts" in document:
                raise FormError("bad_form", f"{form_id}.yaml：texts 只与 extends 同用，请删去")
            self._forms[form_id] = _parse(form_id, document)
        return self._forms[form_id]

    def _read(self, form_id: str) -> dict[str, Any]:
        path = self._folder / f"{form_id}.yaml"
        # The pattern also keeps an id from leaving the folder.
        if _FORM_ID.fullmatch(form_id) is None or not path.is_file():
            raise FormNotFound(form_id)
        document = _load(path)
        if not isinstance(document, dict):
            raise FormError("bad_form", f"{path.name}：应为一个映射，含 id、title、sections 等")
        if document.get("id") != form_id:
            raise FormError("bad_form", f"{path.name}：id 应与文件名一致，写作 {form_id}")
        return document

    def _extended(self, form_id: str, document: dict[str, Any], base_id: Any) -> dict[str, Any]:
        """The base with its year texts replaced and the named parts exchanged."""
        name = f"{form_id}.yaml"
        if not isinstance(base_id, str):
            raise FormError("bad_form", f"{name}：extends 应为一个表单编号")
        base = self._read(base_id)
        if "extends" in base:
            raise FormError("bad_form", f"{name}：{base_id} 自身也是派生表单，请直接派生自其原表")
        replacements = document.pop("texts", {})
        unknown = sorted(set(document) - {"id", "title", "note", "header", "cite"})
        if unknown:
            raise FormError("bad_form", f"{name}：派生表单不能改动 {'、'.join(unknown)}")
        return {**_replaced(name, base, replacements), **document}


def check_form(form: Form, values: dict[str, Any], complete: bool) -> list[FieldProblem]:
    """What is wrong with ``values`` (field id → JSON value), in the order of the form.

    ``complete=False`` (saving a draft) looks at unknown fields, types, lengths and size only;
    ``complete=True`` also at ranges, required fields and checks. Never raises for any values.
    """
    if not isinstance(values, dict):
        return [_problem("", "wrong_type", "表单内容应为一个对象（字段编号与值的对应）")]
    problems = _unknown_fields(form, values)
    ready: dict[str, Any] = {}
    for field in form.fields.values():
        value = values.get(field.id)
        if _is_blank(value):
            if complete and field.required:
                problems.append(_problem(field.id, "required", f"“{field.label}”必填，请填写"))
            continue
        found = _type_problem(field, value)
        if found is None and complete:
            found = _range_problem(field, value)
        if found is None:
            ready[field.id] = _for_cel(field, value)
        else:
            problems.append(found)
    # what is no value of its field is told of already, and may be nothing JSON can hold
    if not problems and len(canonical_json(values)) > MAX_FORM_BYTES:
        problems.append(_form_too_large())
    if complete:
        filled = {field_id for field_id in form.fields if not _is_blank(values.get(field_id))}
        problems.extend(_failed_checks(form, ready, filled))
    return problems


def _load(path: Path) -> Any:
    """The YAML document of a file, read as strictly as the rules."""
    try:
        return load(path.read_bytes(), path.name).plain()
    except RulesInvalid as invalid:
        raise FormError(
            "bad_yaml", f"{path.name}：不是合格的 YAML：{invalid.findings[0]}"
        ) from None


def _parse(form_id: str, document: dict[str, Any]) -> Form:
    try:
        return Form.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise FormError("bad_form", f"{form_id}.yaml：{place}：{first['msg']}") from None


def _replaced(name: str, base: dict[str, Any], replacements: Any) -> dict[str, Any]:
    """``base`` with texts replaced, all in one pass: a replacement is not replaced again."""
    if not isinstance(replacements, dict) or not all(
        isinstance(text, str) and text for pair in replacements.items() for text in pair
    ):
        raise FormError("bad_form", f"{name}：texts 应为“原文: 新文”的映射，均为文字")
    if not replacements:
        return base
    pattern = re.compile("|".join(map(re.escape, sorted(replacements, key=len, reverse=True))))
    used: set[str] = set()

    def one(found: re.Match[str]) -> str:
        used.add(found[0])
        return str(replacements[found[0]])

    def walk(node: Any, key: str) -> Any:
        if isinstance(node, dict):
            return {name: walk(child, name) for name, child in node.items()}
        if isinstance(node, list):
            return [walk(child, key) for child in node]
        # Only what people read: ids, expressions and citations stay as they are.
        if isinstance(node, str) and key in ("title", "label", "message", "note", "options"):
            return pattern.sub(one, node)
        return node

    result: dict[str, Any] = walk(base, "")
    unused = [text for text in replacements if text not in used]
    if unused:
        raise FormError("bad_form", f"{name}：texts 中的“{unused[0]}”在原表中不存在，请改正")
    return result


def _refuse_duplicates(form_id: str, what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise FormError("bad_form", f"表单 {form_id}：{what}编号 {name} 重复，请改名")
        seen.add(name)


def _cel_type(field: FormField) -> Any:
    match field.type:
        case "integer" | "decimal" | "percent":
            return cel.Type.INT
        case "boolean":
            return cel.Type.BOOL
        case "choices":
            return cel.Type.List(cel.Type.STRING)
        case "text" | "choice" | "date":
            return cel.Type.STRING


def _environment(fields: Iterable[FormField]) -> Any:
    """A CEL environment that knows these fields and ``sum(list)``."""
    ints = cel.Type.List(cel.Type.INT)
    overload = cel.Overload("sum_list_int", cel.Type.INT, [ints], False, sum)
    return cel.NewEnv(
        variables={field.id: _cel_type(field) for field in fields},
        functions=[cel.FunctionDecl("sum", [overload])],
    )


def _compile(form: Form, check: Check) -> _Program:
    place = f"表单 {form.id} 的校验 {check.id}"
    for field_id in (*check.fields, *check.absent):
        if field_id not in form.fields:
            raise FormError("bad_check", f"{place}：没有字段 {field_id}，请核对")
    if set(check.fields) & set(check.absent):
        raise FormError("bad_check", f"{place}：同一字段不能既在 fields 又在 absent 中")
    expressions = [text for text in (check.when, check.holds) if text is not None]
    # With only the named fields declared, a use of any other is an error of the type check.
    own = _environment(form.fields[field_id] for field_id in check.fields)
    for text in expressions:
        try:
            kind = own.compile(text).return_type()
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise FormError("bad_check", f"{place}：表达式 {text} 有误：{reason}") from None
        if kind != cel.Type.BOOL:
            raise FormError("bad_check", f"{place}：表达式 {text} 的结果不是真假值，请改写")
    words = set(re.findall(r"\w+", _CEL_STRING.sub("", " ".join(expressions))))
    for field_id in check.fields:
        if field_id not in words:
            raise FormError("bad_check", f"{place}：fields 中的 {field_id} 未被表达式使用，请删去")
    when = None if check.when is None else form._env.compile(check.when)
    return _Program(check, when, form._env.compile(check.holds))


def _unknown_fields(form: Form, values: dict[str, Any]) -> list[FieldProblem]:
    unknown = [key for key in values if not isinstance(key, str) or key not in form.fields]
    problems = [
        _problem(
            str(key)[:64] if isinstance(key, str) else "",
            "unknown_field",
            f"本表没有这个字段，请删去；字段编号以《{form.title}》为准",
        )
        for key in unknown[:MAX_LISTED_UNKNOWN]
    ]
    more = len(unknown) - MAX_LISTED_UNKNOWN
    if more > 0:
        problems.append(_problem("", "unknown_field", f"另有 {more} 个本表没有的字段，未逐一列出"))
    return problems


def _form_too_large() -> FieldProblem:
    limit = f"{MAX_FORM_BYTES // 1024} 千字节"
    message = f"整张表单的内容超过上限 {limit}，请删减文字，详细材料另行留存备查"
    return _problem("", "form_too_large", message)


def _is_blank(value: Any) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def _type_problem(field: FormField, value: Any) -> FieldProblem | None:
    match field.type:
        case "integer":
            return _integer_problem(field, value)
        case "decimal" | "percent":
            return _decimal_problem(field, value)
        case "boolean":
            return None if isinstance(value, bool) else _wrong_type(field, "true 或 false")
        case "choices":
            return _choices_problem(field, value)
        case "text" | "choice" | "date":
            if not isinstance(value, str):
                return _wrong_type(field, "文字")
    if field.type == "choice":
        return None if value in field.options else _not_an_option(field)
    if field.type == "date":
        return None if _is_date(value) else _bad_format(field, "日期，写作 2024-12-31 这样的形式")
    if len(value) > field.max_length:
        text = f"“{field.label}”现有 {len(value)} 字，最多 {field.max_length} 字，请删减"
        return _problem(field.id, "too_long", text)
    if (why := not_written(value.translate(_BREAKS))) is not None:
        return _problem(field.id, "bad_characters", f"“{field.label}”：{why}")
    return None


def _integer_problem(field: FormField, value: Any) -> FieldProblem | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return _wrong_type(field, "整数（JSON 数字，不带引号和小数点）")
    return _too_large(field) if abs(value) > MAX_NUMBER else None


def _decimal_problem(field: FormField, value: Any) -> FieldProblem | None:
    if not isinstance(value, str):
        return _wrong_type(field, '带引号的小数，如 "12.34"')
    if len(value) > 20 or _DECIMAL.fullmatch(value) is None:
        return _bad_format(field, '数字，至多两位小数，不带单位、空格和千位分隔符，如 "12.34"')
    return _too_large(field) if abs(Decimal(value)) > MAX_NUMBER else None


def _choices_problem(field: FormField, value: Any) -> FieldProblem | None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return _wrong_type(field, "由选项文字组成的列表")
    if len(value) > len(field.options) or len(set(value)) != len(value):
        return _problem(field.id, "duplicate_option", f"“{field.label}”有重复的选项，请删去重复项")
    return None if set(value) <= set(field.options) else _not_an_option(field)


def _range_problem(field: FormField, value: Any) -> FieldProblem | None:
    if field.type not in ("integer", "decimal", "percent"):
        return None
    number = Decimal(value)
    unit = field.unit
    if field.min is not None and number < field.min:
        text = f"“{field.label}”不能小于 {field.min}{unit}，请核对"
    elif field.max is not None and number > field.max:
        text = f"“{field.label}”不能大于 {field.max}{unit}，请核对"
    else:
        return None
    return _problem(field.id, "out_of_range", text)


def _for_cel(field: FormField, value: Any) -> Any:
    return int(Decimal(value) * 100) if field.type in ("decimal", "percent") else value


def _failed_checks(form: Form, ready: dict[str, Any], filled: set[str]) -> Iterator[FieldProblem]:
    """The checks that fail. ``ready`` holds the usable values, ``filled`` all non-blank fields."""
    data = form._env.Activation(ready)
    for program in form._programs:
        check = program.check
        if not all(name in ready for name in check.fields) or filled.intersection(check.absent):
            continue
        outcome = True if program.when is None else _truth(program.when.eval(data))
        if outcome:
            outcome = _truth(program.holds.eval(data))
        elif outcome is False:
            continue
        if outcome is None:
            text = f"校验“{check.id}”无法计算，请核对有关数字；仍不行时请联系系统管理员"
            yield _problem(check.fields[0], "check_not_computable", text, check.id)
        elif not outcome:
            yield _problem(check.fields[0], "check_failed", check.message, check.id)


def _truth(result: Any) -> bool | None:
    """The boolean of a CEL result; None for an error, which CEL returns as a truthy value."""
    return bool(result.value()) if result.type() == cel.Type.BOOL else None


def _is_date(text: str) -> bool:
    if _DATE.fullmatch(text) is None:
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _problem(field: str, code: str, message: str, check: str | None = None) -> FieldProblem:
    return FieldProblem(field=field, code=code, message=message, check=check)


def _wrong_type(field: FormField, expected: str) -> FieldProblem:
    return _problem(field.id, "wrong_type", f"“{field.label}”应填{expected}")


def _bad_format(field: FormField, expected: str) -> FieldProblem:
    return _problem(field.id, "bad_format", f"“{field.label}”应为{expected}")


def _too_large(field: FormField) -> FieldProblem:
    return _problem(field.id, "too_large", f"“{field.label}”的数值过大，请核对数字和单位")


def _not_an_option(field: FormField) -> FieldProblem:
    return _problem(
        field.id, "not_an_option", f"“{field.label}”只能从给定的 {len(field.options)} 个选项中选"
    )
