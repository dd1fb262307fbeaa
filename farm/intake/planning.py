"""A request's plan: what its family's facts make of it."""

from functools import lru_cache

from farm.jobs.request import RenderRequest
from farm.settings import Settings
from model.facts import family_facts
from model.families import describe
from model.plan import Layout, Plan, Rules, make_plan
from model.plan.orders import Order
from model.settings import ModelSettings


def plan_for(
    request: RenderRequest,
    layout: str = "",
    fps: int = 0,
    order: Order | None = None,
    settings: ModelSettings | None = None,
) -> Plan:
    """The plan of a request: the same in every process. Recent ones are kept.

    Args:
        layout, fps: as an earlier plan of it has them; by default its family is asked, whose files must be here.
        order: in place of the request's; such a plan is not kept.
        settings: of this machine, where its family is; None: those of its environment.

    Raises:
        InputError: the request names an unknown family or order.
    """
    if layout and fps:
        return _of(request, Layout.parse(layout), fps, order)
    info = describe(request.model_type, settings or Settings.from_environment().model)
    seen = info.layout if request.tail == "auto" else info.layout.with_tail(request.tail)
    return _of(request, seen, info.fps, order)


def _of(request: RenderRequest, layout: Layout, fps: int, order: Order | None) -> Plan:
    return (make_plan if order else _plan)(
        layout=layout,
        order=order or request.order,
        seconds=request.total_second_length,
        seed=request.seed,
        prompt=request.prompt,
        fps=fps,
        exact_length=request.exact_length,
        given=request.given,
        blend_sections=request.prompt_blend_sections,
        rules=Rules.of(family_facts(request.model_type)),
    )


_plan = lru_cache(maxsize=64)(make_plan)
