"""What there is: the accounts and vaults that our identity can see, who holds their keys, and which of them the settings name.

Promises that nothing is changed, that a key is known here by its fingerprint alone, and that what could not be seen is said, never guessed.
"""
