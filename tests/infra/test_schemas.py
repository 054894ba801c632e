"""What `infra/check` holds the templates to is read rightly: the schema of Terraform's provider, and the models of Azure's SDKs."""

import runpy
import sys
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

INFRA = Path(__file__).parents[2] / "infra"
AZURERM = runpy.run_path(str(INFRA / "checks" / "azurerm.py"))
PROPERTIES = runpy.run_path(str(INFRA / "checks" / "properties.py"))

CODE = """\
function shelfBookToHclTerraform(struct) {
    const attrs = {
        title: {
            value: cdktf.stringToHclTerraform(struct.title),
            isBlock: false,
            type: "simple",
            storageClassType: "string",
        },
    };
}
class ShelfBookOutputReference extends cdktf.ComplexObject {
    get title() {
        return this.getStringAttribute('title');
    }
    get pages() {
        return this.getNumberAttribute('pages');
    }
}
class Shelf extends cdktf.TerraformResource {
    constructor(scope, id, config) {
        this._book = new ShelfBookList(this, "book", true);
    }
    get tags() {
        return cdktf.Fn.tolist(this.getListAttribute('tags'));
    }
    get weight() {
        return this.getNumberAttribute('weight');
    }
    synthesizeHclAttributes() {
        const attrs = {
            tags: {
                value: cdktf.listMapperHcl(cdktf.stringToHclTerraform, false)(this._tags),
                isBlock: false,
                type: "set",
                storageClassType: "stringList",
            },
            book: {
                value: cdktf.listMapperHcl(shelfBookToHclTerraform, true)(this._book.internalValue),
                isBlock: true,
                type: "set",
                storageClassType: "ShelfBookList",
            },
        };
    }
}
"""
TYPES = """\
export interface ShelfConfig extends cdktf.TerraformMetaArguments {
    /**
    * {@link https://example.com/docs#tags Shelf#tags}
    */
    readonly tags?: string[];
    /**
    * {@link https://example.com/docs#book Shelf#book}
    */
    readonly book: ShelfBook[] | cdktf.IResolvable;
}
export interface ShelfBook {
    /**
    * {@link https://example.com/docs#title Shelf#title}
    */
    readonly title: string;
}
"""


def test_a_provider_s_package_says_what_terraform_asks_for() -> None:
    block = AZURERM["_Room"](CODE, TYPES).whole()
    tags, weight, book = block.attributes["tags"], block.attributes["weight"], block.blocks["book"]
    assert (tags.type, tags.required, tags.settable) == (["set", "string"], False, True)
    assert (weight.type, weight.settable) == ("number", False)
    assert (book.nesting, book.least, book.most) == ("set", 1, 0)
    assert book.block.attributes["title"].required
    assert not book.block.attributes["pages"].settable


class Model:
    """What both notations of the SDKs begin with."""


class Binding(StrEnum):
    PAPER = "Paper"
    LEATHER = "Leather"


class Book(Model):
    """A book.

    :vartype binding: str or
     ~library.models.Binding
    """

    _validation = {"title": {"required": True}, "isbn": {"readonly": True}, "pages": {"minimum": 1, "maximum": 999}}  # noqa: RUF012
    _attribute_map = {  # noqa: RUF012
        "title": {"key": "properties.title", "type": "str"},
        "pages": {"key": "properties.pages", "type": "int"},
        "isbn": {"key": "properties.isbn", "type": "str"},
        "binding": {"key": "properties.binding", "type": "str"},
        "type": {"key": "odata\\.type", "type": "str"},
    }


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    package: Any = ModuleType("library")
    package.Binding = Binding
    monkeypatch.setitem(sys.modules, "library", package)
    monkeypatch.setattr(Book, "__module__", "library.models")


@pytest.mark.parametrize(
    ("properties", "told"),
    [
        ({"title": "Emma", "pages": 474, "binding": "Paper"}, ""),
        ({"title": "name", "pages": {"function": {"type": "length"}}, "binding": "${kind}"}, ""),
        (
            {"title": "Emma", "binding": {"operator": {"type": "conditional", "operands": {"true_value": "Paper", "false_value": "Wood"}}}},
            "Wood",
        ),
        ({"pages": 474}, "properties.title is required"),
        ({"title": "Emma", "author": "Austen"}, "author is not a property"),
        ({"title": "Emma", "isbn": "1"}, "isbn is Azure's to set"),
        ({"title": "Emma", "pages": "474"}, "pages is '474', and not int"),
        ({"title": "Emma", "pages": 4740}, "not within 1…999"),
        ({"title": "Emma", "binding": "paper"}, "one of Leather, Paper"),
    ],
)
def test_a_resource_is_held_to_its_model(properties: dict[str, Any], told: str) -> None:
    found = PROPERTIES["wrong"]({"properties": properties, "'odata.type'": "Book"}, Book, "book", {"name"})
    assert bool(found) == bool(told)
    assert told in " ".join(found)
