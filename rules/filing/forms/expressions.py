"""The CEL of forms: what a form's conditions and checks may name, and each one compiled.

Inside CEL a decimal or percent is a whole number of hundredths ("12.34" is 1234); texts, choices
and dates are strings; a table is a list of messages whose fields are its columns, so that a column
there is not is an error when the form is loaded. Beside the form's own fields there are
``last_year.<field>``, ``register.<…>``, ``year.first`` and ``year.last`` and ``<part>.<field>``.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from cel_expr_python import cel
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from rules.filing.forms.context import Register
from rules.filing.forms.model import NUMBERS, Check, Figure, Form, FormError, FormField, Section

MAX_NESTED = 2
"""So many comprehensions may stand in one another: the work of a check stays bounded."""

_ROW = re.compile(r"(?<![\w.'])row(?=\.)")
_BESIDE = re.compile(r"([a-z_][\w.]*)\s*(?:[-+<>]|[<>=!]=)\s*([a-z_][\w.]*)(?![\w.(])")
_FIELD = descriptor_pb2.FieldDescriptorProto
_STRING = re.compile(r"'[^']*'|\"[^\"]*\"")
_NAME = re.compile(r"(?<![\w.])[a-z_]\w*(?:\.[a-z_]\w*)?")
_MACRO = re.compile(r"\.(?:all|exists|exists_one|map|filter)\(")
_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_.]*)\}")
_COMPARED = re.compile(
    r"(?P<name>[a-z_][\w.]*)\s*[!=]=\s*'(?P<right>[^']*)'"
    r"|'(?P<left>[^']*)'\s*(?:[!=]=|in)\s*(?P<other>[a-z_][\w.]*)"
)
_CERTIFICATE = ("number", "level", "issuer", "scope", "valid_to")
_REGISTER: Mapping[str, Any] = {
    "register.name": cel.Type.STRING,
    "register.uscc": cel.Type.STRING,
    "register.region": cel.Type.STRING,
    "register.legal_person": cel.Type.BOOL,
    "register.accredited": cel.Type.BOOL,
    "register.national_centres": cel.Type.List(cel.Type.STRING),
    "register.certificates": cel.Type.List(cel.Type("forms.RegisterCertificate")),
    "year.first": cel.Type.STRING,
    "year.last": cel.Type.STRING,
}


class Program(NamedTuple):
    """A check with its compiled expressions and the names that it needs a value for."""

    check: Check
    when: Any
    holds: Any
    figures: tuple[tuple[str, Figure, Any], ...]
    needs: frozenset[str]


class Compiled:
    """A form's conditions and checks, compiled. Raises FormError for what does not hold together.

    ``uses`` are the names that any of them reads.
    """

    def __init__(self, form: Form) -> None:
        self.form = form
        # plain copies: pydantic's private attributes are slow to read
        self.fields, self.tables = dict(form.fields), dict(form.tables)
        self.conditional = {
            name: section
            for name in (*self.fields, *self.tables)
            if (section := form.section_of(name)) is not None
        }
        self.derived = tuple(one for one in self.fields.values() if one.derived is not None)
        self._messages: dict[str, Any] = {}
        pool = self._declare()
        self.types = self._types()
        numbers = cel.Type.List(cel.Type.INT)
        functions = [
            _function("sum", [numbers], sum),
            _function("abs", [cel.Type.INT], abs),
            _function("hundredths", [cel.Type.INT], lambda whole: whole * 100),
        ]
        self.env = cel.NewEnv(descriptor_pool=pool, variables=self.types, functions=functions)
        self.conditions = {
            section.id: (self._condition(section), self._names(section.when))
            for section in form.sections
            if section.when is not None
        }
        self.programs = tuple(self._program(check) for check in form.checks if check.peers is None)
        self.peers = tuple(check for check in form.checks if check.peers is not None)
        for check in self.peers:
            self._check_peers(check)
        for field in self.fields.values():
            if field.derived is not None:
                self._check_derived(field)
        self._check_places()
        self.uses = frozenset().union(*(program.needs for program in self.programs))

    # --- values for CEL --------------------------------------------------------------------------

    def activation(self, values: Mapping[str, Any]) -> Any:
        """The values of names, ready for CEL; CEL knows these and no others."""
        return self.env.Activation(self.prepared(values))

    def prepared(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of names as CEL takes them."""
        return {name: self._for_cel(name, value) for name, value in values.items()}

    def row(self, table: str, row: Mapping[str, Any]) -> Any:
        """A table's row as CEL's message."""
        types = {field.id: field for field in self.tables[table].fields}
        return self._messages[_message_name(table)](
            **{name: scaled(value) for name, value in row.items() if name in types}
        )

    def _for_cel(self, name: str, value: Any) -> Any:
        if name in self.tables:
            return [self.row(name, row) for row in value]
        if name == "register.certificates":
            made = self._messages["RegisterCertificate"]
            return [
                made(**{key: _plain(getattr(one, key)) for key in _CERTIFICATE}) for one in value
            ]
        return scaled(value)

    # --- declarations ----------------------------------------------------------------------------

    def _declare(self) -> Any:
        file = descriptor_pb2.FileDescriptorProto(name="f.proto", package="forms", syntax="proto2")
        message = file.message_type.add(name="RegisterCertificate")
        for number, name in enumerate(_CERTIFICATE, 1):
            kind = _FIELD.TYPE_INT64 if name == "scope" else _FIELD.TYPE_STRING
            message.field.add(name=name, number=number, type=kind, label=_FIELD.LABEL_OPTIONAL)
        for table in self.tables.values():
            message = file.message_type.add(name=_message_name(table.id))
            for number, field in enumerate(table.fields, 1):
                kind, label = _proto(field)
                message.field.add(name=field.id, number=number, type=kind, label=label)
        pool = descriptor_pool.DescriptorPool()
        pool.Add(file)
        found = message_factory.GetMessageClassesForFiles(["f.proto"], pool)
        self._messages = {name.partition(".")[2]: kind for name, kind in found.items()}
        return pool

    def _types(self) -> dict[str, Any]:
        form = self.form
        types: dict[str, Any] = {field.id: _type(field) for field in self.fields.values()}
        types |= {f"last_year.{name}": kind for name, kind in types.items()}
        for table in self.tables:
            types[table] = cel.Type.List(cel.Type(f"forms.{_message_name(table)}"))
            types[f"row.{table}"] = cel.Type(f"forms.{_message_name(table)}")
        for part, fields in form.reads.items():
            if part in ("last_year", "register", "year", "row") or part in types:
                raise FormError("bad_form", f"表单 {form.id}：reads 里的 {part} 与别的名称重复")
            for name, kind in fields.items():
                type_ = cel.Type.STRING if kind == "text" else cel.Type.INT
                types[f"{part}.{name}"] = type_
        return types | dict(_REGISTER) | {"tolerance": cel.Type.INT}

    # --- compiling -------------------------------------------------------------------------------

    def _condition(self, section: Section) -> Any:
        place = f"表单 {self.form.id} 的分节 {section.id}"
        assert section.when is not None
        for name in self._names(section.when):
            field = self.fields.get(name)
            if field is None or field.derived is not None or self.form.section_of(name):
                message = f"{place}：when 只能用总要填写的字段，{name} 不是"
                raise FormError("bad_section", message)
        return self._compile(place, section.when, cel.Type.BOOL, "")

    def _program(self, check: Check) -> Program:
        place = f"表单 {self.form.id} 的校验 {check.id}"
        self._check_fields(place, check)
        assert check.holds is not None
        texts = [text for text in (check.when, check.holds) if text is not None]
        figures = [figure.value for figure in check.figures.values()]
        needs: set[str] = set()
        for text in [*texts, *figures]:
            needs |= self._names(text)
        used = {"row" if name.startswith("row.") else name for name in needs}
        if check.each is not None and "row" not in used:
            raise FormError("bad_check", f"{place}：写了 each，表达式里却没有用 row")
        if "tolerance" in used and check.tolerance is None:
            raise FormError("bad_check", f"{place}：用了 tolerance，却没有写出容许的误差")
        own = {name for name in used if name in self.fields or name in self.tables}
        listed = {*check.fields, *([check.each] if check.each else [])}
        for name in sorted(own - listed):
            raise FormError("bad_check", f"{place}：表达式用到 {name}，请写进 fields")
        for name in check.fields:
            if name not in own and name != check.each:
                message = f"{place}：fields 中的 {name} 未被表达式使用，请删去"
                raise FormError("bad_check", message)
        self._check_scale(place, texts, own)
        table = check.each or ""
        when = None
        if check.when is not None:
            when = self._compile(place, check.when, cel.Type.BOOL, table)
        holds = self._compile(place, check.holds, cel.Type.BOOL, table)
        compiled = tuple(
            (name, figure, self._figure(place, name, figure, table))
            for name, figure in check.figures.items()
        )
        self._check_message(place, check, used | set(check.figures))
        needs -= {"row", "tolerance"}
        needs = {name for name in needs if not name.startswith("row.")} | {*check.fields}
        if check.each:
            needs.add(check.each)
        return Program(check, when, holds, compiled, frozenset(needs))

    def _figure(self, place: str, name: str, figure: Figure, table: str) -> Any:
        wanted = cel.Type.List(cel.Type.STRING) if figure.type == "texts" else cel.Type.INT
        if name in self.types or name in ("peer", "row"):
            raise FormError("bad_check", f"{place}：figures 里的 {name} 与别的名称重复，请改名")
        return self._compile(place, figure.value, wanted, table)

    def _compile(self, place: str, text: str, wanted: Any, table: str) -> Any:
        if _nested(text) > MAX_NESTED:
            message = f"{place}：表达式 {text[:60]} 里循环套得太深，至多套 {MAX_NESTED} 层"
            raise FormError("bad_check", message)
        self._check_options(place, text, table)
        try:
            compiled = self.env.compile(_with_row(text, table))
        except RuntimeError as error:
            reason = str(error).splitlines()[0].split("<input>:")[-1]
            reason = reason.removesuffix(" [INVALID_ARGUMENT]")
            unknown = re.search(r"undeclared reference to '([^']*)'", reason)
            if unknown is not None:
                reason = f"没有 {unknown[1]} 这个字段，请核对"
            elif "no matching overload" in reason:
                reason = "两边的类型对不上：文本加单引号，数不加"
            elif "Syntax error" in reason:
                reason = "读不懂，请核对括号、引号是否成对，“并且”写 &&，“等于”写 =="
            raise FormError("bad_check", f"{place}：表达式 {text} 有误：{reason}") from None
        if compiled.return_type() != wanted:
            what = {"BOOL": "真假值", "INT": "整数"}.get(wanted.name(), "文字的列表")
            raise FormError("bad_check", f"{place}：表达式 {text} 的结果不是{what}，请改写")
        return compiled

    # --- what else must hold ---------------------------------------------------------------------

    def _names(self, text: str | None) -> frozenset[str]:
        """The declared names in an expression, ``row.<column>`` among them."""
        found = set()
        for name in _NAME.findall(_STRING.sub("", text or "")):
            first = name.partition(".")[0]
            if name in self.types or first == "row":
                found.add(name)
            elif first in self.types:
                found.add(first)
        return frozenset(found)

    def _check_fields(self, place: str, check: Check) -> None:
        known = {*self.fields, *self.tables}
        for name in (*check.fields, *check.absent):
            if name not in known:
                raise FormError("bad_check", f"{place}：没有字段 {name}，请核对")
        if set(check.fields) & set(check.absent):
            raise FormError("bad_check", f"{place}：同一字段不能既在 fields 又在 absent 中")
        if check.each is not None and check.each not in self.tables:
            raise FormError("bad_check", f"{place}：each 要写表格的编号，{check.each} 不是")

    def _check_scale(self, place: str, texts: Iterable[str], own: Iterable[str]) -> None:
        """Whole numbers and hundredths are not added or compared side by side."""
        kinds = {name: field.type == "integer" for name, field in self.fields.items()}
        kinds = {name: kinds[name] for name in kinds if self.fields[name].type in NUMBERS}
        kinds |= {f"last_year.{name}": whole for name, whole in kinds.items()}
        for part, fields in self.form.reads.items():
            kinds |= {f"{part}.{k}": v == "integer" for k, v in fields.items() if v != "text"}
        kinds["tolerance"] = False
        for text in texts:
            for left, right in _BESIDE.findall(_STRING.sub("", text)):
                if left in kinds and right in kinds and kinds[left] != kinds[right]:
                    message = f"{left} 与 {right} 一个是整数、一个是小数"
                    message = f"{place}：{message}，整数请写作 hundredths(…)"
                    raise FormError("bad_check", message)

    def _check_options(self, place: str, text: str, table: str) -> None:
        columns = {f"row.{f.id}": f for f in self.tables[table].fields} if table else {}
        known = {**self.fields, **columns}
        for found in _COMPARED.finditer(text):
            field = known.get(found["name"] or found["other"])
            option = found["right"] if found["name"] else found["left"]
            if field is not None and field.options and option not in field.options:
                there = "、".join(field.options)
                message = f"{place}：“{field.label}”没有选项“{option}”；有：{there}"
                raise FormError("bad_check", message)

    def _check_message(self, place: str, check: Check, known: Iterable[str]) -> None:
        there = {*known, *check.fields} | {"rows"} if check.each else {*known, *check.fields}
        if check.tolerance is not None:
            there = {*there, "tolerance"}
        if check.each:
            there |= {f"row.{field.id}" for field in self.tables[check.each].fields}
        for name in _PLACEHOLDER.findall(check.message):
            if name not in there:
                message = f"{place}：message 里的 {{{name}}} 不是校验用到的字段，也不在 figures 里"
                raise FormError("bad_check", message)

    def _check_peers(self, check: Check) -> None:
        place = f"表单 {self.form.id} 的校验 {check.id}"
        peers, groups = check.peers, self.form.peer_groups
        assert peers is not None
        self._check_fields(place, check)
        field = self.fields.get(peers.field)
        if groups is None or field is None or field.type not in NUMBERS:
            message = f"{place}：peers 要有 peer_groups，且 field 是数值字段"
            raise FormError("bad_check", message)
        named = {"peer.group", "peer.count", "peer.median", "peer.low", "peer.high"}
        self._check_message(place, check, named)
        for name, kind in ((groups.kind, "choice"), (groups.field, "choices")):
            of = self.fields.get(name)
            if of is None or of.type != kind:
                raise FormError(
                    "bad_form", f"表单 {self.form.id}：peer_groups 的 {name} 应为 {kind}"
                )

    def _check_derived(self, field: FormField) -> None:
        form, derived = self.form, field.derived
        assert derived is not None
        place = f"表单 {form.id} 的字段 {field.id}"
        order = list(form.fields)
        for name in derived.inputs:
            if derived.total or derived.count:
                if name not in self.tables:
                    raise FormError("bad_field", f"{place}：derived 里的 {name} 不是表格")
                continue
            of = form.fields.get(name)
            if of is None or of.type not in NUMBERS:
                raise FormError("bad_field", f"{place}：derived 里的 {name} 不是数值字段")
            if of.derived is not None and order.index(name) > order.index(field.id):
                raise FormError("bad_field", f"{place}：所依据的 {name} 也是推算的，要排在它前面")
        if derived.total:
            table, _, column = derived.total.partition(".")
            types = {one.id: one.type for one in self.tables[table].fields}
            if types.get(column) not in NUMBERS:
                raise FormError("bad_field", f"{place}：{derived.total} 不是表格的数值列")

    def _check_places(self) -> None:
        repeats = self.form.repeats
        if repeats is not None:
            field = self.fields.get(repeats.field)
            if field is None or field.type != "text" or not field.required:
                message = f"表单 {self.form.id}：repeats 的 field 应为必填的文字字段"
                raise FormError("bad_form", message)


def compiled(form: Form) -> Compiled:
    """A form's expressions, compiled when first asked for and kept with it. Raises FormError."""
    if form._compiled is None:
        form._compiled = Compiled(form)
    found: Compiled = form._compiled
    return found


def register_names(register: Register) -> dict[str, Any]:
    """What CEL knows of the register, by name."""
    return {
        "register.name": register.name,
        "register.uscc": register.uscc,
        "register.region": register.region,
        "register.legal_person": register.legal_person,
        "register.accredited": register.accredited,
        "register.national_centres": list(register.national_centres),
        "register.certificates": register.certificates,
    }


def scaled(value: Any) -> Any:
    """A value as CEL knows it: decimals as whole hundredths."""
    return int(value * 100) if isinstance(value, Decimal) else value


def evaluated(expression: Any, data: Any) -> Any:
    """The result of a compiled expression; None where it cannot be computed."""
    try:
        result = expression.eval(data)
    except RuntimeError:  # more work than CEL allows
        return None
    return None if result.type() == cel.Type.ERROR else result.plain_value()


def truth(expression: Any, data: Any) -> bool | None:
    """The boolean that an expression yields; None where it cannot be computed."""
    try:
        result = expression.eval(data)
    except RuntimeError:
        return None
    return bool(result.value()) if result.type() == cel.Type.BOOL else None


def _function(name: str, takes: list[Any], work: Any) -> Any:
    overload = cel.Overload(f"{name}_of", cel.Type.INT, takes, False, work)
    return cel.FunctionDecl(name, [overload])


def _message_name(table: str) -> str:
    return "".join(word.capitalize() for word in table.split("_")) + "Row"


def _with_row(text: str, table: str) -> str:
    return _ROW.sub(f"row.{table}", text) if table else text


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int) else value.isoformat()


def _nested(text: str) -> int:
    """How many comprehensions stand in one another at most."""
    text = _STRING.sub("", text)
    starts = {found.end() - 1 for found in _MACRO.finditer(text)}
    deepest = 0
    open_: list[bool] = []
    for index, character in enumerate(text):
        if character == "(":
            open_.append(index in starts)
            deepest = max(deepest, sum(open_))
        elif character == ")" and open_:
            open_.pop()
    return deepest


def _type(field: FormField) -> Any:
    match field.type:
        case "integer" | "decimal" | "percent":
            return cel.Type.INT
        case "boolean":
            return cel.Type.BOOL
        case "choices":
            return cel.Type.List(cel.Type.STRING)
        case "text" | "choice" | "date":
            return cel.Type.STRING


def _proto(field: FormField) -> tuple[Any, Any]:
    match field.type:
        case "integer" | "decimal" | "percent":
            return _FIELD.TYPE_INT64, _FIELD.LABEL_OPTIONAL
        case "boolean":
            return _FIELD.TYPE_BOOL, _FIELD.LABEL_OPTIONAL
        case "choices":
            return _FIELD.TYPE_STRING, _FIELD.LABEL_REPEATED
        case "text" | "choice" | "date":
            return _FIELD.TYPE_STRING, _FIELD.LABEL_OPTIONAL
