"""Which source files a module's results depend on: itself and what it imports, read from the syntax trees without importing anything."""

import ast
import hashlib
import re
from functools import cache
from pathlib import Path

from tcan.files import sha256_of

# What can't change a result: values of params.yaml reach a rule through its params, the rest is about errors, progress and bookkeeping.
PLUMBING = {"tcan.cli", "tcan.config", "tcan.errors", "tcan.files", "tcan.imports", "tcan.progress", "tcan.provenance", "tcan.sections", "tcan.strict",
            "eval.cli", "eval.errors"}

DOTTED = re.compile(r"[a-z]\w*(\.\w+)+")


@cache
def sha256_of_code(module, without=(), root=Path(__file__).parents[1]):
    """Hex SHA-256 over the names and contents of `sources_of`: of the code that what `module` leaves half done is gone on with. A process reads the files once:
    ask before the work begins, since they may be edited while it goes on."""
    text = "".join(f"{path}\0{sha256_of(root / path)}\n" for path in sources_of(module, root, without))
    return hashlib.sha256(text.encode()).hexdigest()


def sources_of(module, root, without=()):
    """Files below `root`, as relative POSIX paths, that `module` ("tcan.train.stage1") consists of, directly and through its imports, but for those of the
    folders `without` ("tcan/generate/").

    Imports are absolute, as everywhere here, and followed within the module's own package: where it is installed, others lie beside it. A
    module named in a string ("tcan.pose.blazepose" in a table of what to import) and a data file named in one ("sources.yaml" beside the module) count too.
    """
    found, queue = set(), [module]
    while queue:
        path, imported = _imports(queue.pop(), root)
        if path not in found:
            found.add(path)
            queue.extend(imported)
            found.update(_data_files(path, root))
    return sorted(path for path in found if not path.startswith(tuple(without)))


def module_file(module, root):
    """The file of a module below `root` as a relative POSIX path, or None if it isn't one of this project's."""
    for path in (f"{module.replace('.', '/')}.py", f"{module.replace('.', '/')}/__init__.py"):
        if module and (root / path).is_file():
            return path
    return None


@cache
def _imports(module, root):
    path = module_file(module, root)
    if path is None:
        raise ValueError(f"{module}: no such module below {root}")
    package = module if path.endswith("__init__.py") else module.rpartition(".")[0]
    names = {package} if "." in package else set()  # a top package only offers names, and is read where one is taken from it
    for node in ast.walk(_tree(path, root)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            names.update(inside if all(module_file(name, root) for name in inside) else {node.module, *inside})
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and DOTTED.fullmatch(node.value):
            names.add(node.value)
    own = module.partition(".")[0]
    return path, sorted(name for name in names - PLUMBING - {module} if name.partition(".")[0] == own and module_file(name, root))


def _data_files(path, root):
    folder = (root / path).parent
    strings = {node.value for node in ast.walk(_tree(path, root)) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    beside = {file.name: file for file in folder.iterdir() if file.is_file() and file.suffix not in (".py", ".pyc")}
    return {beside[name].relative_to(root).as_posix() for name in strings & beside.keys()}


@cache
def _tree(path, root):
    return ast.parse((root / path).read_text())
