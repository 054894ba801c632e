"""A page as a strict reader of the standard takes it, and what anybody who does not see it needs."""

from xml.etree.ElementTree import Element

import html5lib

HTML, SVG = "{http://www.w3.org/1999/xhtml}", "{http://www.w3.org/2000/svg}"


def parsed(page: str) -> Element:
    """Raises ParseError for the smallest fault; asserts what a page owes to those who hear it, or go through it by key."""
    root: Element = html5lib.HTMLParser(strict=True).parse(page)
    assert root.get("lang") == "en"
    assert len(list(root.iter(f"{HTML}h1"))) == 1
    assert len(list(root.iter(f"{HTML}main"))) == 1
    assert "".join(root.iter(f"{HTML}title").__next__().itertext()).strip()
    for picture in root.iter(f"{SVG}svg"):
        if picture.get("role") == "img":
            name = picture.find(f"{SVG}title")
            assert name is not None, "a picture without a name"
            assert "".join(name.itertext()).strip()
    outermost = [child for parent in root.iter() if not parent.tag.startswith(SVG) for child in parent if child.tag == f"{SVG}svg"]
    assert all(picture.get("role") == "img" for picture in outermost)
    for head in root.iter(f"{HTML}th"):
        assert head.get("scope") in ("col", "row"), "a heading of a table that does not say of what"
    for table in root.iter(f"{HTML}table"):
        wide = {len(row) for row in table.iter(f"{HTML}tr")}
        assert len(wide) == 1, "rows of different lengths"
    fields = [field for field in root.iter(f"{HTML}input") if field.get("type") != "hidden"]
    labelled = {label.get("for") for label in root.iter(f"{HTML}label")}
    assert {field.get("id") for field in fields} <= labelled
    ids = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    forbidden = {"script", "img", "iframe", "object", "embed", "link", "base"}
    assert not [one.tag for one in root.iter() if isinstance(one.tag, str) and one.tag.rpartition("}")[2] in forbidden]
    assert not [name for one in root.iter() for name in one.attrib if name == "style" or name.startswith("on")]
    return root


def words(root: Element, name: str = "main") -> str:
    """What stands there, without markup."""
    return " ".join(" ".join(" ".join(part.itertext()) for part in root.iter(f"{HTML}{name}")).split())


def links(root: Element) -> list[str]:
    return [one.get("href", "") for one in root.iter(f"{HTML}a")]
