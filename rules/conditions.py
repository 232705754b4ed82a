"""Conditions of the rules: CEL, type-checked against the declared facts when compiled.

An unknown name is an error when the file is checked, not when a case meets it. CEL returns what
goes wrong at run time (an index out of range) as a value; here it becomes `ConditionFailed`.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from cel_expr_python import cel
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from domain.refusals import Code, Refusal, Refused
from rules.expression_work import too_much

Kind = Literal["text", "number", "yes-no", "texts", "certificate", "certificates", "institution"]
Scope = Literal["facts", "departments", "chain", "gate", "complaint", "enforcement"]


@dataclass(frozen=True, slots=True)
class Fact:
    """A name conditions may use. ``since`` is the scope that makes it known."""

    name: str
    kind: Kind
    about: str
    since: Scope = "facts"


CERTIFICATE: tuple[Fact, ...] = (
    Fact("number", "text", "证书编号"),
    Fact("level", "text", "provincial（省级）或 national（国家级）"),
    Fact("issuer", "text", "发证部门的 id，如 amr-350000"),
    Fact("scope", "number", "能力范围覆盖的参数个数"),
    Fact("valid", "yes-no", "在规则的截止日（certificates.as_of）仍有效"),
    Fact("field", "text", "专业领域代码：十二位编号的第 5、6 位，不是这种编号的为空"),
    Fact("industry", "text", "行业代码：十二位编号的第 7、8 位，不是这种编号的为空"),
    Fact("valid_from", "text", "生效日，如 2024-05-01；没有登记的为空"),
    Fact("valid_to", "text", "有效期的最后一天，如 2029-04-30"),
)
INSTITUTION: tuple[Fact, ...] = (
    Fact("id", "text", "机构账号"),
    Fact("region", "text", "监管所在地的六位代码"),
    Fact("legal_person", "yes-no", "是否法人"),
    Fact("under_samr", "yes-no", "是否市场监管总局直属"),
    Fact("accredited", "yes-no", "是否取得认可证书"),
    Fact("other_qualifications", "texts", "其他专业领域法定资格、资质"),
    Fact("national_centres", "texts", "拥有（或牵头）的国家质检中心的名称"),
)
FACTS: tuple[Fact, ...] = (
    Fact("institution", "institution", "机构"),
    Fact("certs", "certificates", "全部证书，无论是否有效"),
    Fact("review_group", "text", "归口的行业评审组 group-…，没有时为空"),
    Fact("choice", "text", "机构选取的审核部门，没有选取时为空"),
    Fact("previous_reviewer", "text", "上一年度的审核部门，没有时为空"),
    Fact(
        "holder_kind",
        "text",
        "机构的性质：enterprise（企业）、public_institution（事业单位）、other，没有信用代码的为空",
    ),
    Fact(
        "last_year_filing",
        "text",
        "规则年度上一年的填报：completed、under_way、lapsed、withdrawn、cancelled、"
        "not_obliged，没有的为 not_opened",
    ),
    Fact("local", "text", "监管所在地的市场监管部门 amr-…"),
    Fact("county", "text", "所在县（市、区）的市场监管部门，没有这一级时为空"),
    Fact("city", "text", "所在设区市的市场监管部门，没有这一级时为空"),
    Fact("province", "text", "所在省的市场监管部门"),
    Fact("has_certificate", "yes-no", "有至少一张计入的（截止日有效的）证书"),
    Fact("has_provincial", "yes-no", "有计入的省级证书"),
    Fact("has_national", "yes-no", "有计入的国家级证书"),
    Fact("provincial_scope", "number", "计入的省级证书中最大的能力范围，没有时为 0"),
    Fact("national_scope", "number", "计入的国家级证书中最大的能力范围，没有时为 0"),
    Fact("issuers", "texts", "计入的证书的发证部门，不重复，按 id 排序"),
    Fact("widest", "certificate", "能力范围最大的证书；没有证书或并列时各字段为空"),
    Fact("tied", "yes-no", "两个以上发证部门的能力范围并列最大"),
    Fact("national_department", "text", "国家级证书由谁审核，没有国家级证书时为空", "departments"),
    Fact("departments", "texts", "可能的审核部门：每个发证部门对应一个", "departments"),
    Fact("chosen", "text", "选取所指的审核部门；不是发证部门时为空", "departments"),
    Fact("widest_department", "text", "能力范围最大的证书由谁审核；并列时为空", "departments"),
    Fact("reviewer", "text", "确定的审核部门", "chain"),
    Fact("latest_closed_year", "number", "填报已截止的最近一个统计年度，没有时为 0", "gate"),
    Fact(
        "latest_closed_year_expected",
        "yes-no",
        "按 latest_year，该年度的填报要求该机构完成",
        "gate",
    ),
    Fact("latest_closed_year_completed", "yes-no", "按 latest_year，该年度的填报算已完成", "gate"),
    Fact("completed_years", "number", "已办结的年度填报有几个年度", "gate"),
    Fact("known_institution", "yes-no", "投诉所指的机构在名录里；否则其他事实都为空", "complaint"),
    Fact("owed", "yes-no", "应当填报，且没有作废、取消、事后才列入", "enforcement"),
    Fact("not_filed", "yes-no", "应当填报，期限（含延期）届满而没有提交", "enforcement"),
    Fact("late", "yes-no", "应当填报，提交于期限（含延期）届满之后", "enforcement"),
    Fact("filed", "yes-no", "已经提交，没有撤回", "enforcement"),
    Fact("approved", "yes-no", "已经通过审核", "enforcement"),
    Fact("reminded", "number", "提交之前送达过几次催报", "enforcement"),
    Fact("findings", "texts", "承办人的认定：concealed、false、omitted", "enforcement"),
)

_LITERAL = re.compile(r"'([a-z0-9-]+)'")
_WORD = re.compile(r"[A-Za-z_]\w*")
_KNOWN_IN: Mapping[Scope, tuple[Scope, ...]] = {
    "facts": ("facts",),
    "departments": ("facts", "departments"),
    "chain": ("facts", "departments", "chain"),
    "gate": ("facts", "departments", "gate"),
    "complaint": ("facts", "departments", "complaint"),
    "enforcement": ("enforcement",),
}
_ONLY_IN: Mapping[Scope, str] = {
    "gate": "只有 report_numbers.gate 的条件知道它",
    "complaint": "只有 report_numbers.complaints 的条件知道它",
    "enforcement": "只有 enforcement 的条件知道它",
}
_KIND_NAMES = {"BOOL": "真假", "STRING": "文本", "INT": "整数", "LIST": "列表"}
_FIELD = descriptor_pb2.FieldDescriptorProto
_FIELD_TYPES: Mapping[Kind, tuple[Any, Any]] = {
    "text": (_FIELD.TYPE_STRING, _FIELD.LABEL_OPTIONAL),
    "number": (_FIELD.TYPE_INT64, _FIELD.LABEL_OPTIONAL),
    "yes-no": (_FIELD.TYPE_BOOL, _FIELD.LABEL_OPTIONAL),
    "texts": (_FIELD.TYPE_STRING, _FIELD.LABEL_REPEATED),
}


def _declare() -> tuple[descriptor_pool.DescriptorPool, dict[str, Any]]:
    """Message types for structured facts: CEL then knows their fields and refuses others."""
    file = descriptor_pb2.FileDescriptorProto(name="facts.proto", package="f", syntax="proto3")
    for name, fields in (("Certificate", CERTIFICATE), ("Institution", INSTITUTION)):
        message = file.message_type.add(name=name)
        for number, fact in enumerate(fields, 1):
            kind, label = _FIELD_TYPES[fact.kind]
            message.field.add(name=fact.name, number=number, type=kind, label=label)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool, message_factory.GetMessageClassesForFiles(["facts.proto"], pool)


_POOL, _MESSAGES = _declare()
certificate_fact: Any = _MESSAGES["f.Certificate"]
institution_fact: Any = _MESSAGES["f.Institution"]


class ConditionInvalid(ValueError):
    """A condition that does not compile; the text is a Chinese sentence. ``code`` names why."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class ConditionFailed(Refused, ValueError):
    """A condition that compiled but could not be computed for these facts.

    Whoever asked for what it decides is refused: nothing is decided by a guess.
    """

    def __init__(self, source: str, problem: str) -> None:
        self.source = source
        params = {"condition": source, "problem": _failure(problem)}
        super().__init__(Refusal(code=Code.CONDITION_FAILED, params=params))

    def __str__(self) -> str:
        params = self.refusal.params
        return f"条件 {params['condition']} 对这些事实算不出结果：{params['problem']}"


_FAILURES = (
    ("Index error", "列表没有这一项；请先用 size() 看有没有，或改用 exists、all，不要按位置取"),
    ("divide by zero", "除数可能是零，请先判断"),
    ("modulus by zero", "除数可能是零，请先判断"),
    ("overflow", "数太大，请改写"),
    ("Key not found", "没有这个键；请写有的键"),
    ("cannot convert", "这个文本不是数；请先用 matches 判断，或不要换算"),
    ("to Timestamp", "这个文本不是时刻；日子请直接按文本比较，如 '2024-06-01'"),
    ("to Duration", "这个文本不是时长；请不要换算"),
    ("invalid regular expression", "matches 的式样写错了；请核对括号和转义"),
)


def _failure(problem: str) -> str:
    """A failure of CEL in Chinese, with what to write instead; others as they are told."""
    told = next((advice for sign, advice in _FAILURES if sign in problem), None)
    if told is not None:
        return told
    return f"{problem}；请先用别的条件挡住这种情形" if problem.isascii() else problem


class Known:
    """Facts of one scope, ready for any number of conditions. Only those ``named`` reach CEL.

    CEL's own form of them is made when a condition first needs it; many decisions never do.
    """

    __slots__ = ("_activation", "_named", "_scope", "facts")

    def __init__(self, scope: Scope, named: frozenset[str], facts: Mapping[str, Any]) -> None:
        self.facts = facts
        self._scope = scope
        self._named = named
        self._activation: Any = None

    def evaluate(self, compiled: Any, source: str) -> Any:
        """The result of a compiled expression, CEL's own value. Raises ConditionFailed."""
        if self._activation is None:
            facts = self.facts
            data = {
                name: value() if callable(value := facts[name]) else value for name in self._named
            }
            self._activation = _environment(self._scope).Activation(data)
        try:
            return compiled.eval(self._activation)
        except RuntimeError as error:
            raise ConditionFailed(source, str(error).splitlines()[0]) from None


class Condition:
    """A compiled yes-no condition. ``names`` are the facts it reads."""

    __slots__ = ("_atoms", "_compiled", "_fact", "_whole", "always", "names", "source")

    def __init__(self, source: str, scope: Scope) -> None:
        self.source = source
        self.always = source.strip() == "true"
        self._atoms, self._whole = _atoms(source, scope)
        self._compiled = _compile(source, scope, cel.Type.BOOL)
        self._fact = _plain_fact(source, scope)
        self.names = _names(source, scope)

    def holds(self, known: Known) -> bool:
        """Whether it holds. Raises ConditionFailed."""
        if self.always:
            return True
        if self._fact is not None:
            return bool(known.facts[self._fact])
        # one part that is false makes the whole false, in CEL too; most conditions end here
        for name, wanted, alike in self._atoms:
            if (known.facts[name] == wanted) is not alike:
                return False
        if self._whole:
            return True
        value = known.evaluate(self._compiled, self.source).value()
        if value is True or value is False:
            return value
        raise ConditionFailed(self.source, str(value))


class TextExpression:
    """A compiled expression that yields text, an authority's id or ""; ``names`` as above."""

    __slots__ = ("_compiled", "_fact", "_field", "_literal", "names", "source")

    def __init__(self, source: str, scope: Scope) -> None:
        self.source = source
        self._compiled = _compile(source, scope, cel.Type.STRING)
        self._fact = _plain_fact(source, scope)
        literal = _LITERAL.fullmatch(source.strip())
        self._literal = literal[1] if literal is not None else None
        self._field = _plain_field(source, scope)
        self.names = _names(source, scope)

    def text(self, known: Known) -> str:
        """Its value. Raises ConditionFailed."""
        if self._literal is not None:
            return self._literal
        if self._fact is not None:
            return str(known.facts[self._fact])
        if self._field is not None:
            return str(getattr(known.facts[self._field[0]], self._field[1]))
        result = known.evaluate(self._compiled, self.source)
        value = result.value()
        if result.type() == cel.Type.ERROR:
            raise ConditionFailed(self.source, str(value))
        return str(value)


class NumberExpression:
    """An expression that yields a whole number; only compiled, to see that it does."""

    def __init__(self, source: str, scope: Scope) -> None:
        self.source = source
        _compile(source, scope, cel.Type.INT)


def names_of(*expressions: Condition | TextExpression | None) -> frozenset[str]:
    """All facts that any of the expressions reads."""
    found = (one.names for one in expressions if one is not None)
    return frozenset(name for names in found for name in names)


def _plain_fact(source: str, scope: Scope) -> str | None:
    """The fact's name where the whole expression is one fact: no need to ask CEL then."""
    name = source.strip()
    return name if any(fact.name == name for fact in known_facts(scope)) else None


def _plain_field(source: str, scope: Scope) -> tuple[str, str] | None:
    """Fact and field where the whole expression is a text field of one: no need for CEL either."""
    name, _, field = source.strip().partition(".")
    kinds = {fact.name: fact.kind for fact in known_facts(scope)}
    fields = {"certificate": CERTIFICATE, "institution": INSTITUTION}.get(kinds.get(name, ""), ())
    return (name, field) if any(f.name == field and f.kind == "text" for f in fields) else None


_ATOM = re.compile(r"(!)?([a-z_]+)|([a-z_]+) *(==|!=) *'([^'\\]*)'")
_Atom = tuple[str, bool | str, bool]


def _atoms(source: str, scope: Scope) -> tuple[tuple[_Atom, ...], bool]:
    """The parts of a conjunction that are plain facts or compare one with a text, and if all are.

    Each is a fact, a value, and whether the fact must be alike or must not.
    """
    if "||" in source or "?" in source or '"' in source:
        return (), False
    kinds = {fact.name: fact.kind for fact in known_facts(scope)}
    parts = source.split("&&")
    found: list[_Atom] = []
    for part in parts:
        atom = _ATOM.fullmatch(part.strip())
        if atom is None:
            continue
        if atom[2] is not None and kinds.get(atom[2]) == "yes-no":
            found.append((atom[2], True, atom[1] is None))
        elif atom[3] is not None and kinds.get(atom[3]) == "text":
            found.append((atom[3], atom[5], atom[4] == "=="))
    balanced = all(part.count("(") == part.count(")") for part in parts)
    quoted = any(part.count("'") % 2 for part in parts)
    if not balanced or quoted:
        return (), False
    return tuple(found), len(found) == len(parts)


def _names(source: str, scope: Scope) -> frozenset[str]:
    words = set(_WORD.findall(source))
    return frozenset(fact.name for fact in known_facts(scope) if fact.name in words)


def _compile(source: str, scope: Scope, wanted: Any) -> Any:
    excess = too_much(source)
    if excess is not None:
        raise ConditionInvalid("condition_too_costly", excess)
    try:
        compiled = _environment(scope).compile(source)
    except RuntimeError as error:
        raise _explained(str(error), source, scope) from None
    got = compiled.return_type()
    if got != wanted:
        have = _KIND_NAMES.get(got.name(), got.name())
        need = _KIND_NAMES[wanted.name()]
        raise ConditionInvalid(
            "condition_type", f"这里要得出{need}，表达式 {source} 得出的是{have}"
        )
    return compiled


@lru_cache(maxsize=len(_KNOWN_IN))
def _environment(scope: Scope) -> Any:
    types = {
        "text": cel.Type.STRING,
        "number": cel.Type.INT,
        "yes-no": cel.Type.BOOL,
        "texts": cel.Type.List(cel.Type.STRING),
        "certificate": cel.Type("f.Certificate"),
        "certificates": cel.Type.List(cel.Type("f.Certificate")),
        "institution": cel.Type("f.Institution"),
    }
    variables = {fact.name: types[fact.kind] for fact in known_facts(scope)}
    return cel.NewEnv(descriptor_pool=_POOL, variables=variables)


def known_facts(scope: Scope) -> list[Fact]:
    """The facts a condition of ``scope`` may name."""
    return [fact for fact in FACTS if fact.since in _KNOWN_IN[scope]]


def _explained(problem: str, source: str, scope: Scope) -> ConditionInvalid:
    names = [fact.name for fact in known_facts(scope)]
    references = list(re.finditer(r":(\d+): undeclared reference to '([^']*)'", problem))
    for called in references:
        if re.search(rf"\b{re.escape(called[2])}\s*\(", source):
            return _unknown_function(called[2], int(called[1]))
    undeclared = next(iter(references), None)
    if undeclared:
        return _unknown_name("事实", undeclared[2], names, int(undeclared[1]))
    field = re.search(r":(\d+): undefined field '([^']*)' not found in struct 'f\.(\w+)'", problem)
    if field:
        fields = CERTIFICATE if field[3] == "Certificate" else INSTITUTION
        return _unknown_name("字段", field[2], [fact.name for fact in fields], int(field[1]))
    first = problem.splitlines()[0].split("<input>:")[-1].removesuffix(" [INVALID_ARGUMENT]")
    overload = re.search(r"overload for '([^']*)' applied to '\(?(.*?)\)?'", problem)
    if overload:
        kinds = "、".join(_kind_named(kind) for kind in overload[2].split(", "))
        name = overload[1].replace("@in", "in").strip("_").replace("_", "")
        column = re.match(r"1:(\d+)", first)
        where = f"第 {column[1]} 列的 " if column else ""
        message = f"{where}{name} 不能用在{kinds}上：类型对不上；文本加单引号，数不加"
        return ConditionInvalid("condition_type", message)
    column = re.match(r"1:(\d+)", first)
    where = f"，在第 {column[1]} 列附近" if column else ""
    advice = next(advice for sign, advice in _MISWRITTEN if re.search(sign, source))
    return ConditionInvalid("condition_syntax", f"条件写法有误{where}；{advice}")


_MISWRITTEN = (
    (r"^\s*$", '条件是空的；总是成立的写 "true"'),
    (r"[“”‘’＝＞＜（），。；！＆｜]", "符号要用半角的，文本加单引号，如 choice == 'amr-350000'"),
    (r"(?i)\b(and|or|not)\b", "“并且”写 &&，“或者”写 ||，“不”写 !"),
    (r"<>|=!", "“不等于”写 !="),
    (r"(^|[^=!<>])=([^=]|$)", "“等于”写两个等号 =="),
    (r"(^|[^&])&([^&]|$)|(^|[^|])\|([^|]|$)", "“并且”写 &&，“或者”写 ||"),
    (r"^[^']*('[^']*'[^']*)*'[^']*$", "单引号没有成对"),
    (r"\.size\b(?!\s*\()", "size 后面要有括号，如 certs.size() > 1"),
    (r"\d{19}", "数太大；整数不超过 9223372036854775807"),
    (r"\?.*\?.*\?", "层层相套的 ? : 太深；请拆成几条规则"),
    (r"", "请核对括号、引号是否成对，事实与运算符之间是否缺了什么"),
)
"""What people usually mean by what cannot be read, by a sign of it in the text."""


_FUNCTIONS = (
    "size", "startsWith", "endsWith", "contains", "matches", "exists", "exists_one", "all", "map",
    "filter", "has", "int", "string",
)  # fmt: skip


def _unknown_function(name: str, column: int) -> ConditionInvalid:
    near = difflib.get_close_matches(name, _FUNCTIONS, n=1, cutoff=0.5)
    hint = f"是不是想写 {near[0]}？" if near else f"可以用的有：{'、'.join(_FUNCTIONS)}"
    return ConditionInvalid("unknown_fact", f"条件第 {column} 列没有函数 {name}；{hint}")


def _kind_named(kind: str) -> str:
    """The kind of a value in Chinese, by CEL's name for it."""
    below = re.fullmatch(r"list\((.*)\)", kind)
    if below:
        return f"{_kind_named(below[1])}的列表"
    named = {**_KIND_NAMES, "F.CERTIFICATE": "证书", "F.INSTITUTION": "机构"}
    return named.get(kind.upper(), kind)


def _unknown_name(what: str, name: str, names: list[str], column: int) -> ConditionInvalid:
    whole = name.partition(".")[0]
    elsewhere = next((fact for fact in FACTS if fact.name == whole), None)
    if elsewhere is not None:
        why = _ONLY_IN.get(elsewhere.since, "它要在后面的步骤才确定")
        if "not_filed" in names:
            why = "后续处理只看填报与否和日期，不看表中的数据（统计法实施条例第三十条）"
        message = f"条件第 {column} 列的{what} {name} 在这里还不能用：{why}"
        return ConditionInvalid("unknown_fact", message)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"是不是想写 {near[0]}？" if near else f"可以用的有：{'、'.join(names)}"
    message = f"条件第 {column} 列的{what} {name} 没有声明；{hint}"
    return ConditionInvalid("unknown_fact", message)
