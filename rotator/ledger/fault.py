"""What goes wrong with the ledger."""


class LedgerFault(Exception):
    """The ledger cannot be used; the text says why and what to do."""
