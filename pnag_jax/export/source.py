"""Python definitions together with all that they need of this package, as one text.

Starting from some names, every function, class and constant that they refer to
is taken over from its module, in an order in which each stands before its use,
with the imports of other packages that are used.  Formatting and comments stay;
``module.name`` becomes ``name``.  A constant whose value is plain is written as
that value.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pnag_jax.errors import UserError

_PACKAGE = "pnag_jax"
# Packages that the text may import beside the standard library.
_ACCEPTED = ("flax", "jax", "numpy")

# A network needs a few dozen; what looks itself up in a registry needs everything.
_MAX_DEFINITIONS = 150

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Name(NamedTuple):
    """A name at the top of a module of this package."""

    module: str
    name: str


class Module(NamedTuple):
    """One module's source, parsed.

    Attributes:
      lines: of the source, as bytes: positions in a syntax tree count bytes.
      defined: the statement that defines each name.
      modules: aliases of modules of this package.
      names: names that are imported from this package.
      imports: the statement that imports each other name.
    """

    lines: list[bytes]
    defined: dict[str, ast.stmt]
    modules: dict[str, str]
    names: dict[str, Name]
    imports: dict[str, str]


def bundle(roots: Iterable[Name]) -> str:
    """Imports and definitions, ready to run.

    Raises:
      UserError: something cannot be taken over: a package that the text may not
        import, or a class that would have to be renamed.
    """
    order: dict[Name, None] = {}
    begun: set[Name] = set()
    for root in roots:
        _collect(_origin(root), order, begun)
    shown = _choose_names(order)
    imports = set()
    parts = []
    for name in order:
        imports |= {_read(name.module).imports[alias] for alias in _foreign(name)}
        parts.append(_text(name, shown))
    for line in imports:
        package = line.split()[1].split(".")[0]
        if package not in _ACCEPTED and package not in sys.stdlib_module_names:
            raise UserError(f"cannot be written as one file: {line!r} is needed")
    text = "\n".join(["from __future__ import annotations", "", *sorted(imports)])
    previous = ""
    # A statement that defines several names stands there once.
    for part in dict.fromkeys(parts):
        constants = "\n" not in part and previous != "" and "\n" not in previous
        text += ("\n" if constants else "\n\n\n") + part
        previous = part
    return text + "\n"


def _collect(name: Name, order: dict[Name, None], begun: set[Name]) -> None:
    """Adds ``name`` behind what it needs; functions may need each other."""
    if name in order or name in begun:
        return
    begun.add(name)
    if len(begun) > _MAX_DEFINITIONS:
        raise UserError(
            f"cannot be written as one file: more than {_MAX_DEFINITIONS} definitions are needed"
        )
    for needed, _ in _needs(name):
        _collect(needed, order, begun)
    order[name] = None


@functools.cache
def _read(module: str) -> Module:
    path = importlib.import_module(module).__file__
    with open(str(path), "rb") as file:
        source = file.read()
    found = Module(source.splitlines(), {}, {}, {}, {})
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.ImportFrom) and statement.module != "__future__":
            for alias in statement.names:
                _add_import(found, statement.module or "", alias)
        elif isinstance(statement, ast.Import):
            for alias in statement.names:
                found.imports[alias.asname or alias.name] = f"import {ast.unparse(alias)}"
        else:
            found.defined.update(dict.fromkeys(_bound([statement]), statement))
    return found


def _add_import(found: Module, module: str, alias: ast.alias) -> None:
    local = alias.asname or alias.name
    if module.split(".")[0] != _PACKAGE:
        found.imports[local] = f"from {module} import {ast.unparse(alias)}"
    elif hasattr(importlib.import_module(module), "__path__") and _is_module(module, alias.name):
        found.modules[local] = f"{module}.{alias.name}"
    else:
        found.names[local] = Name(module, alias.name)


def _is_module(package: str, name: str) -> bool:
    return importlib.util.find_spec(f"{package}.{name}") is not None


def _origin(name: Name) -> Name:
    """Where a name is defined, which may be another module than where it is imported."""
    module = _read(name.module)
    if name.name in module.defined:
        return name
    if name.name in module.names:
        return _origin(module.names[name.name])
    raise UserError(f"cannot be written as one file: {name.module} defines no {name.name}")


def _value(name: Name) -> Any:
    return getattr(importlib.import_module(name.module), name.name)


@functools.cache
def _is_plain(name: Name) -> bool:
    """Whether a constant's value can be written as it is."""
    try:
        value = _value(name)
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError):
        return False


def _needs(name: Name) -> Iterator[tuple[Name, ast.expr]]:
    """What a definition refers to in this package, and where."""
    if _is_plain(name):
        return
    module = _read(name.module)
    for node in _free(module.defined[name.name]):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in module.modules:
                yield _origin(Name(module.modules[node.value.id], node.attr)), node
        elif isinstance(node, ast.Name):
            if node.id in module.modules:
                continue
            if node.id in module.names or node.id in module.defined:
                origin = _origin(Name(name.module, node.id))
                if origin != name:
                    yield origin, node


def _foreign(name: Name) -> set[str]:
    """Names that a definition uses of other packages."""
    if _is_plain(name):
        return set()
    module = _read(name.module)
    used = {node.id for node in _free(module.defined[name.name]) if isinstance(node, ast.Name)}
    return used & set(module.imports)


def _free(node: ast.AST, local: frozenset[str] = frozenset()) -> Iterator[ast.expr]:
    """Names that are read and not bound in a function around them, and attributes of such."""
    if isinstance(node, ast.Attribute):
        if isinstance(node.value, ast.Name) and node.value.id not in local:
            yield node
    elif isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load) and node.id not in local:
            yield node
        return
    inside = local
    if isinstance(node, _FUNCTIONS):
        body = node.body if isinstance(node.body, list) else [node.body]
        names = [argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)]
        inside = local | {*names, *_bound(body)}
        # Decorators, defaults and annotations stand outside.
        outer = [*getattr(node, "decorator_list", []), node.args, getattr(node, "returns", None)]
        for part in outer:
            if part is not None:
                yield from _free(part, local)
        for part in body:
            yield from _free(part, inside)
        return
    if isinstance(node, _COMPREHENSIONS):
        inside = local | set(_bound(node.generators))
    for child in ast.iter_child_nodes(node):
        yield from _free(child, inside)


def _bound(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names that statements bind; not those inside of functions, classes, comprehensions."""
    for node in nodes:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif not isinstance(node, (ast.Lambda, *_COMPREHENSIONS)):
            yield from _bound(ast.iter_child_nodes(node))


def _choose_names(order: Iterable[Name]) -> dict[Name, str]:
    """What each definition is called: its own name, unless that would mean another thing."""
    taken: set[str] = set()
    for name in order:
        module = _read(name.module)
        inner = [node for node in ast.walk(module.defined[name.name]) if node is not None]
        arguments = {node.arg for node in inner if isinstance(node, ast.arg)}
        stored = {
            node.id
            for node in inner
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        own = set(_bound([module.defined[name.name]]))
        taken |= (arguments | stored) - own | _foreign(name)
    shown: dict[Name, str] = {}
    for name in order:
        last = name.module.rpartition(".")[2]
        choices = (name.name, f"{last}_{name.name.lstrip('_')}")
        free = [choice for choice in choices if choice not in taken]
        if not free or (free[0] != name.name and isinstance(_value(name), type)):
            # The name of a class is part of its parameters' names.
            raise UserError(
                f"cannot be written as one file: {name.name} of {name.module} clashes with "
                "another name"
            )
        shown[name] = free[0]
        taken.add(free[0])
    return shown


def _text(name: Name, shown: dict[Name, str]) -> str:
    """The definition with all names as chosen."""
    if _is_plain(name):
        return f"{shown[name]} = {_value(name)!r}"
    module = _read(name.module)
    statement = module.defined[name.name]
    first = min(node.lineno for node in [statement, *getattr(statement, "decorator_list", [])])
    lines = list(module.lines)
    changes = [(node, shown[needed]) for needed, node in _needs(name)]
    for node, text in sorted(changes, key=lambda change: -change[0].col_offset):
        line, end = lines[node.lineno - 1], node.end_col_offset
        if node.end_lineno != node.lineno:
            raise UserError(f"cannot be written as one file: {name.name} breaks a line at a dot")
        lines[node.lineno - 1] = line[: node.col_offset] + text.encode() + line[end:]
    if shown[name] != name.name:
        at = statement.lineno - 1
        lines[at] = lines[at].replace(name.name.encode(), shown[name].encode(), 1)
    while first > 1 and lines[first - 2].startswith(b"#"):
        first -= 1
    return b"\n".join(lines[first - 1 : statement.end_lineno]).decode()
