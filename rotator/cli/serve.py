"""`rotator serve`: the daemon."""

import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rotator.cli.session import Common, Exit, common_options, fail, in_house
from rotator.cli.show import Progress
from rotator.core.sealed import Sealed
from rotator.notifier import Notifier, apprise_of
from rotator.telemetry import logged
from rotator.wiring import House

if TYPE_CHECKING:
    from rotator.daemon.life import Daemon
    from rotator.web.metrics import Metrics

POLL_EVERY = timedelta(minutes=5)
"""How often the sources are asked for what a lost delivery told of (and once at the start): GitHub and GitGuardian send none again."""


@click.command("serve", short_help="Keep the fleet rotated, without anyone watching.")
@click.option("--once", is_flag=True, help="Work off what is due now, and end: for a cron job.")
@common_options
def command(once: bool, common: Common) -> None:
    """Keep the fleet rotated: cadence, healing of what others changed, leaks at once; for years, without anyone watching.

    SIGTERM ends it between two steps, SIGHUP reads the settings anew. Several may serve one PostgreSQL ledger, one a SQLite ledger. On a
    terminal it says each step in a line; otherwise it logs JSON, each line with the id of its rotation.

    \b
    Examples:
      rotator serve            health and the page at http://127.0.0.1:8080
      rotator serve --once     what a cron job would run
    """
    from rotator.web.metrics import Metrics

    metrics = Metrics(Progress() if sys.stderr.isatty() else logged)
    watch = Notifier(metrics)

    async def errand(house: House) -> Exit:
        return await _serve(house, once, common, watch, metrics)

    in_house(_logging(common), errand, watch, metrics.heard)


async def _serve(house: House, once: bool, common: Common, notifier: Notifier, metrics: "Metrics") -> Exit:
    from rotator.daemon.life import Daemon
    from rotator.daemon.systemd import Systemd
    from rotator.settings import load

    daemon = Daemon(house, lambda: load(common.config), Systemd())
    with daemon.heeding_signals():
        await _begin(daemon)
        if once:
            await daemon.live(once=True)
        else:
            await _tell_people(daemon, house, notifier)
            await _listen_and_live(daemon, house, common.config.absolute().parent, metrics)
    return Exit.DONE


async def _begin(daemon: "Daemon") -> None:
    from rotator.ledger.locks import AlreadyServed

    try:
        await daemon.begin()
    except AlreadyServed as served:
        fail(
            Exit.REFUSED,
            f"Another daemon serves this ledger: {served.owner}. A SQLite ledger has one daemon; several can share a PostgreSQL one.",
        )


async def _tell_people(daemon: "Daemon", house: House, notifier: Notifier) -> None:
    """Who the settings name is told, beside the work. Raises Rejected where an address is none."""
    notify = house.settings.notify
    if notify.urls:
        secrets = await daemon.renewal.held()
        send = apprise_of([secrets[url] for url in notify.urls])

        def anew(secrets: Mapping[str, Sealed]) -> Callable[[], None]:
            fresh = apprise_of([secrets[url] for url in notify.urls])

            def switch() -> None:
                nonlocal send
                send = fresh

            return switch

        daemon.renewal.furnish(anew)
        now, topics = house.world.clock.now, frozenset(notify.topics)
        daemon.accompany(lambda: notifier.serve(lambda message: send(message), now, topics, notify.per_hour))


async def _listen_and_live(daemon: "Daemon", house: House, directory: Path, metrics: "Metrics") -> None:
    async with open_doors(daemon, house, directory, metrics):
        await daemon.live()


@contextlib.asynccontextmanager
async def open_doors(daemon: "Daemon", house: House, directory: Path, metrics: "Metrics | None" = None) -> AsyncIterator[int]:
    """The doors of a daemon that is about to live: what comes through them is stored by the reception, and worked off by the triage beside
    the pump. The port that they came to have.

    Raises:
        Rejected, Missing: a sender's secret that is not there, or an address that cannot be listened on.
    """
    from ipaddress import ip_network

    from rotator.alerts.sources import Sources
    from rotator.cli.clerk import OrderDesk, doorkeeper_of
    from rotator.daemon.cadence import Tick, guarded
    from rotator.daemon.figures import figures_of
    from rotator.daemon.reception import Reception
    from rotator.daemon.triage import Triage
    from rotator.ledger.soundness import Soundness
    from rotator.web.alerts import Doors
    from rotator.web.app import listening, make_app
    from rotator.web.health import Health
    from rotator.web.metrics import Scrapes
    from rotator.web.orders import Orders
    from rotator.web.page.rooms import Page
    from rotator.web.page.visitor import Visitors
    from rotator.web.readiness import checks_of
    from rotator.web.taking import Taking
    from rotator.web.tries import Tries
    from rotator.wiring import open_alerting, open_doorkeeper, open_looks

    settings, clock, watch, azure = house.settings, house.world.clock, house.world.watch, house.azure
    async with open_alerting(house, directory) as alerting_of, open_doorkeeper(house, directory) as keeping_of:
        secrets = await daemon.renewal.held()
        alerting, kept = alerting_of(secrets), keeping_of(secrets)
        sources = Sources(alerting, clock.now, **settings.alerts.polled())
        who_we_are = lambda: azure.credential.object_id(azure.arm_scope)  # noqa: E731
        reception = Reception(daemon.fleet, house.ledger.inbox, settings.alerts.policy, who_we_are)
        triage = Triage(daemon.fleet, house.ledger, reception.registry, sources.fetches(), sources.closes())
        taking = Taking(reception.store)
        doors = Doors(alerting.senders, taking, clock.now, watch, per_minute=settings.limits.alerts_per_minute)
        if settings.alerts.senders():
            poll = Tick(name="poll", every=POLL_EVERY, run=lambda: reception.poll(sources), jitter=POLL_EVERY / 10)
            daemon.accompany(triage.serve, guarded(poll, watch), ticks=[poll])
            daemon.tell_when_mended(triage.mended)
        doorkeeper, tries = doorkeeper_of(kept, settings.web), Tries()
        orders = Orders(doorkeeper, OrderDesk(lambda: _as_kept(house, daemon)), watch, tries)
        sound = Soundness(house.ledger.database, house.ledger.lock, lambda: daemon.pulse.age("ledger"))
        health = Health(daemon.pulse, checks_of(house, lambda: daemon.fleet.credentials, sound))
        scrapes = Scrapes(metrics, lambda: figures_of(house, daemon.fleet, daemon.pulse, sound)).routes() if metrics else ()
        host, apart = settings.web.host, settings.web.metrics_port
        async with contextlib.AsyncExitStack() as stack:
            proxies = [ip_network(one) for one in settings.web.proxies]
            visitors = Visitors(doorkeeper, kept.viewer, proxies)
            onlooker = await stack.enter_async_context(open_looks(house, directory))
            rooms = Page(visitors, onlooker, lambda: daemon.fleet.credentials, clock.now, watch, tries, sound.trouble)

            def anew(secrets: Mapping[str, Sealed]) -> Callable[[], None]:
                alerting, kept = alerting_of(secrets), keeping_of(secrets)
                doorkeeper = doorkeeper_of(kept, settings.web)

                def switch() -> None:
                    doors.trust(alerting.senders)
                    sources.trust(alerting)
                    orders.trust(doorkeeper)
                    rooms.trust(Visitors(doorkeeper, kept.viewer, proxies))

                return switch

            daemon.renewal.furnish(anew)
            inner = (scrapes, page := rooms.routes())
            app = make_app(health.routes(), doors.routes(), orders.routes(), *(inner if apart is None else ()), watch=watch)
            await stack.enter_async_context(taking.running())
            port = await stack.enter_async_context(listening(app, host, settings.web.port))
            inside = port if apart is None else await stack.enter_async_context(listening(make_app(*inner, watch=watch), host, apart))
            at = {"host": host, "port": port, "metrics_port": inside, "page": bool(page)}
            watch("listening", **at, senders=sorted(settings.alerts.senders()))
            yield port


def _as_kept(house: House, daemon: "Daemon") -> House:
    """With the credentials that the daemon keeps now: the settings may have been read anew."""
    from dataclasses import replace

    return replace(house, world=daemon.fleet.world, credentials=dict(daemon.fleet.credentials))


def _logging(common: Common) -> Common:
    """A daemon without a terminal tells its story in the log, unless it was told how much to say."""
    from dataclasses import replace

    given = click.get_current_context().get_parameter_source("log_level")
    quiet = given is click.core.ParameterSource.DEFAULT and not sys.stderr.isatty()
    return replace(common, log_level="info") if quiet else common
