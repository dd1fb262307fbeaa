"""Routes for people, for who asks, and for what they did."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from farm.accounts.people import Role

from .authority import Asking
from .context import Farm
from .params import Owner, OwnerName
from .schemas import View

router = APIRouter(tags=["people"])


class Me(View):
    """Who asks. ``known``: a person of the list, not whoever has the farm's own token."""

    name: str
    role: Role
    known: bool


class UserView(View):
    """``email``: by which a provider of identities knows them."""

    name: str
    role: Role
    email: str
    created_at: str


class UserList(BaseModel):
    users: list[UserView]


class NewUser(BaseModel):
    """A person and what they may."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    role: Role = Role.ARTIST
    email: Annotated[str, Field(max_length=255)] = ""


class UserToken(UserView):
    """A person with their token, which can't be shown again."""

    token: str


class UserChange(BaseModel):
    """What is left out stays."""

    role: Role | None = None
    email: Annotated[str, Field(max_length=255)] | None = None


class AuditView(View):
    """``who`` asked for ``what``, and was answered with ``status``."""

    at: datetime
    who: str
    role: str
    what: str
    status: int


class AuditList(BaseModel):
    lines: list[AuditView]


@router.get("/me", summary="Who am I")
def me(caller: Asking) -> Me:
    """The person whose token was sent."""
    return Me.model_validate(caller)


@router.get("/users", summary="List people")
def list_users(farm: Farm) -> UserList:
    return UserList(users=[UserView.model_validate(user) for user in farm.users.all()])


@router.post("/users", status_code=201, summary="Add a person")
def add_user(farm: Farm, form: NewUser) -> UserToken:
    """Gives their token, once."""
    token = farm.users.add(form.name, form.role, form.email)
    return _with_token(farm, form.name.strip(), token)


@router.patch("/users/{owner:path}", summary="Change a person")
def change_user(farm: Farm, owner: OwnerName, form: UserChange) -> UserView:
    """Their role, or the e-mail address by which a provider of identities knows them."""
    return UserView.model_validate(farm.users.change(owner, role=form.role, email=form.email))


@router.post("/users/{owner:path}/token", summary="Give a person another token")
def new_token(farm: Farm, owner: OwnerName) -> UserToken:
    """The old one is of no use from then on."""
    return _with_token(farm, owner, farm.users.new_token(owner))


@router.delete("/users/{owner:path}", status_code=204, summary="Remove a person")
def remove_user(farm: Farm, owner: OwnerName) -> Response:
    """Their token is of no use from then on; their jobs stay."""
    farm.users.remove(owner)
    return Response(status_code=204)


@router.get("/audit", summary="Who did what")
def audit(farm: Farm, owner: Owner = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> AuditList:
    """Every change that was asked for, the newest first; kept for a year."""
    return AuditList(lines=[AuditView.model_validate(line) for line in farm.store.audit(limit, owner)])


def _with_token(farm: Farm, name: str, token: str) -> UserToken:
    user = next(user for user in farm.users.all() if user.name == name)
    return UserToken(**UserView.model_validate(user).model_dump(), token=token)
