"""Routes for what people are told."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from farm.errors import unknown_name
from farm.notify.outbox import test_notice
from farm.notify.rules import read_rules
from farm.notify.senders.plugin import problem

from .context import Farm
from .schemas import View

router = APIRouter(tags=["farm"])


class RuleView(View):
    """Whom to tell of what; ``way``: how, without secrets; ``problem``: why that can't work."""

    name: str
    on: list[str]
    owner: str | None
    way: str
    problem: str = ""


class DeliveryView(View):
    """What one rule was told. ``state``: waiting, sent or failed; ``message``: why it could not be told."""

    key: str
    rule: str
    notice: dict[str, str]
    state: str
    tries: int
    message: str
    created_at: datetime
    sent_at: datetime | None


class NoticeList(BaseModel):
    """The rules, and the newest deliveries."""

    rules: list[RuleView]
    deliveries: list[DeliveryView]


class TestForm(BaseModel):
    """``rule``: the one that is told of a test."""

    rule: Annotated[str, Field(max_length=60)]


@router.get("/notices", summary="Who is told of what")
def list_notices(farm: Farm) -> NoticeList:
    """The rules in the head's `notify.toml`, and what was told lately."""
    return NoticeList(
        rules=[
            RuleView(
                name=rule.name,
                on=[each.value for each in rule.on],
                owner=rule.owner,
                way=rule.way,
                problem=problem(rule, farm.plugins),
            )
            for rule in read_rules(farm.settings.home, farm.settings.when_idle).notify
        ],
        deliveries=[DeliveryView.model_validate(each) for each in farm.store.newest_deliveries()],
    )


@router.post("/notices/test", status_code=202, summary="Try a rule")
def try_rule(farm: Farm, form: TestForm) -> DeliveryView:
    """Have a rule told of a test; `GET /notices` says what became of it."""
    rules = {rule.name: rule for rule in read_rules(farm.settings.home, farm.settings.when_idle).notify}
    if form.rule not in rules:
        raise unknown_name("rule", form.rule, list(rules))
    notice = test_notice(rules[form.rule])
    farm.store.put_deliveries([(form.rule, notice.to_json())])
    return next(
        DeliveryView.model_validate(each)
        for each in farm.store.newest_deliveries()
        if each.key == f"{notice.key}>{form.rule}"
    )
