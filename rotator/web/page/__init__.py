"""The page: what a person on call and their manager look at. It shows what the ledger says, and starts nothing: it says what to type.

Markup is made by `htpy`, which escapes every text that is no element: no other text of a page is trusted than the stylesheet's.
"""
