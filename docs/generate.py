"""Writes the API reference, `docs/api`, from the signatures and docstrings of the package.

    python docs/generate.py            writes the pages
    python docs/generate.py --check    fails if a page is not what would be written

Needs griffe, which is part of the extra `dev`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe

from pubrio_async import _routes
from pubrio_async._routes import Route

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "api"
API_PAGES = "https://docs.pubrio.com"
WIDTH = 92

ROUTES = {item.name: item for item in vars(_routes).values() if isinstance(item, Route)}
CREDITS = {True: "spends credits", False: "free", None: "may spend credits"}
RUNS = {
    "redeem.many": "spends credits",
    "redeem.resolve": "free; spends credits with `resend`",
}
NOTE = "<!-- Written by docs/generate.py from the docstrings: change them, then `make docs`. -->"


def main() -> None:
    """Writes the pages, or checks them."""
    pages = dict(make_pages())
    if "--check" in sys.argv[1:]:
        there = {path.name: path.read_text("utf-8") for path in PAGES.glob("*.md")}
        stale = sorted(n for n in pages.keys() | there.keys() if pages.get(n) != there.get(n))
        if stale:
            sys.exit(f"docs/api is not up to date ({', '.join(stale)}): run `make docs`.")
        return
    PAGES.mkdir(exist_ok=True)
    for path in PAGES.glob("*.md"):
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        (PAGES / name).write_text(text, "utf-8", newline="\n")


def make_pages() -> Iterator[tuple[str, str]]:
    """Names and texts of the pages: one for each group, and the table of contents."""
    package = griffe.load("pubrio_async", search_paths=[ROOT], docstring_parser="google")
    contents = [NOTE, "", "# API reference", ""]
    contents += [
        f"The {len(ROUTES)} endpoints of the API by group: coroutines of the client that take",
        "keywords only; what is left out is not sent. `*_iter` is the same call as an asynchronous",
        "iterator over the rows of all pages, `redeem.many` and `redeem.resolve` are",
        "[runs](../reference/runs.md). *May spend credits*: whether it does is not documented.",
        "",
        "| method | request | credits |",
        "|---|---|---|",
    ]
    for group, cls in groups(package):
        methods = list(methods_of(cls))
        page = [NOTE, "", f"# {group}", "", text_of(cls), ""]
        for method in methods:
            page += section(group, method)
            name = f"{group}.{method.name}"
            anchor = name.replace(".", "").lower()
            route = ROUTES.get(name.removesuffix("_iter"))
            request = "" if route is None else f"`{route.method} {route.path}`"
            cost = RUNS[name] if route is None else CREDITS[route.spends_credits]
            contents.append(f"| [`{name}`]({group}.md#{anchor}) | {request} | {cost} |")
        yield f"{group}.md", "\n".join(page).rstrip() + "\n"
    yield "README.md", "\n".join(contents).rstrip() + "\n"


def groups(package: Any) -> Iterator[tuple[str, Any]]:
    """The groups of the client: what its class declares with a class of this package."""
    client = package["client.AsyncPubrio"]
    for name, member in client.members.items():
        if not name.startswith("_") and member.is_attribute and member.annotation is not None:
            path = member.annotation.canonical_path
            if path.startswith("pubrio_async."):
                cls = package[path.removeprefix("pubrio_async.")]
                yield name, cls.final_target if cls.is_alias else cls


def methods_of(cls: Any) -> Iterator[Any]:
    """The public methods of a class, those of its bases first, in the order of the source."""
    seen: set[str] = set()
    for holder in (*reversed(cls.mro()), cls):
        for name, member in holder.members.items():
            if member.is_function and not name.startswith("_") and name not in seen:
                seen.add(name)
                yield cls.all_members[name]


def section(group: str, method: Any) -> Iterator[str]:
    """What is said of one method."""
    name = f"{group}.{method.name}"
    route = ROUTES.get(name.removesuffix("_iter"))
    yield from (f"## {name}", "", "```python", signature(group, method), "```", "")
    facts: list[str] = []
    rest: list[str] = []
    for part in method.docstring.parsed:
        if part.kind is griffe.DocstringSectionKind.text:
            lines = part.value.splitlines()
            pages = [line for line in lines if line.startswith("API page: ")]
            facts += [page_link(line.removeprefix("API page: ")) for line in pages]
            rest += [*(line for line in lines if line not in pages), ""]
        else:
            rest += [*rendered(part), ""]
    if route is not None:
        facts = [f"`{route.method} {route.path}`", CREDITS[route.spends_credits], *facts]
    if facts:
        yield from (" · ".join(facts), "")
    text = "\n".join(rest).strip()
    yield from (text, "")


def signature(group: str, method: Any) -> str:
    """The call as it is written, with types and defaults."""
    parameters = [*written(method.parameters)]
    returned = f" -> {method.returns}"
    start = ("await " if "async" in method.labels else "") + f"pubrio.{group}.{method.name}"
    line = f"{start}({', '.join(parameters)}){returned}"
    if len(line) <= WIDTH:
        return line
    return "\n".join((f"{start}(", *(f"    {item}," for item in parameters), f"){returned}"))


def written(parameters: Any) -> Iterator[str]:
    """The parameters as they are declared."""
    starred = False
    for parameter in parameters:
        if parameter.name == "self":
            continue
        if parameter.kind is griffe.ParameterKind.keyword_only and not starred:
            starred = True
            yield "*"
        default = "" if parameter.default is None else f" = {parameter.default}"
        yield f"{parameter.name}: {parameter.annotation}{default}"


def rendered(part: Any) -> Iterator[str]:
    """Arguments, results and errors as lists."""
    kinds = griffe.DocstringSectionKind
    if part.kind is kinds.parameters:
        yield from ("**Arguments**", "")
        for item in part.value:
            yield f"- `{item.name}`: {joined(item.description)}"
    elif part.kind is kinds.returns:
        yield from ("**Returns**", "")
        for item in part.value:
            yield f"`{item.annotation}`: {joined(item.description)}"
    elif part.kind is kinds.raises:
        yield from ("**Raises**", "")
        for item in part.value:
            yield f"- `{item.annotation}`: {joined(item.description)}"
    else:
        sys.exit(f"A section of kind {part.kind.value!r} is new: say here how it is to look.")


def page_link(text: str) -> str:
    """The page of the API's own documentation, where there is one."""
    page = text.split(maxsplit=1)[0].rstrip(".,;")
    return f"[API page]({API_PAGES}/{page})" if page.startswith("en/") else "no API page"


def text_of(item: Any) -> str:
    """The docstring as it is."""
    return "" if item.docstring is None else str(item.docstring.value)


def joined(text: str) -> str:
    """Text as one line."""
    return " ".join(text.split())


if __name__ == "__main__":
    main()
