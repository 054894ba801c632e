"""The schema of Terraform's azurerm provider, as far as `infra/terraform` uses it, without the provider.

The package `cdktf-cdktf-provider-azurerm` was generated from it, and says of each argument its type, whether it is a block, a list or a
set, and whether it is required; of each attribute that only Azure sets, its type. What it does not say is whether Azure also sets an
optional one: each counts as if it did. Neither does it say how many of a block there may be, beyond one or any number.
"""

import json
import re
import tarfile
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGE = "cdktf_cdktf_provider_azurerm"
_OF_A_CLASS = re.compile(r"^class (\w+) extends cdktf\.\w+ \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_OF_A_STRUCT = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_ARGUMENT = re.compile(r'(\w+): \{\s*value: (.*),\s*isBlock: (\w+),\s*type: "(\w+)",\s*storageClassType: "(\w+)",\s*\}')
_ATTRIBUTE = re.compile(r"return (cdktf\.Fn\.tolist\()?this\.get(\w+)Attribute\('(\w+)'\)")
_INNER = re.compile(r'this\._\w+ = new (cdktf\.)?(\w+)\(this, "(\w+)"(?:, (true|false))?\)')
_INTERFACE = re.compile(r"^export interface (\w+)[^{]*\{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_REQUIRED = re.compile(r"#(\w+) \w+#\w+\}(?:(?!\*/).)*\*/\s*readonly \w+:", re.DOTALL)
_KNOWN = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}
Type = Any
"""As Terraform writes types in JSON: `"string"`, `["list", "string"]`, `["object", {…}]`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    type: Type
    required: bool = False
    settable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    """`nesting`: list, set or single. `most` is 0 where any number may stand there."""

    block: "Block"
    nesting: str
    least: int = 0
    most: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    attributes: dict[str, Attribute] = field(default_factory=dict)
    blocks: dict[str, Nested] = field(default_factory=dict)


class Provider:
    """One package, opened."""

    def __init__(self) -> None:
        found = find_spec(PACKAGE)
        if found is None or found.origin is None:
            raise SystemExit(f"{PACKAGE} is not installed")
        (package,) = (Path(found.origin).parent / "_jsii").glob("*.tgz")
        with tarfile.open(package) as archive:
            about = _read(archive, "package.json")
            self.version: str = json.loads(about)["cdktf"]["provider"]["version"]
            self._files = {folder: self._folder(archive, folder) for folder in self._wanted(archive)}

    def _wanted(self, archive: tarfile.TarFile) -> set[str]:
        text = "\n".join(path.read_text(encoding="utf-8") for path in (Path(__file__).parent.parent / "terraform").glob("*.tf"))
        self.resources = sorted(set(re.findall(r'^resource "azurerm_(\w+)"', text, re.MULTILINE)))
        self.data = sorted(set(re.findall(r'^data "azurerm_(\w+)"', text, re.MULTILINE)))
        wanted = {"provider", *map(_dashed, self.resources), *(f"data-azurerm-{_dashed(name)}" for name in self.data)}
        unknown = {name for name in wanted if f"package/lib/{name}/index.js" not in archive.getnames()}
        if unknown:
            raise SystemExit(f"azurerm {self.version} has no {', '.join(sorted(unknown))}")
        return wanted

    @staticmethod
    def _folder(archive: tarfile.TarFile, folder: str) -> tuple[str, str]:
        return _read(archive, f"lib/{folder}/index.js"), _read(archive, f"lib/{folder}/index.d.ts")

    def provider(self) -> Block:
        return _Room(*self._files["provider"]).whole()

    def resource(self, name: str) -> Block:
        return _Room(*self._files[_dashed(name)]).whole()

    def data_source(self, name: str) -> Block:
        return _Room(*self._files[f"data-azurerm-{_dashed(name)}"]).whole()


class _Room:
    """What one folder of the package says, of one resource and its blocks."""

    def __init__(self, code: str, types: str) -> None:
        self._classes = dict(_OF_A_CLASS.findall(code))
        self._structs = dict(_OF_A_STRUCT.findall(code))
        self._required = {name: set(_REQUIRED.findall(body)) for name, body in _INTERFACE.findall(types)}

    def whole(self) -> Block:
        (name,) = (name for name, body in self._classes.items() if "synthesizeHclAttributes() {" in body)
        body = self._classes[name]
        return self._block(f"{name}Config", body.partition("synthesizeHclAttributes() {")[2], body)

    def _struct(self, name: str) -> Block:
        arguments = self._structs.get(name[0].lower() + name[1:], "")
        return self._block(name, arguments, self._classes.get(f"{name}OutputReference", ""))

    def _block(self, name: str, arguments: str, shown: str) -> Block:
        required = self._required.get(name, set())
        attributes, blocks = {}, {}
        for argument, value, is_block, kind, stored in _ARGUMENT.findall(arguments):
            inner = self._struct(stored.removesuffix("List")) if stored[0].isupper() else None
            nesting = "single" if kind == "struct" else kind
            if is_block == "true" and inner is not None:
                several = "listMapperHcl" in value
                blocks[argument] = Nested(block=inner, nesting=nesting, least=int(argument in required), most=0 if several else 1)
            else:
                type_ = [kind, _object(inner)] if inner is not None else _simple(kind, stored)
                attributes[argument] = Attribute(type=type_, required=argument in required)
        for attribute, type_ in self._shown(shown):
            if attribute not in attributes and attribute not in blocks:
                attributes[attribute] = Attribute(type=type_, settable=False)
        if "timeouts" in blocks:
            blocks["timeouts"] = replace(blocks["timeouts"], nesting="single", most=0)
        return Block(attributes=attributes, blocks=blocks)

    def _shown(self, body: str) -> list[tuple[str, Type]]:
        found = [(name, _read_as(way, as_set != "")) for as_set, way, name in _ATTRIBUTE.findall(body)]
        for foreign, class_, name, as_set in _INNER.findall(body):
            struct = class_.removesuffix("OutputReference").removesuffix("List")
            inner = ["map", "string"] if foreign else ["set" if as_set == "true" else "list", _object(self._struct(struct))]
            found.append((name, inner))
        return found


def _simple(kind: str, stored: str) -> Type:
    """`set` of `stringList`, `map` of `stringMap`, `simple` of `boolean`."""
    element = _KNOWN.get(stored.removesuffix("List").removesuffix("Map"), "dynamic")
    return element if kind == "simple" else [kind, element]


def _read_as(way: str, as_set: bool) -> Type:
    """How CDKTF reads it: `String`, `NumberList`, `StringMap`, and `List` for one of strings."""
    element = _KNOWN.get(way.removesuffix("List").removesuffix("Map").lower() or "string", "dynamic")
    if way.endswith("Map"):
        return ["map", element]
    return ["set" if as_set else "list", element] if way.endswith("List") else element


def _object(block: Block) -> Type:
    inside = {name: one.type for name, one in block.attributes.items()}
    return ["object", inside | {name: [one.nesting, _object(one.block)] for name, one in block.blocks.items()}]


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _read(archive: tarfile.TarFile, name: str) -> str:
    found = archive.extractfile(f"package/{name}")
    if found is None:
        raise SystemExit(f"{PACKAGE} has no {name}")
    return found.read().decode()
