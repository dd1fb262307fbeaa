"""Routes that say what there is: plans, presets, orders, exporters, plug-ins, models, nodes."""

import math
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from farm.errors import FarmError, InputError
from farm.intake.capacity import capacity_of
from farm.intake.notes import crop_notes, prompt_notes
from farm.intake.orders import SUMMARY, choose_plan, is_auto, units_of
from farm.intake.unqueued import UNQUEUED, unqueued
from farm.jobs.fields import PLAIN
from farm.jobs.graph import tasks_for
from farm.jobs.labels import Labels
from farm.jobs.order import Priority, Terms
from farm.jobs.request import MAX_CFG, MAX_KEYFRAMES, MAX_PROMPT, MAX_STEPS
from model.cache_kinds import all_caches
from model.choices import CACHES, CENTRED, Fit, FitKind
from model.families import FAMILIES, describe
from model.family import FamilyInfo
from model.footage.buckets import crop_for
from model.plan import Given, Plan, make_plan, plan_svg
from model.plan.make import BLEND_SECTIONS
from model.plan.orders import AUTO, ORDERS, brought_orders

from .authority import Asking
from .catalog_views import (
    CacheList,
    CacheView,
    ExporterList,
    ExporterView,
    ModelList,
    ModelView,
    OrderList,
    OrderView,
    PluginList,
    PluginView,
    PostProcessorView,
)
from .context import Farm, FarmContext
from .plan_views import PlanPreview

router = APIRouter(tags=["catalog"])


@router.get("/plan", summary="Preview a plan")
def preview_plan(
    farm: Farm,
    caller: Asking,
    seconds: Annotated[float, Query(description="Length asked for", examples=[10])] = 5.0,
    order: Annotated[str | None, Query(max_length=40, description="Default: the model's own; `auto` chooses")] = None,
    model_type: Annotated[str, Query(max_length=40)] = "puppet",
    exact_length: bool = False,
    devices: Annotated[int, Query(ge=1, le=100_000, description="Equal devices to bound the speed-up for")] = 1,
    width: Annotated[int, Query(ge=1, le=100_000, description="Of the image, pixels")] = 640,
    height: Annotated[int, Query(ge=1, le=100_000)] = 640,
    resolution: Annotated[int | None, Query(description="Class of buckets; default: the model's own")] = None,
    image_fit: Annotated[FitKind, Query(description="How the image comes into the bucket")] = CENTRED.kind,
    image_position: Annotated[float, Query(ge=0, le=1, description="What a crop keeps")] = CENTRED.position,
    svg: Annotated[bool, Query(description="Draw it")] = False,
    prompt: Annotated[str, Query(max_length=MAX_PROMPT, description="With timed prompts, if any"), PLAIN] = "",
    prompt_blend_sections: Annotated[int, Query(ge=0, le=10)] = BLEND_SECTIONS,
    start_image: Annotated[bool, Query(description="Whether there is one")] = True,
    end_image: Annotated[bool, Query(description="Whether there is one")] = False,
    keyframes: Annotated[
        list[float] | None, Query(max_length=MAX_KEYFRAMES, description="Seconds at which pictures are given")
    ] = None,
    extend: Annotated[Literal["end", "start"] | None, Query(description="Side of a video that is given")] = None,
    steps: Annotated[int, Query(ge=1, le=MAX_STEPS, description="Of a section")] = 25,
    cfg: Annotated[float, Query(ge=1, le=MAX_CFG)] = 1.0,
    priority: Annotated[Priority, Query(description="Of the job: it decides when it would be done")] = 50,
    labels: Annotated[Labels, Query(description="Of machines that may work for it")] = (),
) -> PlanPreview:
    """True length, bucket, sections, the bound of the speed-up, and when it would be done, before anything is
    queued."""
    info = describe(model_type, farm.settings.model)
    if math.isfinite(seconds) and seconds > info.max_seconds:
        raise InputError(f"length {seconds:g} s: {info.name} makes at most {info.max_seconds:g} seconds.")
    given = Given(
        start_image=start_image or extend is not None,
        end_strength=1.0 if end_image else None,
        keyframes=tuple(keyframes or ()),
        extend=extend,
    )

    def planned(name: str) -> Plan:
        return make_plan(
            layout=info.layout,
            order=name,
            seconds=seconds,
            seed=0,
            prompt=prompt,
            fps=info.fps,
            exact_length=exact_length,
            given=given,
            blend_sections=prompt_blend_sections,
            rules=info.rules,
        )

    why = []
    if is_auto(order):
        plan, chosen = choose_plan(planned, info, capacity_of(farm.store, info))
        why.append(chosen.why)
    else:
        plan = planned(order or info.default_order)
    bucket = info.bucket(height, width, resolution)
    sized = info.at(resolution)
    tokens = plan.total_tokens(bucket[0] // sized.latent_pixels, bucket[1] // sized.latent_pixels)
    picture = plan_svg(plan) if svg else ""
    fit = Fit(image_fit, image_position)
    crop = crop_for(width, height, bucket, fit)
    notes = [*why, *prompt_notes(prompt, plan), *crop_notes(width, height, bucket, "picture", fit)]
    work = units_of(sized, info.layout, bucket, steps, cfg)
    terms = Terms(owner=caller.name, priority=priority, labels=labels)
    outlook = farm.outlook.of_new(unqueued(tasks_for(UNQUEUED, plan, info.decoding, work), terms, info.name))
    return PlanPreview.preview(plan, devices, crop, tokens, plan.order not in info.orders, picture, notes, outlook)


@router.get("/orders", summary="List orders")
def list_orders(farm: Farm) -> OrderList:
    """Orders in which the sections of a video can be rendered."""
    trained = {name: info.orders for name, info in _families(farm) if isinstance(info, FamilyInfo)}
    orders = [(order.name, order.summary) for order in ORDERS.values()]
    known = farm.plugins.orders
    orders += [(order.name, order.summary) for order in brought_orders() if order.name in known]
    orders.append(("fanout:k", "endpoints, then k anchors in each gap, 1 to 64"))
    auto = OrderView(name=AUTO, summary=SUMMARY, trained_for=list(trained))
    return OrderList(
        orders=[
            OrderView(name=name, summary=summary, trained_for=[f for f, names in trained.items() if name in names])
            for name, summary in orders
        ]
        + [auto]
    )


@router.get("/caches", summary="List step caches")
def list_caches(farm: Farm) -> CacheList:
    """Ways to skip work in steps whose result would hardly change; those of plug-ins too."""
    known = {*CACHES, *farm.plugins.caches}
    caches = [CacheView(name=name, summary=summary) for name, summary in all_caches().items() if name in known]
    return CacheList(caches=caches)


@router.get("/exporters", summary="List exporters")
def list_exporters(farm: Farm) -> ExporterList:
    """Output formats, and post-processors."""
    return ExporterList(
        exporters=[ExporterView.model_validate(exporter) for exporter in farm.plugins.exporters.values()],
        post_processors=[PostProcessorView.model_validate(each) for each in farm.plugins.post_processors.values()],
    )


@router.get("/plugins", summary="List plug-ins")
def list_plugins(farm: Farm) -> PluginList:
    """Loaded ones and disabled ones, the latter with the reason."""
    return PluginList(plugins=[PluginView.model_validate(plugin) for plugin in farm.plugins.plugins])


@router.post("/plugins/reload", summary="Look again at plug-ins")
def reload_plugins(farm: Farm) -> PluginList:
    """Of what was installed meanwhile, too, and of disabled ones; files in the folder `plugins` are seen by themselves.

    What runs goes on with what it has begun with.
    """
    return PluginList(plugins=[PluginView.model_validate(plugin) for plugin in farm.current_plugins.reload().plugins])


@router.get("/models", summary="List model families")
def list_models(farm: Farm) -> ModelList:
    return ModelList(
        models=[
            ModelView.of(info) if isinstance(info, FamilyInfo) else ModelView(name=name, error=str(info))
            for name, info in _families(farm)
        ]
    )


def _families(farm: FarmContext) -> list[tuple[str, FamilyInfo | FarmError]]:
    found: list[tuple[str, FamilyInfo | FarmError]] = []
    for name in FAMILIES:
        try:
            found.append((name, describe(name, farm.settings.model)))
        except FarmError as error:
            found.append((name, error))
    return found
