"""``farm bench gpu``: all that a lent card should answer, in order of worth, within minutes and without weights."""
