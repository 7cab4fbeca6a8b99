"""Every public name with its signature, and every option of the command line, as a text.

    python -m tests.typing.surface            compares with surface.txt
    python -m tests.typing.surface --renew    writes it

Public is what the documentation names: `pubrio_async.__all__`, the groups of the client, and what
`docs/reference` shows. A line that goes, or changes, breaks somebody's program: it belongs into
CHANGELOG.md. The package is read, not imported.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe
import typer

from pubrio_async.cli import _app

ROOT = Path(__file__).parents[2]
SURFACE = Path(__file__).with_name("surface.txt")
RENEW = "python -m tests.typing.surface --renew"
# What takes one of these is made by the client, and by nobody else.
BY_THE_CLIENT = {"dispatcher", "open_runs"}


def surface() -> str:
    """The text."""
    package = griffe.load("pubrio_async", search_paths=[ROOT], resolve_aliases=True)
    lines = [f"# Written by: {RENEW}"]
    for name, member in sorted(shown(package).items()):
        lines += ["", *described(name, member)]
    group: Any = typer.main.get_command(_app.app)
    for name, command in sorted(group.commands.items()):
        lines += ["", f"$ pubrio-async {name}", *map(option, command.params)]
    return "\n".join(lines) + "\n"


def shown(package: Any) -> dict[str, Any]:
    """The public names; a group of the client is called as it is used."""
    found = {f"pubrio_async.{name}": package[name] for name in package.exports}
    for page in (ROOT / "docs").rglob("*.md"):
        for path in re.findall(r"(?m)^::: pubrio_async\.([\w.]+)$", page.read_text("utf-8")):
            member = package[path]
            named = public(member) if member.is_module else {"": member}
            found |= {f"pubrio_async.{path}.{name}".rstrip("."): m for name, m in named.items()}
    for name, member in package["AsyncPubrio"].members.items():
        kind = getattr(member, "annotation", None)
        where = getattr(kind, "canonical_path", "")
        if member.is_attribute and member.is_public and where.startswith("pubrio_async."):
            found[f"pubrio_async.AsyncPubrio.{name}"] = package[where.split(".", 1)[1]]
    return {name: m for name, m in found.items() if "__" not in name and not m.parent.is_class}


def public(module: Any) -> dict[str, Any]:
    """What a module offers, by its names."""
    names = [str(name) for name in module.exports or ()] or [
        name for name, member in module.members.items() if member.is_public and not member.is_alias
    ]
    # A module may be called like what it is for, such as `doctor.examine`.
    found = {name: module[name] for name in names}
    return {name: m[name] if m.is_module else m for name, m in found.items()}


def described(name: str, member: Any) -> Iterator[str]:
    """The lines of a name, and of what is in it, in the order of the source."""
    if not member.is_class:
        yield signature(member, name)
        return
    bases = ", ".join(map(str, member.bases))
    yield f"class {name}({bases})" if bases else f"class {name}"
    made = member.members.get("__init__")
    if made is not None and not BY_THE_CLIENT & {p.name for p in made.parameters}:
        yield f"    {signature(made)}"
    for inner in member.all_members.values():
        if inner.is_public and not inner.is_special and not inner.is_class:
            yield f"    {signature(inner)}"


def signature(member: Any, name: str | None = None) -> str:
    """A function with its arguments, or an attribute with its type, on one line."""
    name = name or member.name
    if member.is_function:
        kind = "async def" if "async" in member.labels else "def"
        arguments = member.signature(name=name, return_type=False)
        return " ".join(f"{kind} {arguments} -> {member.returns}".split())
    kind = f": {member.annotation}" if member.annotation is not None else ""
    is_made = "instance-attribute" in member.labels and "class-attribute" not in member.labels
    is_data = is_made or name.rpartition(".")[2].isupper() or "self." in str(member.value)
    value = "" if member.value is None or is_data else f" = {member.value}"
    return " ".join(f"{name}{kind}{value}".split())


def option(parameter: Any) -> str:
    """An option or argument, whether it takes a value, its default and variable."""
    is_option = parameter.param_type_name == "option"
    names = [*parameter.opts, *parameter.secondary_opts] if is_option else [parameter.metavar]
    given = getattr(parameter.default, "value", parameter.default)
    default = "" if parameter.required else f" = {given!r}"
    variable = f" [{parameter.envvar}]" if parameter.envvar else ""
    value = "" if getattr(parameter, "is_flag", False) or not is_option else " VALUE"
    return f"    {' '.join(names)}{value}{default}{variable}"


def changes(before: str, now: str) -> str:
    """The lines that went and came; nothing if none did."""
    lines = before.splitlines(keepends=True), now.splitlines(keepends=True)
    return "".join(difflib.unified_diff(*lines, "surface.txt", "the code", n=1))


def main() -> None:
    """Compares, or writes."""
    now = surface()
    if "--renew" in sys.argv[1:]:
        SURFACE.write_text(now, "utf-8", newline="\n")
    elif told := changes(SURFACE.read_text("utf-8"), now):
        sys.exit(f"{told}If this is meant, say it in CHANGELOG.md, and: {RENEW}")


if __name__ == "__main__":
    main()
