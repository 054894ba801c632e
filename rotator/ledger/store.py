"""The ledger: one room for each thing that is kept, over one database and one lock."""

from dataclasses import dataclass

from rotator.ledger.audit import AuditChain
from rotator.ledger.cases import CaseBook
from rotator.ledger.closings import Closings
from rotator.ledger.database import Database
from rotator.ledger.inbox import Inbox
from rotator.ledger.journal import KeyJournal
from rotator.ledger.locks import Lock
from rotator.ledger.waves import WaveTable
from rotator.ledger.work import WorkTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """`work`, `cases` and `journal` fulfil the engine's ports; each of their methods is one transaction."""

    database: Database
    lock: Lock
    work: WorkTable
    cases: CaseBook
    journal: KeyJournal
    audit: AuditChain
    waves: WaveTable
    inbox: Inbox
    closings: Closings
