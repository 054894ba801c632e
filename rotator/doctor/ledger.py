"""The ledger: can it be opened, is its schema ours, can it be written, is there room on its disk, who may read it?"""

import shutil
import stat
from pathlib import Path

from rotator.doctor.findings import About, Finding, Subject
from rotator.ledger.fault import LedgerFault
from rotator.ledger.store import Ledger

ROOM_LEAST, ROOM_LITTLE = 100 << 20, 1 << 30


def shut(address: str, fault: LedgerFault) -> Finding:
    """It could not be opened: the fault says why."""
    mend = "rotator ledger upgrade" if "upgrade" in str(fault) else ""
    return About(Subject.LEDGER, address.partition("?")[0]).bad(f"cannot be used: {fault}", mend)


async def check(ledger: Ledger, address: str) -> list[Finding]:
    """Opened it was, so its schema is one that we may use. A transaction that writes is begun, and ended without writing."""
    about = About(Subject.LEDGER, ledger.database.name)
    found: list[Finding] = []
    try:
        async with ledger.database.begin():
            pass
        await ledger.work.next_due()
    except LedgerFault as fault:
        found.append(about.bad(f"cannot be written: {fault}"))
    if ledger.lock.lost.is_set():
        found.append(about.bad("the lock of this process in it is gone"))
    if address.startswith("sqlite:///"):
        found += _of_file(Path(address.removeprefix("sqlite:///")), about)
    return found or [about.well("can be written; its schema is ours")]


def _of_file(path: Path, about: About) -> list[Finding]:
    try:
        free, mode = shutil.disk_usage(path.parent).free, path.stat().st_mode
    except OSError as error:
        return [about.bad(f"cannot be looked at: {error.strerror}")]
    found: list[Finding] = []
    if free < ROOM_LEAST:
        found.append(about.bad(f"only {free >> 20} MB are free on its disk: an intent that cannot be written stops every step"))
    elif free < ROOM_LITTLE:
        found.append(about.warn(f"only {free >> 20} MB are free on its disk"))
    if mode & (stat.S_IWOTH | stat.S_IWGRP):
        found.append(about.warn("others on this machine may write it", f"chmod go-w {path}"))
    return found
