"""`rotator hunt`: who holds a copy of a key that the settings do not know, or pins a version that will never move."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from rotator.cli.session import Common, Exit, chosen, common_options, in_house
from rotator.cli.show import NOTHING, print_json, print_table
from rotator.wiring import House

if TYPE_CHECKING:
    from rotator.hunt.finding import Copy
    from rotator.hunt.place import Hidden
    from rotator.hunt.search import Found


@click.command("hunt", short_help="Who holds a copy of a key that the settings do not know.")
@click.argument("names", nargs=-1)
@click.option("--subscription", "subscriptions", multiple=True, help="Search these, and not those of the settings' accounts.")
@click.option("--resource-group", "group", default="", help="Search only this one in each of them.")
@click.option("--kubeconfig", "kubeconfigs", multiple=True, metavar="FILE[@CONTEXT]", help="Search the Secrets of this cluster, too.")
@common_options
def command(names: tuple[str, ...], subscriptions: tuple[str, ...], group: str, kubeconfigs: tuple[str, ...], common: Common) -> None:
    """Compare fingerprints, never values: of app settings and connection strings of App Service, secrets and plain variables of Container
    Apps and their jobs, plain variables of Container Instances, named values and backends of API Management, Azure ML connections, vault
    and Kubernetes secrets with the live keys of every credential (or those NAMED). References to a credential's secret are found in those
    of these places that can refer to a vault, and in linked services of Data Factory. Lists who holds a key, or reads a secret, and is not
    in the settings, with the YAML to add. Changes nothing.

    What cannot be searched is listed with the permission that it needs, and makes the exit code 1. What Azure gives back to nobody
    (secure variables of Container Instances, AI Foundry connections) is listed as well: only a person can tell what it holds.

    Not searched, and not listed: secure strings of Data Factory, secrets of GitHub, secret variables and service connections of Azure
    DevOps, which nobody can read back; App Configuration, policies of API Management, virtual machines, code, images, and whatever is not
    in Azure or in a cluster that --kubeconfig names.

    \b
    Examples:
      rotator hunt
      rotator hunt chat-prod --resource-group rg-apps
      rotator hunt --kubeconfig ~/.kube/config@aks-prod --output json
    """

    async def errand(house: House) -> Exit:
        from rotator.hunt.place import Scope
        from rotator.hunt.reach import Reach
        from rotator.hunt.search import Found, fleet_of, hunt

        credentials = chosen(house, names)
        scope = Scope(
            subscriptions=subscriptions or tuple(dict.fromkeys(one.account.split("/")[2].lower() for one in credentials)),
            group=group,
            vaults=() if group else tuple(dict.fromkeys(one.secret.vault for one in credentials)),
            clusters=tuple(cluster_of(one) for one in kubeconfigs),
        )
        reach = Reach(tools=house.tools, tell=_quiet if common.json else tell, share=house.settings.limits.azure_share)
        wanted = {one.name for one in credentials}
        beside = [one for name, one in house.credentials.items() if name not in wanted]
        fleet, unknown = await fleet_of(credentials, house.world.issuer, beside)
        found = await hunt(fleet, scope, reach)
        copies = [one for one in found.copies if one.is_open]
        found = Found(copies=copies, hidden=[*unknown, *found.hidden], compared=found.compared)
        if common.json:
            print_json(_plain(found))
        else:
            _print(found)
        return Exit.FAILED if any(not one.write_only for one in found.hidden) else Exit.DONE

    in_house(common, errand)


def cluster_of(said: str) -> tuple[str, str]:
    """A kubeconfig and its context, as the option says them."""
    path, _, context = said.partition("@")
    return path, context


def tell(text: str) -> None:
    click.echo(text, err=True)


def _quiet(text: str) -> None:
    """JSON goes to a program."""


def _plain(found: "Found") -> dict[str, Any]:
    return {
        "compared": found.compared,
        "copies": [
            {
                "credential": one.owner,
                "why": one.why,
                "what": one.what,
                "resource": one.resource,
                "because": one.told,
                "known": one.known,
                "fingerprint": one.fingerprint,
                "slot": one.slot,
                "settings": None if one.known else dict(one.settings),
                "asks": one.asks or None,
            }
            for one in found.copies
        ],
        "not_searched": [
            {"what": one.what, "because": one.because, "remedy": one.remedy or None, "write_only": one.write_only} for one in found.hidden
        ],
    }


def _print(found: "Found") -> None:
    rows = [(one.owner, one.why, one.what, one.told) for one in found.copies]
    columns = ("credential", "why", "where", "because")
    print_table(f"{len(rows)} finding(s), {found.compared} compared", columns, rows, empty="no copy that the settings do not know")
    print_hidden("place(s) NOT searched", [one for one in found.hidden if not one.write_only])
    print_hidden("place(s) that nobody can search", [one for one in found.hidden if one.write_only])
    added = yaml_to_add(found.copies)
    if added:
        click.echo("Add to the settings, under the credential's `dependents`:\n")
        click.echo(added)


def print_hidden(title: str, hidden: "Sequence[Hidden]") -> None:
    if hidden:
        rows = [(one.what, one.because, one.remedy or NOTHING) for one in hidden]
        print_table(f"{len(rows)} {title}", ("what", "because", "what to do"), rows)


def yaml_to_add(copies: "Sequence[Copy]") -> str:
    """What the settings lack, by credential."""
    from rotator.hunt.written import dependents, scalar

    missing: dict[str, list[Copy]] = {}
    for one in copies:
        if not one.known:
            missing.setdefault(one.owner, []).append(one)
    lines = [line for name, some in missing.items() for line in (f"  - name: {scalar(name)}", *dependents(some, "    "))]
    return "\n".join(["credentials:", *lines]) if lines else ""
