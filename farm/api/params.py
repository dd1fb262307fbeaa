"""Parameters that several routes take, with their bounds: nothing beyond them reaches the store."""

from typing import Annotated

from fastapi import Header, Path, Query
from pydantic import AfterValidator

from farm.texts import one_line

MOST = 2**31 - 1
"""Of counts and numbers of events; every database holds it."""

JobId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="The job's id")]
AttemptId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="The attempt's id")]
ArtifactName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,80}$", examples=["video"])]
NodeName = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9._-]{1,120}$", description="The host's name, or its id", examples=["studio-1"])
]
ReplicaId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,200}$", description="The replica's id")]
OwnerName = Annotated[str, AfterValidator(one_line), Path(min_length=1, max_length=80, description="The owner's name")]
Section = Annotated[int, Path(ge=0, le=99_999, description="Counted from 0")]
Owner = Annotated[str | None, AfterValidator(lambda text: text and one_line(text)), Query(max_length=80)]
Words = Annotated[
    str | None,
    AfterValidator(lambda text: text and one_line(text)),
    Query(max_length=200, description="Words of the prompt or name"),
]
Offset = Annotated[int, Query(ge=0, le=MOST)]
After = Annotated[int, Query(ge=0, le=MOST, description="The same as Last-Event-ID, for plain HTTP clients")]
LastEventId = Annotated[
    str | None, Header(pattern=r"^[0-9]{0,10}$", description="Go on after this event, as browsers do by themselves")
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[\x20-\x7e]{1,200}$",
        description="Sending the same key again returns the same job; printable ASCII",
    ),
]
