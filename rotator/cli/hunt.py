"""`rotator hunt`: who holds a copy of a key that the settings do not know, or pins a version that will never move."""

from collections.abc import Sequence
from typing import Any

import click
import yaml

from rotator.cli.session import Common, Exit, chosen, common_options, in_house
from rotator.cli.show import print_json, print_table
from rotator.hunt import Copy, Found, Hidden, Reach, Scope, fleet_of, hunt
from rotator.wiring import House


@click.command("hunt", short_help="Who holds a copy of a key that the settings do not know.")
@click.argument("names", nargs=-1)
@click.option("--subscription", "subscriptions", multiple=True, help="Search these, and not those of the settings' accounts.")
@click.option("--resource-group", "group", default="", help="Search only this one in each of them.")
@click.option("--kubeconfig", "kubeconfigs", multiple=True, metavar="FILE[@CONTEXT]", help="Search the Secrets of this cluster, too.")
@common_options
def command(names: tuple[str, ...], subscriptions: tuple[str, ...], group: str, kubeconfigs: tuple[str, ...], common: Common) -> None:
    """Compare fingerprints, never values: of app settings, Container Apps secrets, named values, vault and Kubernetes secrets with the
    live keys of every credential (or those NAMED). Lists who holds one and is not in the settings, with the YAML to add.
    Changes nothing.

    What cannot be searched is listed with the permission that it needs, and makes the exit code 1.

    \b
    Examples:
      rotator hunt
      rotator hunt chat-prod --resource-group rg-apps
      rotator hunt --kubeconfig ~/.kube/config@aks-prod --output json
    """

    async def errand(house: House) -> Exit:
        credentials = chosen(house, names)
        scope = Scope(
            subscriptions=subscriptions or tuple(dict.fromkeys(one.account.split("/")[2].lower() for one in credentials)),
            group=group,
            vaults=() if group else tuple(dict.fromkeys(one.secret.vault for one in credentials)),
            clusters=tuple(_cluster(one) for one in kubeconfigs),
        )
        reach = Reach(tools=house.tools, tell=_quiet if common.json else _tell)
        fleet, unknown = await fleet_of(credentials, house.world.issuer)
        found = await hunt(fleet, scope, reach)
        found = Found(copies=found.copies, hidden=[*unknown, *found.hidden], compared=found.compared)
        if common.json:
            print_json(_plain(found))
        else:
            _print(found)
        return Exit.FAILED if found.hidden else Exit.DONE

    in_house(common, errand)


def _cluster(said: str) -> tuple[str, str]:
    path, _, context = said.partition("@")
    return path, context


def _tell(text: str) -> None:
    click.echo(text, err=True)


def _quiet(text: str) -> None:
    """JSON goes to a program."""


def _plain(found: Found) -> dict[str, Any]:
    return {
        "compared": found.compared,
        "copies": [
            {
                "credential": one.credential,
                "why": one.why,
                "what": one.what,
                "resource": one.resource,
                "because": one.told,
                "known": one.known,
                "fingerprint": one.fingerprint,
                "slot": one.slot,
                "settings": dict(one.settings) or None,
            }
            for one in found.copies
        ],
        "not_searched": [{"what": one.what, "because": one.because, "remedy": one.remedy or None} for one in found.hidden],
    }


def _print(found: Found) -> None:
    rows = [(one.credential, one.why, one.what, one.told) for one in found.copies]
    columns = ("credential", "why", "where", "because")
    print_table(f"{len(rows)} finding(s), {found.compared} compared", columns, rows, empty="no copy that the settings do not know")
    _print_hidden(found.hidden)
    added = yaml_to_add(found.copies)
    if added:
        click.echo("Add to the settings, under the credential's `dependents`:\n")
        click.echo(added)


def _print_hidden(hidden: Sequence[Hidden]) -> None:
    if hidden:
        rows = [(one.what, one.because, one.remedy or "–") for one in hidden]
        print_table(f"{len(rows)} place(s) NOT searched", ("what", "because", "what to do"), rows)


def yaml_to_add(copies: Sequence[Copy]) -> str:
    """What the settings lack, by credential."""
    missing: dict[str, list[dict[str, Any]]] = {}
    for one in copies:
        if one.settings and dict(one.settings) not in missing.setdefault(one.credential, []):
            missing[one.credential].append(dict(one.settings))
    document = {"credentials": [{"name": name, "dependents": some} for name, some in missing.items() if some]}
    return yaml.safe_dump(document, sort_keys=False, width=200, allow_unicode=True) if document["credentials"] else ""
