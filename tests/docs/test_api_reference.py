from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.catalogue import ENDPOINTS
from tests.docs.programs import ROOT, program

PAGES = ROOT / "docs" / "api"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    return program("generate")


@pytest.fixture(scope="module")
def made(generate: ModuleType) -> dict[str, str]:
    """The pages as they are written now; reading the whole package takes a second."""
    return dict(generate.make_pages())


def test_the_pages_are_up_to_date(made: dict[str, str]) -> None:
    """If this fails: `make docs`."""
    assert made == {path.name: path.read_text() for path in PAGES.glob("*")}


def test_every_endpoint_has_its_section() -> None:
    for endpoint in ENDPOINTS:
        text = (PAGES / f"{endpoint.group}.md").read_text()
        for suffix in ("", "_iter") if endpoint.paginated else ("",):
            name = re.escape(endpoint.name + suffix)
            section = re.search(rf"(?ms)^## {name}$(.+?)(?=^## |\Z)", text)
            assert section is not None, endpoint.name
            assert f"`{endpoint.method} {endpoint.path}`" in section[1]
            if endpoint.docs:
                assert f"https://docs.pubrio.com/{endpoint.docs[0]})" in section[1]
            for field in endpoint.fields:
                assert f"\n- `{field}`: " in section[1]
            assert "API page: " not in section[1]


def test_the_contents_lead_somewhere() -> None:
    contents = (PAGES / "README.md").read_text()
    links = re.findall(r"\[`([\w.]+)`\]\((\w+\.md)#(\w+)\)", contents)
    assert {name for name, _, _ in links} >= {endpoint.name for endpoint in ENDPOINTS}
    for name, page, anchor in links:
        assert f"\n## {name}\n" in (PAGES / page).read_text()
        assert anchor == name.replace(".", "")


def test_a_stale_page_is_noticed(
    generate: ModuleType,
    made: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(generate, "make_pages", made.items)
    monkeypatch.setattr(generate, "PAGES", tmp_path / "api")
    monkeypatch.setattr("sys.argv", ["generate.py"])
    generate.main()
    (tmp_path / "api" / "gone.md").write_text("a page of a group that is no more")
    (tmp_path / "api" / "user.md").write_text("old")

    monkeypatch.setattr("sys.argv", ["generate.py", "--check"])
    with pytest.raises(SystemExit, match=r"gone\.md, user\.md"):
        generate.main()

    monkeypatch.setattr("sys.argv", ["generate.py"])
    generate.main()
    monkeypatch.setattr("sys.argv", ["generate.py", "--check"])
    generate.main()
    assert not (tmp_path / "api" / "gone.md").exists()
