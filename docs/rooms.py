"""Draws the rooms of the package and the arrows between them: `docs/images/rooms.svg`.

    python docs/rooms.py

The floors are those of the layers contract in pyproject.toml, the arrows are the imports of the
code. One that follows from others is left out: what may import `client` has all that it stands on.
Needs import-linter, which is part of the extra `dev`.
"""

from __future__ import annotations

import re
import tomllib
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "rooms.svg"

# Where a room is on its floor, so that no arrow runs behind a box.
PLACES = {
    "__main__": 6.0,
    "cli": 6.0,
    "dashboard": 1.8,
    "distributed": 3.6,
    "doctor": 5.3,
    "prometheus": 6.9,
    "testing": 9.6,
    "otel": 11.2,
    "webhooks": 12.8,
    "tables": 3.4,
    "sandbox": 10.0,
    "client": 6.4,
    "_redeem": 5.2,
    "_verbs": 8.0,
    "scheduler": 3.5,
    "endpoints": 6.5,
    "_dispatch": 8.0,
    "_limiter": 2.0,
    "_retry": 5.0,
    "_quota": 6.9,
    "_routes": 8.6,
    "_transport": 11.6,
    "_wire": 10.0,
    "models": 3.5,
}
COLUMN, FLOOR, WIDTH, HEIGHT, LEFT, TOP = 72, 62, 106, 30, 44, 14
COLOURS = ["#e7e5e4", "#e0e7ff", "#dcfce7", "#fef3c7"]
"""Of the ground, of one request, of a run, of what stands around the SDK."""
STYLE = (
    "text{font:13px ui-monospace,Menlo,Consolas,monospace;fill:#1c1917}"
    ".n{fill:#78716c;font-size:11px}"
    "path{fill:none;stroke:#57534e;stroke-width:1.2;marker-end:url(#a)}"
    "rect{stroke:#57534e}"
)
HEAD = (
    '<marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
    'orient="auto"><polygon points="0,1 8,4 0,7" fill="#57534e"/></marker>'
)


def floors() -> list[list[str]]:
    """The rooms of each floor, ground floor first, as the contract has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [re.findall(r"\w+", layer) for layer in reversed(layers)]


def arrows() -> dict[str, set[str]]:
    """Which rooms each room imports, as the code is."""
    graph = grimp.build_graph("pubrio_async")
    found: dict[str, set[str]] = {}
    for module in graph.modules - {"pubrio_async"}:
        room = module.split(".")[1]
        imported = {
            name.split(".")[1]
            for name in graph.find_modules_directly_imported_by(module)
            if "." in name
        }
        found.setdefault(room, set()).update(imported - {room})
    return found


def stands_on(room: str, arrows: dict[str, set[str]]) -> set[str]:
    """All that a room imports, and what that imports, and so on."""
    below = set(arrows[room])
    return below.union(*(stands_on(other, arrows) for other in below))


def drawn(arrows: dict[str, set[str]]) -> list[tuple[str, str]]:
    """The arrows that do not follow from others, without those to the ground floor."""
    ground = set(floors()[0])
    return sorted(
        (room, other)
        for room, others in arrows.items()
        for other in others - ground
        if room not in ground and not any(other in stands_on(o, arrows) for o in others - {other})
    )


def picture() -> str:
    """The picture."""
    levels = floors()
    imports = arrows()
    at = {
        room: (LEFT + PLACES[room] * COLUMN, TOP + (len(levels) - 1 - floor) * FLOOR + HEIGHT / 2)
        for floor, rooms in enumerate(levels)
        for room in rooms
        if floor and room in imports
    }
    width = LEFT + max(PLACES.values()) * COLUMN + WIDTH / 2 + 8
    height = TOP + len(levels) * FLOOR - FLOOR + HEIGHT + 12
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}">',
        f"<style>{STYLE}</style>",
        HEAD,
        f'<rect width="{width:g}" height="{height:g}" rx="6" style="fill:#fff;stroke:none"/>',
    ]
    for room, other in drawn(imports):
        (x, y), (to_x, to_y) = at[room], at[other]
        lines.append(f'<path d="M{x:g} {y + HEIGHT / 2:g}L{to_x:g} {to_y - HEIGHT / 2:g}"/>')
    for floor, rooms in enumerate(levels):
        y = TOP + (len(levels) - 1 - floor) * FLOOR
        lines.append(f'<text class="n" x="10" y="{y + 19}">{floor}</text>')
        if not floor:
            names = "   ".join(sorted(room for room in rooms if room in imports))
            lines.append(box(LEFT - 12, y, width - LEFT + 4, 0, names))
        for room in rooms if floor else ():
            if room in at:
                kind = 1 if floor <= 5 else 2 if floor <= 8 else 3
                lines.append(box(at[room][0] - WIDTH / 2, y, WIDTH, kind, room))
    return "\n".join([*lines, "</svg>", ""])


def box(x: float, y: float, width: float, kind: int, text: str) -> str:
    """A box with a text in it."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{HEIGHT}" rx="4" '
        f'fill="{COLOURS[kind]}"/>'
        f'<text x="{x + width / 2:g}" y="{y + 20:g}" text-anchor="middle" xml:space="preserve">'
        f"{escape(text)}</text>"
    )


if __name__ == "__main__":
    PICTURE.write_text(picture(), "utf-8", newline="\n")
