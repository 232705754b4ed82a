"""How much work a CEL expression may ask for, told from its text before it is ever run.

Loops over lists are bounded by how deep they nest, and growing text inside them by refusing it:
what is left costs at most a few thousand steps for any facts.
"""

import re

MAX_LOOPS = 4
MAX_DEPTH = 2
MAX_ITEMS = 100
MAX_PARENTHESES = 24

_TOKEN = re.compile(
    r"""(?P<text>[rRbB]{0,2}(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))"""
    r"""|(?P<loop>\.\s*(?:all|exists|exists_one|map|filter)\s*\()"""
    r"""|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<comma>,)|(?P<plus>\+)"""
)


def too_much(source: str) -> str | None:
    """Why an expression may not be compiled, as a Chinese sentence; None where it may."""
    loops, depth = 0, 0
    opened: list[tuple[str, int]] = []
    for token in _TOKEN.finditer(source):
        kind = token.lastgroup
        if kind == "loop":
            loops, depth = loops + 1, depth + 1
            opened.append(("loop", 0))
        elif kind == "open":
            opened.append((token[0], 0))
        elif kind == "close" and opened:
            depth -= opened.pop()[0] == "loop"
        elif kind == "comma" and opened:
            name, items = opened.pop()
            opened.append((name, items + 1))
            if name == "[" and items + 2 > MAX_ITEMS:
                return f"列表超过 {MAX_ITEMS} 项；请改用更短的条件"
        elif kind == "plus" and depth:
            return "all、exists、map、filter 里面不能用 +；请把加法移到外面"
        if depth > MAX_DEPTH:
            return f"all、exists、map、filter 最多套 {MAX_DEPTH} 层；请拆成几条规则"
        if loops > MAX_LOOPS:
            return f"一个条件里 all、exists、map、filter 最多 {MAX_LOOPS} 个；请拆成几条规则"
        if len(opened) > MAX_PARENTHESES:
            return f"括号最多套 {MAX_PARENTHESES} 层；请拆成几条规则"
    return None
