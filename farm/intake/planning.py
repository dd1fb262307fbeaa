"""A request's plan: what its family's facts make of it."""

from functools import lru_cache

from farm.jobs.request import RenderRequest
from model.families import describe
from model.plan import Plan, make_plan


def plan_for(request: RenderRequest) -> Plan:
    """The plan of a request: the same in every process. Recent ones are kept.

    Raises:
        InputError: the request names an unknown family or order.
    """
    info = describe(request.model_type)
    layout = info.layout if request.tail == "auto" else info.layout.with_tail(request.tail)
    return _plan(
        layout=layout,
        order=request.order,
        seconds=request.total_second_length,
        seed=request.seed,
        prompt=request.prompt,
        fps=info.fps,
        exact_length=request.exact_length,
        given=request.given,
        blend_sections=request.prompt_blend_sections,
    )


_plan = lru_cache(maxsize=64)(make_plan)
