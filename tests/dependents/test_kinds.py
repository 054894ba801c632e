"""What is declared of the kinds: in step with their rooms, the README, the extras; and what a kind says whose client is not installed."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import create_autospec

import pytest

from rotator.azure import Azure
from rotator.core.credential import Credential, Dependent
from rotator.core.faults import Rejected
from rotator.core.sealed import Sealed
from rotator.core.snapshot import Adoption
from rotator.dependents import KINDS, Tools, kinds_for, make
from rotator.settings.kinds.table import listing, permissions
from tests.dependents.conftest import PUBLISHED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rotator.settings.kinds import Declaration

TOP = Path(__file__).parent.parent.parent
ROOMS = TOP / "rotator" / "dependents"


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    async def secret(_: str) -> Sealed:
        return Sealed("a secret")

    return Tools(azure=create_autospec(Azure, instance=True), secret=secret, directory=tmp_path)


@pytest.mark.parametrize("written", [listing, permissions])
def test_the_readme_says_of_the_kinds_what_is_declared(written: Callable[[Iterable[Declaration]], str]) -> None:
    """`python -c "from rotator.settings.kinds import *; from rotator.settings.kinds.table import *; print(listing(KINDS.values()))"`, and
    `permissions` likewise."""
    assert f"\n\n{written(KINDS.values())}\n\n" in (TOP / "README.md").read_text(encoding="utf-8")


def test_every_kind_has_a_room_of_its_own_and_an_extra_that_exists() -> None:
    extras = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    modules = [one.module for one in KINDS.values()]
    assert len(set(modules)) == len(modules)
    for one in KINDS.values():
        assert (ROOMS / f"{one.module}.py").is_file()
        assert not one.extra or one.extra in extras


def test_no_two_kinds_know_each_other_and_a_contract_says_so_of_all() -> None:
    contracts = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    (named,) = [one["modules"] for one in contracts if one["name"] == "Kinds of dependents do not know each other"]
    assert set(named) == {f"rotator.dependents.{one.module}" for one in KINDS.values()}


@pytest.mark.parametrize("declared", KINDS.values(), ids=list(KINDS))
def test_every_permission_is_needed_on_a_resource_that_a_parameter_names(declared: object) -> None:
    one = KINDS[declared.kind]  # type: ignore[attr-defined]
    assert one.needs
    for permission in one.needs:
        assert permission.at in one.parameters.model_fields
    assert len({permission.action for permission in one.needs}) == len(one.needs)


def test_only_the_kinds_that_are_needed_are_made(tools: Tools) -> None:
    credential = Credential(
        name="chat", account="/a", secret=PUBLISHED.secret, dependents=(Dependent(name="one", kind="machine-learning-connection"),)
    )
    bare = Credential(name="other", account="/b", secret=PUBLISHED.secret)
    assert kinds_for([bare], tools) == {}
    assert list(kinds_for([bare, credential], tools)) == ["machine-learning-connection"]


@pytest.mark.parametrize(("kind", "client"), [("app-service", "azure.mgmt.web"), ("container-app", "azure.mgmt.appcontainers")])
async def test_a_kind_whose_client_is_not_installed_says_what_to_install(
    tools: Tools, monkeypatch: pytest.MonkeyPatch, kind: str, client: str
) -> None:
    for name in [name for name in sys.modules if name == client or name.startswith(f"{client}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, f"rotator.dependents.{KINDS[kind].module}", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_NotInstalled(client), *sys.meta_path])
    made, dependent = make(kind, tools), Dependent(name="app", kind=kind)
    found = await made.adoption(dependent, PUBLISHED)
    assert (found.adoption, f"pip install 'rotator[{KINDS[kind].extra}]'" in found.because) == (Adoption.UNSEEN, True)
    with pytest.raises(Rejected) as refused:
        await made.deliver(dependent, PUBLISHED)
    assert KINDS[kind].extra in refused.value.remedy


class _NotInstalled:
    """An import system that does not have one package."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, name: str, *_: object) -> None:
        if name == self._package or name.startswith(f"{self._package}."):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_the_settings_import_no_client() -> None:
    script = "import rotator.settings, sys; sys.exit(any(name.split('.')[0] in ('azure', 'aiohttp') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_every_call_of_a_kind_names_a_permission() -> None:
    """Each `faults(…)` in a room says what it needs."""
    for declared in KINDS.values():
        calls = list(_faults(ast.parse((ROOMS / f"{declared.module}.py").read_text(encoding="utf-8"))))
        assert all("needs" in call for call in calls), declared.module


def _faults(tree: ast.AST) -> Iterator[set[str | None]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "faults":
            yield {keyword.arg for keyword in node.keywords}
