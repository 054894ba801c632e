"""Reading the YAML: every error at once, with its path, its line and what would be right; unknown keys with the nearest known one."""

import difflib
import stat
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rotator.settings.forms import canonical
from rotator.settings.kinds import KINDS, NO_MAPPING
from rotator.settings.model import NAMED, OWN, Settings

SIZE_MAX_BYTES = 64 * 1024 * 1024
NODES_MAX = 5_000_000


class SettingsError(Exception):
    """Everything wrong with the settings, a line each: path, what is wrong, what would be right."""

    def __init__(self, source: str, errors: Sequence[str]) -> None:
        super().__init__(f"{source}: {len(errors)} error(s)")
        self.source = source
        self.errors = list(errors)


def load(path: Path) -> Settings:
    """Read a settings file.

    Raises:
        SettingsError: everything that is wrong with it.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SettingsError(str(path), ["is a directory, a pipe or a device and no file; name a settings file with --config FILE"])
        with path.open("rb") as file:
            content = file.read(SIZE_MAX_BYTES + 1)
        if len(content) > SIZE_MAX_BYTES:
            raise SettingsError(str(path), [f"larger than {SIZE_MAX_BYTES // 1024 // 1024} MB"])
        text = content.decode("utf-8")
    except FileNotFoundError as error:
        hint = "name a settings file with --config FILE, or make one: rotator config init"
        raise SettingsError(str(path), [f"cannot be read: {error.strerror}; {hint}"]) from error
    except UnicodeDecodeError as error:
        raise SettingsError(str(path), [f"not UTF-8 text (byte {error.start})"]) from error
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or "this is no path"
        raise SettingsError(str(path), [f"cannot be read: {told}; name a settings file with --config FILE"]) from error
    return parse(text, str(path))


def parse(text: str, source: str) -> Settings:
    """Settings from YAML text. Raises SettingsError like `load`."""
    try:
        return _parsed(text, source)
    except RecursionError:
        raise SettingsError(source, ["nested deeper than any settings are"]) from None


def _parsed(text: str, source: str) -> Settings:
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=_Loader)):
            _refuse_to_unfold(yaml.compose(text, Loader=_Loader), source)
        document = yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader that refuses a key given twice
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise SettingsError(source, [f"{where}not YAML: {getattr(error, 'problem', None) or 'cannot be read'}"]) from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise SettingsError(source, ["the settings are a mapping of names to values; see config/one-account.yaml"])
    errors = list(_twice(document.get("credentials")))
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        errors = [*_lines(error, text), *errors]
    if errors:
        raise SettingsError(source, errors)
    return settings


def _refuse_to_unfold(root: Any, source: str) -> None:
    """Aliases may say a thing twice, and not unfold a few lines into millions, nor into themselves."""
    sizes: dict[int, int] = {}

    def size(node: Any) -> int:
        if id(node) not in sizes:
            sizes[id(node)] = NODES_MAX + 1  # what a node that contains itself is
            pairs = node.value if isinstance(node, yaml.CollectionNode) else []
            sizes[id(node)] = 1 + sum(size(one) for pair in pairs for one in (pair if isinstance(pair, tuple) else (pair,)))
        return sizes[id(node)]

    if size(root) > NODES_MAX:
        raise SettingsError(source, ["its aliases (*name) unfold into themselves, or into more than any settings hold"])


def schema() -> dict[str, Any]:
    """The JSON schema of the settings, for editors and for `config/`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema(by_alias=True)}


def _twice(credentials: object) -> Iterator[str]:
    """Read off the document itself, so that it is said together with every other error."""
    written = [one if isinstance(one, dict) else {} for one in credentials] if isinstance(credentials, list) else []
    for field in ("name", "account", "secret"):
        seen: dict[str, int] = {}
        for number, one in enumerate(written):
            value = canonical(str(one[field])) if field in one else f"missing in {number}"
            first = seen.setdefault(value, number)
            if first != number:
                why = "each needs its own" if field == "name" else "two rotations of one would kill each other's keys"
                yield f"credentials[{number}].{field}: the same as credentials[{first}].{field}; {why}"


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """A safe loader that refuses a key that stands twice: YAML would silently take the last."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError, AttributeError, TypeError) as error:  # a date that no calendar has, a number of 5,000 digits
            raise yaml.constructor.ConstructorError(None, None, "a value that cannot be read; put it in quotes", node.start_mark) from error

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key.value, str):
                raise yaml.constructor.ConstructorError(None, None, "a key is not a word", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)  # type: ignore[no-any-return]


def _lines(error: ValidationError, text: str) -> Iterator[str]:
    places = _places(text)
    for one in error.errors(include_url=False):
        if one["type"] == "whole":
            yield from one["msg"].split("\n")
            continue
        path = tuple(part for part in one["loc"] if not _is_spelling(part))
        path = path[:-1] if one["type"] == "invalid_key" else path
        path = (*path, "kind") if one["type"].startswith("union_tag") and not _is_no_mapping(one) else path
        line = places.get((*path, str(one["loc"][-1]))) if one["type"] == "invalid_key" else places.get(path) or places.get(path[:-1])
        yield f"{_path(path)}{f' (line {line})' if line else ''}: {_said(one)}"


def _is_spelling(part: int | str) -> bool:
    """A part of a path that says which of several spellings was read, and that stands in no file."""
    return isinstance(part, str) and part.startswith("<")


def _is_no_mapping(one: ErrorDetails) -> bool:
    return bool(one.get("ctx", {}).get("tag") == NO_MAPPING)


def _said(one: ErrorDetails) -> str:
    """What would be right. What was written is looked at for being nothing, and never repeated."""
    if one["input"] is None and one["type"] != "invalid_key":
        return "is empty; say what it is, or leave the line out"
    match one["type"]:
        case "invalid_key":
            return f"the key {one['loc'][-1]} is not a word; put it in quotes"
        case "list_type":
            return "must be a list: each entry on a line that begins with '-'"
        case "extra_forbidden":
            return _unknown(str(one["loc"][-1]), sorted(_names_at(one["loc"][:-1])))
        case "union_tag_invalid" if _is_no_mapping(one):
            return "must be a mapping of names to values"
        case "union_tag_invalid":
            return _unknown(one["ctx"]["tag"].strip("<>"), list(KINDS), "kind")
        case "union_tag_not_found":
            return "is missing"
        case "missing":
            return "is missing"
        case "literal_error" | "enum":
            return f"must be one of {one['ctx']['expected']}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "must be a mapping of names to values"
        case _:
            return one["msg"].removeprefix("Value error, ").replace("Input should be", "must be", 1)


def _unknown(name: str, known: Sequence[str], noun: str = "key") -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"unknown {noun}; did you mean {near[0]!r}?" if near else f"unknown {noun}; known here: {', '.join(known)}"


def _names_at(path: tuple[int | str, ...]) -> set[str]:
    """The keys that may stand at `path`, walked along the models' annotations."""
    models: list[type[BaseModel]] = [Settings]
    for part in path:
        if isinstance(part, int) or part in (NAMED, OWN):
            continue
        if _is_spelling(part):
            models = [KINDS[part.strip("<>")].parameters]
            continue
        fields = [_field(model, part) for model in models]
        inner = [found for field in fields if field is not None for found in _models_in(field)]
        models = inner or models
    return {field.alias or name for model in models for name, field in model.model_fields.items()}


def _field(model: type[BaseModel], name: str) -> Any:
    return next((field.annotation for key, field in model.model_fields.items() if name in (key, field.alias)), None)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, types.UnionType, Annotated, list, dict):
        for inner in get_args(annotation):
            yield from _models_in(inner)


def _path(path: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "settings"


def _places(text: str) -> Mapping[tuple[int | str, ...], int]:
    """The line of every path: read once more, and only when there is an error to place."""
    places: dict[tuple[int | str, ...], int] = {}

    def walk(node: Any, path: tuple[int | str, ...]) -> None:
        places.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                places[(*path, key.value)] = key.start_mark.line + 1
                walk(value, (*path, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                walk(value, (*path, number))

    walk(yaml.compose(text, Loader=yaml.SafeLoader), ())
    return places
