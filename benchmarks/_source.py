"""Measures of Python source: sizes, documentation, and habits, read from the syntax tree.

Everything is counted in the same way for any package, so that packages can be compared.
"""

from __future__ import annotations

import ast
import io
import statistics
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
LONG_LINE = 100


@dataclass(frozen=True)
class SourceFile:
    """One Python file.

    Attributes:
        path: Path of the file.
        text: Content of the file.
    """

    path: Path
    text: str

    @cached_property
    def lines(self) -> list[str]:
        """Its lines."""
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text)

    @cached_property
    def functions(self) -> list[Function]:
        """All functions and methods, nested ones included."""
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]

    @cached_property
    def classes(self) -> list[ast.ClassDef]:
        """All classes."""
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef)]

    @cached_property
    def docstring_lines(self) -> set[int]:
        """Numbers of the lines of docstrings, those of attributes included."""
        found: set[int] = set()
        for node in ast.walk(self.tree):
            body = getattr(node, "body", None)  # of a lambda or a ternary it is an expression
            for statement in body if isinstance(body, list) else []:
                if _is_text(statement):
                    found |= set(range(statement.lineno, (statement.end_lineno or 0) + 1))
        return found

    @cached_property
    def import_lines(self) -> set[int]:
        """Numbers of the lines of import statements."""
        imports = [n for n in ast.walk(self.tree) if isinstance(n, ast.Import | ast.ImportFrom)]
        return {line for node in imports for line in _span(node)}

    @cached_property
    def comment_count(self) -> int:
        """Number of comments, those after code included; directives for tools do not count."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
        # Beginnings of comments that are for tools, not for readers.
        directives = ("# noqa", "# type:", "# pragma", "#!")
        return sum(not comment.startswith(directives) for comment in comments)

    @property
    def code_line_count(self) -> int:
        """Number of lines that are neither blank nor comment, docstring or import."""
        excluded = self.docstring_lines | self.import_lines
        return sum(
            bool(line.strip()) and not line.lstrip().startswith("#") and number not in excluded
            for number, line in enumerate(self.lines, 1)
        )

    @property
    def deferred_imports(self) -> int:
        """Number of import statements inside functions."""
        return sum(
            isinstance(node, ast.Import | ast.ImportFrom)
            for function in _outermost(self.tree)
            for node in ast.walk(function)
        )


def read_sources(folder: Path) -> list[SourceFile]:
    """Return the Python files below a folder."""
    paths = sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)
    return [SourceFile(path, path.read_text(encoding="utf-8")) for path in paths]


def repeated_class_names(files: list[SourceFile]) -> dict[str, list[Path]]:
    """Return the names shared by several module-level classes, with their files."""
    places: dict[str, list[Path]] = {}
    for file in files:
        for node in file.tree.body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(file.path)
    return {name: paths for name, paths in places.items() if len(paths) > 1}


def measure(folder: Path) -> dict[str, float]:
    """Return the measures of the package in a folder, by name; shares are percentages."""
    files = read_sources(folder)
    lines = sum(len(file.lines) for file in files)
    return {
        **_file_measures(files, folder),
        **_line_measures(files, lines),
        **_function_measures([function for file in files for function in file.functions]),
        **_class_measures([node for file in files for node in file.classes]),
        **_documentation_measures(files),
        **_habit_measures(files, lines),
        "class names with several meanings": len(repeated_class_names(files)),
        "imports inside functions": sum(file.deferred_imports for file in files),
    }


def _file_measures(files: list[SourceFile], folder: Path) -> dict[str, float]:
    lengths = [len(file.lines) for file in files]
    depths = [len(file.path.relative_to(folder).parts) - 1 for file in files]
    return {
        "files": len(files),
        "lines": sum(lengths),
        "code lines": sum(file.code_line_count for file in files),
        "file median": statistics.median(lengths),
        "file p90": _percentile(lengths, 90),
        "file max": max(lengths),
        "files of 6 to 60 lines": sum(6 <= length <= 60 for length in lengths),
        "files over 250 lines": sum(length > 250 for length in lengths),
        "files over 500 lines": sum(length > 500 for length in lengths),
        "folder depth, mean": statistics.mean(depths),
        "folder depth, max": max(depths),
    }


def _line_measures(files: list[SourceFile], lines: int) -> dict[str, float]:
    blank = sum(not line.strip() for file in files for line in file.lines)
    long = sum(len(line) > LONG_LINE for file in files for line in file.lines)
    return {
        "import lines, %": 100 * sum(len(file.import_lines) for file in files) / lines,
        "blank lines, %": 100 * blank / lines,
        "docstring lines, %": 100 * sum(len(file.docstring_lines) for file in files) / lines,
        f"lines over {LONG_LINE} columns, %": 100 * long / lines,
        "comments per 100 lines": 100 * sum(file.comment_count for file in files) / lines,
    }


def _function_measures(functions: list[Function]) -> dict[str, float]:
    lengths = [(node.end_lineno or node.lineno) - node.lineno + 1 for node in functions]
    counts = [_argument_count(node) for node in functions]
    typed = sum(_is_typed(node) for node in functions)
    return {
        "functions": len(functions),
        "function median": statistics.median(lengths),
        "function p90": _percentile(lengths, 90),
        "function max": max(lengths),
        "functions over 30 lines": sum(length > 30 for length in lengths),
        "functions over 60 lines": sum(length > 60 for length in lengths),
        "functions with more than 6 arguments": sum(count > 6 for count in counts),
        "most arguments": max(counts),
        "typed functions, %": 100 * typed / len(functions),
        "**kwargs in a signature": sum(node.args.kwarg is not None for node in functions),
    }


def _class_measures(classes: list[ast.ClassDef]) -> dict[str, float]:
    decorators = [" ".join(map(ast.unparse, node.decorator_list)) for node in classes]
    dataclasses = [names for names in decorators if "dataclass" in names]
    return {
        "classes": len(classes),
        "dataclasses": len(dataclasses),
        "frozen dataclasses": sum("frozen=True" in names for names in dataclasses),
    }


def _documentation_measures(files: list[SourceFile]) -> dict[str, float]:
    public = [node for file in files for node in file.functions if not node.name.startswith("_")]
    texts = [ast.get_docstring(node) or "" for node in public]
    raising = [
        text
        for node, text in zip(public, texts, strict=True)
        if any(isinstance(inner, ast.Raise) and inner.exc for inner in ast.walk(node))
    ]
    modules = [file for file in files if file.lines]
    one_line = sum(bool(text) and "\n" not in text for text in texts)
    return {
        "public functions with a docstring, %": 100 * sum(map(bool, texts)) / len(texts),
        "of one line, %": 100 * one_line / len(texts),
        "with an Args section, %": 100 * sum("Args:" in text for text in texts) / len(texts),
        "that raise and say so, %": 100
        * sum("Raises:" in text for text in raising)
        / max(len(raising), 1),
        "module docstrings, %": 100
        * sum(bool(ast.get_docstring(file.tree)) for file in modules)
        / len(modules),
    }


def _habit_measures(files: list[SourceFile], lines: int) -> dict[str, float]:
    counts: Counter[str] = Counter()
    for file in files:
        for node in ast.walk(file.tree):
            if _is_tuple_assignment(node):
                counts["tuple = tuple assignments"] += 1
            elif isinstance(node, ast.IfExp):
                counts["ternaries"] += 1
            elif _is_nested_comprehension(node):
                counts["nested comprehensions"] += 1
    names = ("tuple = tuple assignments", "ternaries", "nested comprehensions")
    return {f"{name} per 1,000 lines": 1000 * counts[name] / lines for name in names}


def _outermost(tree: ast.AST) -> Iterator[Function]:
    """Yield the functions that are not inside another function."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield node
        else:
            yield from _outermost(node)


def _is_text(node: ast.stmt) -> bool:
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _span(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _arguments(node: Function) -> list[ast.arg]:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [argument for argument in arguments if argument.arg not in ("self", "cls")]


def _argument_count(node: Function) -> int:
    return len(_arguments(node))


def _is_typed(node: Function) -> bool:
    annotated = all(argument.annotation is not None for argument in _arguments(node))
    return annotated and (node.returns is not None or node.name == "__init__")


def _is_tuple_assignment(node: ast.AST) -> bool:
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
        return False
    return any(isinstance(target, ast.Tuple) for target in node.targets)


def _is_nested_comprehension(node: ast.AST) -> bool:
    kinds = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    if not isinstance(node, kinds):
        return False
    inner = (child for child in ast.walk(node) if child is not node)
    return any(isinstance(child, kinds) for child in inner)


def _percentile(values: list[int], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
