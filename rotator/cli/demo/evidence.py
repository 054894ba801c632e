"""What the demo claims, measured from outside: every old key at every endpoint, every vault value, every call of the clients."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from rotator.cli.demo.client import Client
from rotator.cli.demo.residents import Fared, fared
from rotator.cli.show import NOTHING, print_table
from rotator.core.audit import Verdict as Chain
from rotator.core.sealed import Sealed
from rotator.engine.ports import Verdict
from rotator.issuers.probes import Probes
from rotator.wiring import House

ASKED_TIMES = 5
CLOSED = "resolved, revoked"
"""What an alert at its source is to say in the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What happened to one account, and what was promised of it. `alert` is its scanner's name for it, where one told of it."""

    name: str
    what: str
    row: dict[str, Any]
    old: Sealed
    client: Client
    wants: str
    no_failure: bool = False
    alert: str = ""
    spares_apps: bool = False

    @property
    def leak_to_dead_s(self) -> float | None:
        """From the report to the last of the 401s in a row."""
        times = self.row["timings"]
        if self.wants != "dead" or not times["stable_401"]:
            return None
        return (datetime.fromisoformat(times["stable_401"]) - datetime.fromisoformat(times["reported"])).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was measured of one story."""

    story: Story
    refused: int
    asked: int
    vault_accepted: bool
    alert_says: str
    apps: Fared | None = None

    @property
    def holds(self) -> bool:
        story = self.story
        kept = not (story.no_failure and story.client.failed) and not (story.spares_apps and (self.apps is None or self.apps.failed))
        closed = self.alert_says == (CLOSED if story.alert else "")
        return story.row["outcome"] == story.wants and self.refused == self.asked > 0 and self.vault_accepted and kept and closed


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Every story's finding, and the audit chain's verdict."""

    findings: Sequence[Finding]
    chain: Chain

    @property
    def holds(self) -> bool:
        return not self.chain.broken and self.chain.events > 0 and all(finding.holds for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        return {
            "holds": self.holds,
            "audit": {"events": self.chain.events, "valid": not self.chain.broken},
            "stories": [_plain(finding) for finding in self.findings],
        }


async def collect(azure: Any, house: House, stories: Sequence[Story]) -> Evidence:
    """Ask the outside, now that it is over."""
    findings = [await _finding(azure, house, story) for story in stories]
    return Evidence(findings=findings, chain=await house.ledger.audit.verify())


async def _finding(azure: Any, house: House, story: Story) -> Finding:
    credential, probes = house.credentials[story.name], Probes(house.azure)
    account = await house.world.issuer.account(credential.account)
    answers = [await probes.probe(account, host, story.old) for host in account.endpoints for _ in range(ASKED_TIMES)]
    text = (await house.world.vault.look(credential.secret)).text
    accepted = [await probes.probe(account, host, text) for host in account.endpoints] if text else []
    return Finding(
        story=story,
        refused=sum(answer.verdict is Verdict.REFUSED for answer in answers),
        asked=len(answers),
        apps=fared(azure, story.name),
        vault_accepted=bool(accepted) and all(answer.verdict is Verdict.ACCEPTED for answer in accepted),
        alert_says=_alert(azure, story.alert) if story.alert else "",
    )


def _alert(azure: Any, name: str) -> str:
    """As its source has it, which is the sandbox's GitHub."""
    found = next(alert for alert in azure.state.leaks.alerts if f"{alert.repository}#{alert.number}" == name)
    return f"{found.state}, {found.resolution}" if found.resolution else str(found.state)


def _plain(finding: Finding) -> dict[str, Any]:
    story = finding.story
    return {
        "name": story.name,
        "what": story.what,
        "holds": finding.holds,
        "outcome": story.row["outcome"],
        "old_key_refused": finding.refused,
        "old_key_asked": finding.asked,
        "vault_key_accepted": finding.vault_accepted,
        "client_calls": story.client.calls,
        "client_failures": story.client.failed,
        "client_failed_for_s": story.client.failed_for_s,
        "leak_to_dead_s": story.leak_to_dead_s,
        "alert": story.alert or None,
        "alert_says": finding.alert_says or None,
        "apps": finding.apps.as_json() if finding.apps else None,
    }


def print_evidence(evidence: Evidence) -> None:
    """The table, whether it holds, and what to type next."""
    columns = ("account", "what happened", "old key", "vault's key", "client: failed", "4 apps: failed", "leak to dead", "as promised")
    click.echo()
    print_table("Evidence, measured after the fact", columns, [_cells(finding) for finding in evidence.findings])
    whole = "is whole" if not evidence.chain.broken else f"is BROKEN: {evidence.chain.broken}"
    click.echo(f"The audit chain of {evidence.chain.events} events {whole}.")
    if not evidence.holds:
        click.secho("Not everything above is as it should be: that is a defect of rotator.", fg="red")
        return
    click.echo("\nNext:")
    click.echo("  rotator sandbox                      the same Azure, to play with")
    click.echo("  config/one-account.yaml              settings to copy for your own account")
    click.echo("  rotator plan --config rotator.yaml   what would be done there, and why")


def _cells(finding: Finding) -> tuple[str, ...]:
    story, client = finding.story, finding.story.client
    return (
        story.name,
        story.what,
        f"{finding.refused} of {finding.asked} times 401",
        "accepted" if finding.vault_accepted else "REFUSED",
        f"{client.failed} of {client.calls}",
        f"{finding.apps.failed} of {finding.apps.calls}" if finding.apps else NOTHING,
        f"{story.leak_to_dead_s:.1f} s" if story.leak_to_dead_s is not None else NOTHING,
        _kept(finding),
    )


def _kept(finding: Finding) -> str:
    """Whether it is as promised, and what it cost those who called."""
    client, apps = finding.story.client, finding.apps
    spans = [f"the client for {client.failed_for_s:.1f} s"] if client.failed else []
    spans += [f"an app for {apps.failed_for_s:.1f} s"] if apps and apps.failed else []
    cost = f"refused meanwhile: {', '.join(spans)}" if spans else "nobody was refused"
    alert = f"; the alert at GitHub: {finding.alert_says}" if finding.alert_says else ""
    return f"{'yes' if finding.holds else 'NO'}; {cost}{alert}"
