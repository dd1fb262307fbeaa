"""Kinds of fields that records share."""

from typing import Annotated

from pydantic import AfterValidator, Field

from farm.texts import one_line, plain

PLAIN = AfterValidator(plain)
"""Of text with any number of lines: no control characters. Comes after limits of length, whose errors are clearer."""
ONE_LINE = AfterValidator(one_line)
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
