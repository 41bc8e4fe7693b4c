"""
Small changes of Python code, one at a time, such as a slip of the hand would make.

What only a reader sees is left alone: documentation, annotations, decorators, the words of messages; so are
what type checkers alone need, and numbers that a module gives a name to.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

import attrs

_COMPARED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_COUNTED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}


@attrs.frozen
class Change:
    """
    One change.

    Attributes:
        file: The module, below the root of the project.
        line: Where the statement begins that is changed, from 1.
        start: Where the text begins that is replaced, in bytes from the start of the file.
        end: Where it ends.
        new: What takes its place.
        what: Old and new in a few words.
    """

    file: str
    line: int
    start: int
    end: int
    new: str
    what: str

    def applied(self, source: bytes) -> bytes:
        """The module with this change."""
        return source[: self.start] + self.new.encode() + source[self.end :]


def changes(file: str, source: bytes) -> Iterator[Change]:
    """Every change of a module, in the order of its text."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    tree = ast.parse(source)
    for statement, node, new in _of(tree, tree):
        start = starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        end = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
        old = source[start:end].decode()
        what = f"{' '.join(old.split())[:60]} -> {' '.join(new.split())[:60]}"
        yield Change(file, statement.lineno, start, end, new, what)  # type: ignore[attr-defined]


def _of(statement: ast.AST, node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST, str]]:
    """Statement, node and what takes its place, for each change at or below a node."""
    if isinstance(node, ast.stmt):
        statement = node
    if _is_left_alone(node):
        return
    for new in _changed(node):
        yield statement, node, new
    for test in _tests(node):
        if isinstance(test, ast.Name | ast.Attribute | ast.Call):
            yield statement, test, f"(not {ast.unparse(test)})"
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "type_params", "keywords"} and (
            name != "keywords" or isinstance(node, ast.ClassDef)
        ):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _of(statement, child)


def _is_left_alone(node: ast.AST) -> bool:
    """Whether nothing is changed here, nor below."""
    if isinstance(node, ast.JoinedStr | ast.Assert | ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.keyword) and node.arg == "kw_only":
        return True
    if isinstance(node, ast.Assign | ast.AnnAssign) and _is_named_number(node):
        return True
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _is_named_number(node: ast.Assign | ast.AnnAssign) -> bool:
    """Whether a module gives a number a name: a test that it is 20 and not 21 would only repeat it."""
    (target, *others) = node.targets if isinstance(node, ast.Assign) else [node.target]
    named = isinstance(target, ast.Name) and target.id.isupper() and not others
    parts = [] if node.value is None else [*ast.walk(node.value)]
    numbers = ast.Constant | ast.BinOp | ast.operator | ast.UnaryOp | ast.unaryop
    return named and any(map(_is_number, parts)) and all(isinstance(each, numbers) for each in parts)


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def _changed(node: ast.AST) -> Iterator[str]:
    """What may take the place of a node."""
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARED:
            yield f"({ast.unparse(ast.Compare(left, [_COMPARED[type(op)]()], [right]))})"
        case ast.BoolOp(op=op, values=values):
            other = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield f"({ast.unparse(ast.BoolOp(other, values))})"
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield f"({ast.unparse(operand)})"
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _COUNTED and not _is_fixed(left, right):
            yield f"({ast.unparse(ast.BinOp(left, _COUNTED[type(op)](), right))})"
        case ast.Constant(value=bool(value)):
            yield str(not value)
        case ast.Constant(value=int(number)):
            yield str(number + 1)
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise():
            yield "pass"
        case _:
            pass


def _tests(node: ast.AST) -> list[ast.expr]:
    """What decides about a branch, or whether a part of something belongs to it."""
    match node:
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            return [test]
        case ast.comprehension(ifs=ifs):
            return ifs
        case _:
            return []


def _is_fixed(*nodes: ast.expr) -> bool:
    """Whether one of them is text, of which nothing can be taken away, or a type, as in `Words | None`."""
    return any(
        isinstance(node, ast.JoinedStr)
        or (isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, str)))
        or (isinstance(node, ast.Name) and node.id[:1].isupper() and not node.id.isupper())
        for node in nodes
    )
