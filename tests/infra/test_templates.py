"""What deploys rotator is well-formed: Bicep and Terraform are parsed, manifests fit Kubernetes' schemas, the image file has no lint.

Nothing is skipped: a tool that is missing fails. Scanners that take longer are in `infra/check`.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import hcl2
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from pycep import BicepParser

from rotator.ledger.opening import SESSIONS, SESSIONS_MORE
from rotator.settings import Settings, load, parse
from rotator.settings.permissions import DEPENDENTS

TOP = Path(__file__).parents[2]
INFRA = TOP / "infra"
BICEP = INFRA / "bicep"
BICEPS = sorted(BICEP.rglob("*.bicep"))
TERRAFORM = sorted((INFRA / "terraform").glob("*.tf"))
KUBERNETES = INFRA / "kubernetes"
PATCHES = {"one-at-a-time.yaml", "two.yaml"}


def bicep(path: Path) -> dict[str, Any]:
    return dict(BicepParser().parse(file_path=path))


def manifests(folder: str) -> list[dict[str, Any]]:
    files = [path for path in (KUBERNETES / folder).glob("*.yaml") if path.name not in {*PATCHES, "kustomization.yaml", "rotator.yaml"}]
    return [one for path in files for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


# --- Bicep ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", BICEPS, ids=lambda path: path.stem)
def test_bicep_is_parsed_and_every_module_is_there(path: Path) -> None:
    found = bicep(path)
    assert found["resources"] or found["modules"]
    for name in re.findall(r"'(modules/[a-z]+\.bicep)'", path.read_text(encoding="utf-8")):
        assert (BICEP / name).is_file()


def test_every_module_gets_the_parameters_that_it_has_and_no_other() -> None:
    text = (BICEP / "main.bicep").read_text(encoding="utf-8")
    modules = re.findall(r"^module \w+ '(modules/\w+\.bicep)'.*?\n  params: \{\n(.*?)\n  \}", text, re.MULTILINE | re.DOTALL)
    assert len(modules) == len(re.findall(r"^module ", text, re.MULTILINE))
    for name, body in modules:
        given = set(re.findall(r"^    (\w+):", body, re.MULTILINE))
        assert given == set(bicep(BICEP / name)["parameters"]), name


def test_every_output_of_a_module_that_is_read_is_there() -> None:
    text = (BICEP / "main.bicep").read_text(encoding="utf-8")
    files = dict(re.findall(r"^module (\w+) '(modules/\w+\.bicep)'", text, re.MULTILINE))
    read = set(re.findall(r"\b(\w+)\.outputs\.(\w+)", text))
    assert read
    for module, output in read:
        assert output in bicep(BICEP / files[module])["outputs"], f"{module}.{output}"


def test_the_example_of_parameters_says_what_main_asks_for() -> None:
    """Its notation is that of variables, but for two words."""
    text = (BICEP / "main.bicepparam").read_text(encoding="utf-8")
    assert text.startswith("using 'main.bicep'\n")
    said = set(BicepParser().parse(text=re.sub(r"^param ", "var ", text.partition("\n")[2], flags=re.MULTILINE))["variables"])
    asked = re.findall(r"^param (\w+) \w+( =)?", (BICEP / "main.bicep").read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for name, default in asked if not default} <= said <= {name for name, _ in asked}


def test_the_database_takes_the_connections_of_all_workers() -> None:
    """Azure's documents: 414 for users' on a Standard_B2s. Each worker's lock and ear are two more."""
    bicep, main = ((BICEP / name).read_text(encoding="utf-8") for name in ("modules/ledger.bicep", "main.bicep"))
    most = re.search(r"@maxValue\((\d+)\)\n@description[^\n]*\nparam replicas", main)
    assert most
    assert int(most[1]) * (SESSIONS + SESSIONS_MORE + 2) <= 414
    assert "name: 'Standard_B2s'" in bicep
    assert '"B_Standard_B2s"' in (INFRA / "terraform" / "ledger.tf").read_text(encoding="utf-8")


def test_no_template_holds_a_secret_or_a_password() -> None:
    for path in (*BICEPS, *TERRAFORM):
        text = path.read_text(encoding="utf-8").lower()
        assert "administratorloginpassword" not in text
        assert "administrator_password" not in text
    assert "passwordAuth: 'Disabled'" in (BICEP / "modules" / "ledger.bicep").read_text(encoding="utf-8")
    assert re.search(r"password_auth_enabled\s+= false", (INFRA / "terraform" / "ledger.tf").read_text(encoding="utf-8"))


# --- Terraform ------------------------------------------------------------------------------------------------------------------


def test_terraform_is_parsed_and_refers_to_what_there_is() -> None:
    blocks = [hcl2.loads(path.read_text(encoding="utf-8")) for path in TERRAFORM]
    text = "\n".join(path.read_text(encoding="utf-8") for path in TERRAFORM)
    resources = {
        f"{kind.strip(chr(34))}.{name.strip(chr(34))}"
        for block in blocks
        for one in block.get("resource", [])
        for kind, named in one.items()
        for name in named
        if not name.startswith("__")
    }
    assert len(resources) > 20
    assert set(re.findall(r"(?<![\w.])(azurerm_\w+\.\w+)", text)) <= resources
    variables = {name.strip('"') for block in blocks for one in block.get("variable", []) for name in one}
    assert set(re.findall(r"\bvar\.(\w+)", text)) == variables
    given = {name for name in hcl2.loads((INFRA / "terraform" / "example.tfvars").read_text(encoding="utf-8")) if not name.startswith("__")}
    asked = set(re.findall(r'variable "(\w+)" \{(?:(?!\n\}).)*?\n\}', text, re.DOTALL))
    assert asked == variables
    assert given <= variables


def test_bicep_and_terraform_are_about_the_same_events() -> None:
    told = [set(re.findall(r"Microsoft\.(?:KeyVault\.Secret\w+|Resources\.\w+Success)", text)) for text in _events()]
    assert told[0] == told[1]
    assert len(told[0]) == 4


def _events() -> list[str]:
    modules = "".join((BICEP / "modules" / f"{name}.bicep").read_text(encoding="utf-8") for name in ("expiry", "activity"))
    return [modules, (INFRA / "terraform" / "events.tf").read_text(encoding="utf-8")]


# --- Kubernetes -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["base", "single", "ha", "dependents"])
def test_manifests_fit_the_schemas_of_kubernetes(folder: str) -> None:
    found = manifests(folder)
    assert found
    for one in found:
        kubernetes_validate.validate(one, "1.31", strict=True)
    named = yaml.safe_load((KUBERNETES / folder / "kustomization.yaml").read_text(encoding="utf-8"))
    for resource in named["resources"]:
        assert (KUBERNETES / folder / resource).exists()
    for patch in named.get("patches", []):
        body = yaml.safe_load((KUBERNETES / folder / patch["path"]).read_text(encoding="utf-8"))
        assert (body["kind"], body["metadata"]["name"]) == ("Deployment", "rotator")


def test_the_pod_is_nobodys_and_has_what_the_image_needs() -> None:
    pod = next(one for one in manifests("base") if one["kind"] == "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["terminationGracePeriodSeconds"] > Settings().limits.stop_within.total_seconds()
    assert f"USER {pod['securityContext']['runAsUser']}:" in (INFRA / "image" / "Dockerfile").read_text(encoding="utf-8")


# --- settings -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [BICEP / "rotator.yaml", KUBERNETES / "single" / "rotator.yaml", KUBERNETES / "ha" / "rotator.yaml"])
def test_settings_that_are_deployed_load_and_are_served_to_the_outside(path: Path) -> None:
    settings = load(path)
    assert settings.web.host == "0.0.0.0"
    assert (settings.web.port, settings.web.metrics_port) == (8080, 9090)
    assert settings.credentials


def test_settings_inside_the_example_of_terraform_load() -> None:
    text = (INFRA / "terraform" / "example.tfvars").read_text(encoding="utf-8")
    inside = re.search(r"<<-YAML\n(.*?)\nYAML", text, re.DOTALL)
    assert inside
    assert parse(inside[1], "example.tfvars").ledger_login == "entra"


def test_kinds_in_the_examples_are_kinds() -> None:
    kinds = set(re.findall(r"kind: '([\w-]+)'", (BICEP / "main.bicepparam").read_text(encoding="utf-8")))
    assert kinds
    assert kinds <= set(DEPENDENTS)


# --- the image ------------------------------------------------------------------------------------------------------------------


def test_the_image_file_has_no_lint() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "hadolint", INFRA / "image" / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_is_pinned_and_runs_as_nobody() -> None:
    lines = (INFRA / "image" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert any(re.fullmatch(r"ARG PYTHON=python:3\.\d+\.\d+-slim-\w+", line) for line in lines)
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users
    assert users[-1].split(":")[0] not in ("0", "root")
    assert any(line.startswith("HEALTHCHECK") for line in lines)


def test_the_lock_of_the_image_has_every_dependency_in_a_version_that_fits() -> None:
    text = (INFRA / "image" / "requirements.txt").read_text(encoding="utf-8")
    pinned = {canonicalize_name(name): Version(version) for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE)}
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for line in (*project["dependencies"], *(one for name, lines in extras.items() if name not in ("test",) for one in lines)):
        needed = Requirement(line)
        if needed.name == "rotator":
            continue
        assert pinned[canonicalize_name(needed.name)] in needed.specifier, line
    assert "file:" not in text, "a path of some machine"
    assert len(pinned) == len(re.findall(r"^[\w.-]+==.* \\\n    --hash", text, re.MULTILINE))


def test_every_folder_says_what_how_what_it_costs_and_how_to_undo() -> None:
    for folder in ("bicep", "terraform", "kubernetes", "image", "systemd", "prometheus"):
        lines = (INFRA / folder / "README.md").read_text(encoding="utf-8").splitlines()
        text = "\n".join(line for line in lines if not line.startswith("| "))
        for word in ("What", "How", "Costs", "Undo"):
            assert f"**{word}**" in text, f"{folder}: {word}"
        assert len(text.splitlines()) <= 40, f"{folder}: more than a screen"
    assert json.loads((INFRA / "roles.json").read_text(encoding="utf-8"))
