"""What a video is made with; of a film, what its shots have in common, and what each has of its own."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import looks
from model.cache_kinds import short_cache
from model.plan.listed import short_name

Facts = dict[str, str]


def show(detail: Mapping[str, Any]) -> None:
    """On the Job page. Of a film the prompts stand with its shots, see ``own``."""
    job, plan = detail["job"], detail["plan"]
    request = job["request"]
    if not detail["shots"]:
        st.markdown(looks.plain(request["prompt"]))
    made = common(requests_of(detail))
    if "cache" in made:
        made["cache"] = _cache(made["cache"], detail["rendered"])
    whole = {"exporter": request["exporter"], "priority": str(request["priority"]), "owner": request["owner"]}
    looks.facts({**made, **_length(plan), **whole})


def requests_of(detail: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those of a film's shots, of which no presets are known, else the job's own."""
    request = detail["job"]["request"]
    return [{**request, **shot["request"], "preset": ""} for shot in detail["shots"]] or [request]


def common(requests: Sequence[Mapping[str, Any]]) -> Facts:
    """What all of these are made with."""
    first, *others = map(_facts, requests)
    return {name: value for name, value in first.items() if all(other[name] == value for other in others)}


def own(requests: Sequence[Mapping[str, Any]]) -> list[Facts]:
    """What each of these is made with and not all are."""
    shared = common(requests)
    return [{name: value for name, value in _facts(each).items() if name not in shared} for each in requests]


def _facts(request: Mapping[str, Any]) -> Facts:
    return {
        "model": request["model_type"],
        "preset": request["preset"],
        "order": short_name(request["order"]),
        "seed": str(request["seed"]),
        "steps": str(request["steps"]),
        "distilled CFG": f"{request['gs']:g}",
        "CFG": f"{request['cfg']:g}" if request["cfg"] > 1 else "",
        "cache": short_cache(request["cache"]),
        "sampler": request["sampler"],
        "quality gate": _gate(request),
    }


def _gate(request: Mapping[str, Any]) -> str:
    """What becomes of sections outside their limits; empty where they are not judged."""
    gate = request["quality_gate"]
    return f"{gate}, {request['retakes']} other takes" if gate == "retake" else gate.replace("off", "")


def _cache(name: str, rendered: Sequence[Mapping[str, Any]]) -> str:
    """The step cache, and how many of the steps so far it let through."""
    steps = sum(section["steps"] * len(section["steps_computed"]) for section in rendered)
    computed = sum(sum(section["steps_computed"].values()) for section in rendered)
    return f"{name}, {computed} of {steps} steps computed" if name != "none" and steps else name


def _length(plan: Mapping[str, Any] | None) -> Facts:
    if plan is None:
        return {}
    return {
        "length": f"{plan['seconds']:.2f} s ({plan['requested_seconds']:g} s asked for)",
        "frames": f"{plan['frames']} at {plan['fps']} fps",
        "sections": f"{plan['sections']}, chain of {plan['depth']}",
    }
