"""What a verdict depends on: a digest of every source that a case reaches, so that a stored verdict is never stale.

A case reaches its claim's file, the judge's own code, and from there every module of the project that is imported,
found in the syntax trees of the files: ``symbolic.classify`` reaches the module behind that door's name, and the door
used in any other way reaches the whole package. Nothing is imported for this. A module counts with its whole text,
with one exception: in the tables that define activations (``TABLES``) an entry counts only where the case can reach
its name, so that a change in one activation concerns the cases that use it. A name is reachable when it stands in the
case's parameters, in the claim's file, or as a string in any function that the case reaches.

Of a claim file of somebody's own the Python files that it imports from its own folder, its own package or the working
folder count as well. Data that such a file reads are not seen: after a change of them, ``run --fresh``.
"""

from __future__ import annotations

import ast
import functools
import gc
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
PACKAGES = ("verify", "symbolic", "numeric")
JUDGE = ("verify.judge",)

TABLES: Mapping[str, tuple[str, ...]] = {
    "symbolic.activations": ("CATALOGUE",),
    "symbolic.elementary": ("FUNCTIONS",),
    "symbolic.trees": ("MACROS",),
    "symbolic.translate": ("_FUNCTIONS",),
    "numeric.activations": ("_CATALOGUE",),
    "numeric.pointwise": ("FUNCTIONS",),
    "numeric.scalar_activations": ("_ALL",),
    "numeric.taylor": ("_SMOOTH",),
    "numeric.ball_activations": ("_FORMULAS", "_CATALOGUE"),
}
"""Module -> names of its tables, a dict by name or a tuple of calls that carry the name."""


@dataclass(frozen=True)
class _Piece:
    """Part of a module: its text, the names it refers to, the strings in its functions, and its owners.

    owners: names of the table entry that this is; None for everything else. name: what it defines, if it is one thing.
    """

    text: str
    refers: frozenset[str]
    strings: frozenset[str]
    owners: frozenset[str] | None = None
    name: str = ""


@dataclass(frozen=True)
class _Source:
    """A module as this page sees it. wildcard: it uses the table of activations as a whole."""

    imports: frozenset[str]
    pieces: tuple[_Piece, ...]
    wildcard: bool


def digests(start: str, parameters: tuple[str, ...]) -> dict[str, str]:
    """Module (or data file) -> digest of what a case with these parameter texts reaches of it.

    start: the module that defines the claim, or the path of a file outside the project.
    Raises ``ValueError`` for a source that cannot be read or parsed.
    """
    reached = _reached(start)
    names = _names(start, reached, parameters)
    found = {module: _digest(module, names) for module in sorted(reached)}
    return found | _data()


@functools.cache
def _data() -> dict[str, str]:
    return {f"data/{path.name}": _hash(path.read_bytes()) for path in sorted((HOME / "verify/data").glob("*"))}


def together(parts: Mapping[str, str]) -> str:
    """One digest of all parts."""
    return _hash(json.dumps(parts, sort_keys=True).encode())


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@functools.cache
def _reached(start: str) -> frozenset[str]:
    found: set[str] = set()
    waiting = [start, *JUDGE]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _source(module).imports
    return frozenset(found)


def _names(start: str, reached: frozenset[str], parameters: tuple[str, ...]) -> frozenset[str] | None:
    """Names of table entries that the case can reach; None for all of them."""
    if _source(start).wildcard:
        return None
    words = {word for text in parameters for word in re.findall(r"[A-Za-z_]\w*", text)}
    return _closure(frozenset(words | _strings(start, reached)), frozenset(reached & TABLES.keys()))


@functools.cache
def _strings(start: str, reached: frozenset[str]) -> frozenset[str]:
    """Strings in the functions of every reached module that is no table, and in the claim's file."""
    return frozenset().union(*(p.strings for m in {start, *reached} - TABLES.keys() for p in _source(m).pieces))


@functools.cache
def _closure(names: frozenset[str], tables: frozenset[str]) -> frozenset[str]:
    """The names, and those that the entries behind them are written in terms of."""
    while True:
        more = names.union(*(piece.strings for module in tables for piece in _kept(module, names)))
        if more == names:
            return names
        names = more


@functools.cache
def _digest(module: str, names: frozenset[str] | None) -> str:
    if module not in TABLES or names is None:
        return _whole(module)
    return _hash("\n".join(piece.text for piece in _kept(module, names)).encode())


@functools.cache
def _whole(module: str) -> str:
    return _hash(_path(module).read_bytes())


@functools.cache
def _kept(module: str, names: frozenset[str]) -> list[_Piece]:
    """Pieces that matter when only these entries are reachable; helpers of other entries alone go with them."""
    pieces = _source(module).pieces
    private = {piece.name: piece for piece in pieces if piece.name.startswith("_") and piece.owners is None}
    roots = [p for p in pieces if (p.owners is None and p.name not in private) or (p.owners and p.owners & names)]
    kept, waiting = {id(piece) for piece in roots}, list(roots)
    while waiting:
        for name in waiting.pop().refers & private.keys():
            if id(private[name]) not in kept:
                kept.add(id(private[name]))
                waiting.append(private[name])
    return [piece for piece in pieces if id(piece) in kept]


def _path(module: str) -> Path:
    if module.endswith(".py"):
        return Path(module)
    path = HOME.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@contextmanager
def _without_collector() -> Iterator[None]:
    """Syntax trees have no cycles, and the collector looks at their many nodes again and again: dearer than parsing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@functools.cache
def _source(module: str) -> _Source:
    with _without_collector():
        return _parsed(module)


def _parsed(module: str) -> _Source:
    path = _path(module)
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read the source {path}: {error}") from error
    imports, strings = _Imports(path), set[str]()
    for statement in tree.body:
        names: list[ast.AST] = []
        _look_through([statement], strings, names)
        if not _for_types_only(statement):
            imports.read(names)
    tables = TABLES.get(module)
    pieces = tuple(_pieces(text, tree, tables)) if tables else (_Piece(text, frozenset(), frozenset(strings)),)
    return _Source(frozenset(imports.found), pieces, imports.wildcard)


def _for_types_only(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test)


def _look_through(roots: Sequence[ast.AST], strings: set[str], names: list[ast.AST], *, inside: bool = False) -> None:
    """One pass over what lies below ``roots``, in the order of the text: a run reads every source.

    strings: string constants in the bodies of functions and lambdas are added; those of a table at the top of a file do
    not count. names: imports, names and attributes are appended, an attribute before what it is an attribute of.
    inside: the roots are part of a function.
    """
    waiting = list(reversed(roots))
    while waiting:
        node = waiting.pop()
        kind = type(node)
        if kind is ast.Constant:
            if inside and isinstance(node.value, str):  # type: ignore[attr-defined]
                strings.add(node.value)  # type: ignore[attr-defined]
        elif kind is ast.Name or kind is ast.Import or kind is ast.ImportFrom:
            names.append(node)
        elif kind is ast.Attribute:
            names.append(node)
            waiting.append(node.value)  # type: ignore[attr-defined]
        elif not inside and (kind is ast.FunctionDef or kind is ast.Lambda):
            _look_through(_children(node), strings, names, inside=True)
        else:
            children = _children(node)
            children.reverse()
            waiting += children


def _strings_in_functions(tree: ast.AST) -> frozenset[str]:
    strings: set[str] = set()
    _look_through([tree], strings, [])
    return frozenset(strings)


# Fields that hold no nodes, or only nodes that hold nothing: half of all.
_IDLE = frozenset({"ctx", "op", "ops", "id", "attr", "arg", "kind", "type_comment", "simple", "is_async", "conversion"})


@functools.cache
def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    return tuple(name for name in kind._fields if name not in _IDLE)


def _children(node: ast.AST) -> list[ast.AST]:
    """``ast.iter_child_nodes`` without contexts and operators."""
    found: list[ast.AST] = []
    for name in _fields(type(node)):  # type: ignore[arg-type]  # its __hash__ is that of a class
        value = getattr(node, name, None)
        if value.__class__ is list:
            found += [item for item in value if isinstance(item, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def _pieces(text: str, tree: ast.Module, tables: tuple[str, ...]) -> Iterator[_Piece]:
    lines = text.splitlines(keepends=True)
    for statement in tree.body:
        name = _defined(statement)
        if name not in tables:
            yield _piece(lines, statement, name=name)
            continue
        value = getattr(statement, "value", None)
        entries = list(_entries(value)) if value is not None else []
        for owners, node in entries:
            yield _piece(lines, node, owners=owners)
        # What is left of the table is its frame, which every case shares.
        yield _Piece(f"{name} = table", frozenset(), frozenset(), name=f"table of {name}")


def _piece(lines: list[str], node: ast.AST, owners: frozenset[str] | None = None, name: str = "") -> _Piece:
    start, end = node.lineno, node.end_lineno  # type: ignore[attr-defined]
    first = min([start, *(d.lineno for d in getattr(node, "decorator_list", []))])
    inner = list(ast.walk(node))
    constants = (n.value for n in inner if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return _Piece(
        "".join(lines[first - 1 : end]),
        frozenset(n.id for n in inner if isinstance(n, ast.Name)),
        frozenset(constants) if owners is not None else _strings_in_functions(node),
        owners,
        name,
    )


def _defined(statement: ast.stmt) -> str:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return statement.name
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return statement.target.id
    return ""


def _entries(value: ast.expr) -> Iterator[tuple[frozenset[str], ast.expr]]:
    """(names, node) of every entry of a table; an entry without a name belongs to every case."""
    if isinstance(value, ast.Call):  # MappingProxyType({...})
        for argument in value.args:
            yield from _entries(argument)
    elif isinstance(value, ast.Dict):
        for key, entry in zip(value.keys, value.values, strict=True):
            named = isinstance(key, ast.Constant) and isinstance(key.value, str)
            yield frozenset({key.value} if named else {""}), entry  # type: ignore[union-attr]
    elif isinstance(value, ast.Tuple | ast.List):
        for entry in value.elts:
            strings = {n.value for n in ast.walk(entry) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
            yield frozenset(strings or {""}), entry


class _Imports:
    """Modules of the project that a file imports, at any depth of it."""

    def __init__(self, path: Path) -> None:
        self.found: set[str] = set()
        self.wildcard = False
        self._folder = path.parent
        self._doors: dict[str, str] = {}  # local name -> package

    def read(self, names: Iterable[ast.AST]) -> None:
        """Take in imports, names and attributes in the order of the text: a door is opened before its use."""
        through: ast.AST | None = None  # the name before the dot, which says nothing more
        for node in names:
            if isinstance(node, ast.Name):
                if node is not through:
                    self._name(node)
            elif isinstance(node, ast.Attribute):
                if isinstance(node.value, ast.Name) and node.value.id in self._doors:
                    through = node.value
                    self._through(self._doors[node.value.id], node.attr)
            elif isinstance(node, ast.Import):
                self._import(node)
            elif isinstance(node, ast.ImportFrom):
                self._import_from(node)

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            package = alias.name.partition(".")[0]
            if package not in PACKAGES:
                self._own(alias.name)
            elif alias.name == package:
                self._doors[alias.asname or package] = package
            else:
                self.found.add(alias.name)

    def _import_from(self, node: ast.ImportFrom) -> None:
        module, names = node.module or "", [alias.name for alias in node.names]
        if node.level:
            self._own(module, names, [[self._folder, *self._folder.parents][node.level - 1]])
        elif module.partition(".")[0] not in PACKAGES:
            self._own(module, names)
        elif module in PACKAGES:
            for alias in node.names:
                self._through(module, alias.name)
        else:
            self.found.add(module)
            for alias in node.names:  # from verify.claims import _shared
                if _path(f"{module}.{alias.name}").is_file():
                    self.found.add(f"{module}.{alias.name}")

    def _name(self, node: ast.Name) -> None:
        if node.id in self._doors:  # handed on as a whole: anything in it may be used
            self.found |= _members(self._doors[node.id])
            self.wildcard = True

    def _through(self, package: str, name: str) -> None:
        """``package.name``: the module behind that name of the door."""
        home = _door(package).get(name)
        if home is not None:
            self.found.add(f"{package}.{home}")
            self.wildcard |= name == "catalogue" and package != "verify"
        elif _path(f"{package}.{name}").is_file():
            self.found.add(f"{package}.{name}")
        else:
            self.found |= _members(package)
            self.wildcard = True

    def _own(self, module: str, names: Iterable[str] = (), roots: Iterable[Path] | None = None) -> None:
        """Files of ``module``, and of ``names`` in it, that belong to a claim file of somebody's own."""
        if HOME in self._folder.resolve().parents:
            return  # ours: what it imports from elsewhere is a library
        parts = module.split(".") if module else []
        chains = [parts[:depth] for depth in range(1, len(parts) + 1)] + [[*parts, name] for name in names]
        for root in self._roots() if roots is None else roots:
            for chain in chains:
                for file in (root.joinpath(*chain[:-1], f"{chain[-1]}.py"), root.joinpath(*chain, "__init__.py")):
                    if file.is_file() and HOME not in file.resolve().parents:
                        self.found.add(str(file))

    def _roots(self) -> Iterable[Path]:
        """Where such a file's imports may lie: beside it, beside its package, in the working folder."""
        above = self._folder
        while (above / "__init__.py").is_file():
            above = above.parent
        return {path.resolve(): path for path in (Path.cwd(), above, self._folder)}.values()


@functools.cache
def _door(package: str) -> Mapping[str, str]:
    """Public name -> module, as the package's door declares it."""
    import importlib

    door = importlib.import_module(package)
    table: Mapping[str, str] = getattr(door, "_PUBLIC", None) or getattr(door, "_HOME", {})
    return table


@functools.cache
def _members(package: str) -> frozenset[str]:
    return frozenset(f"{package}.{path.stem}" for path in (HOME / package).glob("*.py") if path.stem != "__init__")
