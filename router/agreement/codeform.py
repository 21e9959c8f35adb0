"""The form of a piece of code: what is left of it when its layout and private names are not seen.

Two pieces of one form do the same; two of different forms may. Nothing is run here.
"""

import ast
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import cast

FENCE = re.compile(r"(?ms)^[ \t]*(```+|~~~+)[ \t]*([\w+#.-]*)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)")
"""A fenced block: its fence, its language and what it holds."""

_PARSED_CHARS = 8_000  # spelled in at most 12 ms; longer code is compared as tokens
_BARE_CODE = re.compile(
    r"(?:async )?(?:def \w+\(|class \w+[:({]|import \w|from [\w.]+ import|#include|function \w*\("
    r"|(?:const|let|var) \w+ ?=|public \w|func \w+\(|fn \w+\(|package \w|SELECT\s|@\w+\n|#!/)"
)
_PYTHON = frozenset(("", "py", "python", "python3"))
_BY_LINES = frozenset(
    {"bash", "dockerfile", "elixir", "ini", "julia", "make", "nix", "perl", "py", "python", "r"}
    | {"rb", "ruby", "sh", "shell", "toml", "yaml", "yml", "zsh"}
)
"""Languages in which lines, their indentation and `#` comments mean something."""
_DASHED = frozenset(("ada", "elm", "haskell", "hs", "lua", "sql"))
_LEXEME = r""""(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|\n[ \t]*|[ \t]+|\w+|."""
_BY_LINES_TOKEN = re.compile(rf"(?s)(?<!\S)#[^\n]*|{_LEXEME}")
_DASHED_TOKEN = re.compile(rf"(?s)--[^\n]*|{_LEXEME}")
_SLASHED_TOKEN = re.compile(rf"(?s)//[^\n]*|/\*.*?(?:\*/|\Z)|`(?:\\.|[^`\\])*`?|{_LEXEME}")
# In a language nobody named, only whole lines are known to be comments.
_UNKNOWN_TOKEN = re.compile(rf"(?sm)^[ \t]*(?://|# )[^\n]*|{_LEXEME}")

_NAMED: Mapping[type[ast.AST], str] = {
    ast.Name: "id",
    ast.arg: "arg",
    ast.ExceptHandler: "name",
    ast.FunctionDef: "name",
    ast.AsyncFunctionDef: "name",
    ast.MatchAs: "name",
    ast.MatchStar: "name",
}
"""The field in which a node names a variable."""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_SILENT = frozenset(("ctx", "kind", "type_comment", "type_ignores"))

_Scope = tuple[frozenset[str], dict[str, str]]
"""The private names of a function, and the numbers that were given to those already met."""


def fenced(text: str) -> tuple[str, str] | None:
    """Return the language of the first fenced block, and the source of all."""
    blocks = list(FENCE.finditer(text))
    return (blocks[0][2].casefold(), "".join(block[3] for block in blocks)) if blocks else None


def code_in(text: str) -> tuple[str, str] | None:
    """Return the language and the source of a text that is mostly fenced code, or bare code."""
    code = fenced(text)
    if code and len(code[1].strip()) > len(FENCE.sub("", text).strip()):
        return code
    return ("", text) if _BARE_CODE.match(text) else None


def form_of(language: str, source: str) -> Sequence[str]:
    """Spell code without comments, layout and, for Python, docstrings and private names."""
    if language in _PYTHON and len(source) <= _PARSED_CHARS:
        with warnings.catch_warnings():  # the parser warns of odd escapes in what it reads
            warnings.simplefilter("ignore")
            try:
                spelled: list[str] = []
                _spell(ast.parse(source), (), spelled)
                return spelled
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                pass
    if language in _BY_LINES:
        lexemes = _BY_LINES_TOKEN.findall(source)
        lines = "\0".join(x for x in lexemes if x[0] not in " \t#").split("\n")
        return [line.strip("\0") for line in lines if line.strip(" \t\0")]
    if language in _DASHED:
        lexemes = _DASHED_TOKEN.findall(source)
        return [x if x[0] in "'\"" else x.casefold() for x in lexemes if not _is_quiet(x, "--")]
    if language:
        return [x for x in _SLASHED_TOKEN.findall(source) if not _is_quiet(x, "//", "/*")]
    return [x for x in _UNKNOWN_TOKEN.findall(source) if not _is_quiet(x.lstrip(), "//", "# ")]


def _is_quiet(lexeme: str, *comments: str) -> bool:
    return not lexeme.strip() or lexeme.startswith(comments)


def _spell(node: ast.AST, scopes: Sequence[_Scope], spelled: list[str]) -> None:
    spelled.append(type(node).__name__)
    inner = scopes
    if isinstance(node, (*_FUNCTIONS, *_COMPREHENSIONS)):
        given: dict[str, str] = {}
        inner = (*scopes, (_private_names(node), given))
    for field, value in ast.iter_fields(node):
        around = scopes if field in ("name", "decorator_list") else inner
        if isinstance(value, str) and field == _NAMED.get(type(node)):
            spelled.append(_numbered(value, around))
        elif field not in _SILENT:
            spelled.append("(")
            for part in _parts(node, field, value):
                if isinstance(part, ast.AST):
                    _spell(part, around, spelled)
                else:
                    spelled.append(repr(part))
            spelled.append(")")


def _parts(node: ast.AST, field: str, value: object) -> Sequence[object]:
    """Return what a field holds, without the docstring of a body."""
    if not isinstance(value, list):
        return [value]
    parts = cast("list[object]", value)
    is_told = isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None
    return parts[1:] if field == "body" and is_told else parts


def _numbered(name: str, scopes: Sequence[_Scope]) -> str:
    """Spell a private name by the depth of its function and the order of its first use."""
    for depth in range(len(scopes), 0, -1):
        private, given = scopes[depth - 1]
        if name in private:
            return given.setdefault(name, f"{depth}.{len(given)}")
    return name


def _private_names(node: ast.AST) -> frozenset[str]:
    """Return the names that a function or comprehension binds and nobody outside can see."""
    hidden: set[str] = set()
    shown: set[str] = set()
    pending = list(ast.iter_child_nodes(node))
    while pending:
        part = pending.pop()
        if isinstance(part, (ast.Global, ast.Nonlocal)):
            shown.update(part.names)
        if not (isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)):
            name = getattr(part, _NAMED.get(type(part), ""), None)
            hidden.update([name] if isinstance(name, str) else [])
        if isinstance(part, ast.NamedExpr) and isinstance(node, _COMPREHENSIONS):
            pending.append(part.value)  # what it binds belongs to the function around
        elif not isinstance(part, (*_FUNCTIONS, ast.ClassDef)):
            pending.extend(ast.iter_child_nodes(part))
    return frozenset(hidden - shown)
