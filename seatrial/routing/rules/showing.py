"""Rules as people write them."""

import json

from seatrial.routing.rules import expression as e
from seatrial.routing.rules.expression import Expression, Scalar

_BINDS = {"||": 1, "&&": 2, "relation": 3, "+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "unary": 6}
_IDENTIFIER_HEAD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_IDENTIFIER = _IDENTIFIER_HEAD | frozenset("0123456789")
_RESERVED = frozenset(["as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop"])
_RESERVED |= {"package", "namespace", "return", "var", "void", "while", "in", "true", "false", "null"}


def show(node: Expression, binds: int = 0) -> str:
    """An expression in CEL; read again, it is the same. ``binds``: how tightly what surrounds it binds."""
    text, own = _show(node)
    return f"({text})" if own < binds else text


def show_constant(value: Scalar) -> str:
    """A literal of CEL."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, float):
        text = repr(value)
        return text if any(mark in text for mark in ".en") else f"{text}.0"
    return str(value)


def _show(node: Expression) -> tuple[str, int]:
    match node:
        case e.Constant():
            return show_constant(node.value), 7
        case e.Attribute():
            return _named(node.space, node.name), 7
        case e.Unit():
            return "unit", 7
        case e.Has():
            if _is_identifier(node.name):
                return f"has({_named(node.space, node.name)})", 7
            return f"{_quoted(node.name)} in {node.space}", _BINDS["relation"]
        case e.Not():
            return f"!{show(node.operand, _BINDS['unary'])}", _BINDS["unary"]
        case e.AllOf():
            return " && ".join(show(operand, _BINDS["&&"] + 1) for operand in node.operands), _BINDS["&&"]
        case e.AnyOf():
            return " || ".join(show(operand, _BINDS["||"] + 1) for operand in node.operands), _BINDS["||"]
        case e.Compare():
            here = _BINDS["relation"]
            return f"{show(node.left, here)} {node.relation} {show(node.right, here + 1)}", here
        case e.Among():
            values = ", ".join(map(show_constant, node.values))
            return f"{show(node.operand, _BINDS['relation'])} in [{values}]", _BINDS["relation"]
        case e.Arithmetic():
            here = _BINDS[node.operation]
            return f"{show(node.left, here)} {node.operation} {show(node.right, here + 1)}", here
        case e.Negative():
            return f"-{show(node.operand, _BINDS['unary'] + 1)}", _BINDS["unary"]
        case e.Tested():
            return f"{show(node.operand, 7)}.{node.test}({show(node.with_)})", 7
        case e.Untypable():
            return node.rule, 0
        case e.Size():
            return f"size({show(node.operand)})", 7


def _named(space: str, name: str) -> str:
    return f"{space}.{name}" if _is_identifier(name) else f"{space}[{_quoted(name)}]"


def _is_identifier(name: str) -> bool:
    return bool(name) and name[0] in _IDENTIFIER_HEAD and set(name) <= _IDENTIFIER and name not in _RESERVED


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
