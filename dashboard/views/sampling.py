"""The part of the Submit page that says how sections are denoised: sampler, noise levels, step cache."""

from collections.abc import Callable

import streamlit as st

from dashboard import farm_access
from dashboard.ranges import ends
from model.cache_kinds import short_cache
from model.choices import CACHES, SAMPLERS

FIELDS = (
    "sampler", "shift", "sigma_exponent", "cache", "teacache_rel_l1_thresh", "magcache_threshold",
    "magcache_max_consecutive_skips", "magcache_retention_ratio", "magcache_ratios", "first_block_threshold",
    "taylor_interval",
)  # fmt: skip
"""Fields of a request that are set here; each widget's key is ``draft_`` and the field's name."""


_HIGHER = "Higher skips more: faster, with less detail in hands and faces."


def _caches() -> list[str]:
    """Those of the farm, and the one that the draft means."""
    names = [cache["name"] for cache in farm_access.caches()]
    meant = str(st.session_state["draft_cache"])
    return names if meant in names else [*names, meant]


def show() -> None:
    """The widgets. The values are in the session's state already."""
    first, second = st.columns(2)
    first.selectbox("Sampler", list(SAMPLERS), key="draft_sampler", help=_listed(SAMPLERS))
    second.selectbox("Step cache", _caches(), key="draft_cache", format_func=short_cache, help=_listed(CACHES))
    knobs = _KNOBS.get(st.session_state["draft_cache"])
    if knobs is not None:
        knobs()
    first, second = st.columns(2)
    first.number_input(
        "Shift",
        *ends("shift"),
        step=0.5,
        format="%g",
        key="draft_shift",
        placeholder="by resolution",
        help="Above 1 spends more steps at high noise, where layout and motion are decided. Empty: what FramePack "
        "computes from the resolution, 7 from 640 on.",
    )
    second.slider(
        "Schedule exponent",
        *ends("sigma_exponent"),
        step=0.05,
        key="draft_sigma_exponent",
        help="1 is what models are trained with. Above, more steps at both ends: for layout and for fine detail.",
    )


def _tea() -> None:
    st.slider(
        "TeaCache threshold",
        *ends("teacache_rel_l1_thresh"),
        step=0.01,
        key="draft_teacache_rel_l1_thresh",
        help=_HIGHER,
    )


def _mag() -> None:
    first, second, third = st.columns(3)
    first.slider(
        "MagCache threshold",
        *ends("magcache_threshold"),
        step=0.001,
        format="%.3f",
        key="draft_magcache_threshold",
        help=_HIGHER,
    )
    second.slider("Skips in a row", *ends("magcache_max_consecutive_skips"), key="draft_magcache_max_consecutive_skips")
    third.slider(
        "Kept at the start",
        *ends("magcache_retention_ratio"),
        step=0.05,
        key="draft_magcache_retention_ratio",
        help="Share of the steps.",
    )
    count = len(st.session_state["draft_magcache_ratios"])
    st.caption(
        f"With a calibration of {count} steps."
        if count
        else "Uses the model's calibration; for a model without one choose a preset that brings it."
    )


def _first_block() -> None:
    st.slider(
        "FirstBlockCache threshold",
        *ends("first_block_threshold"),
        step=0.001,
        format="%.3f",
        key="draft_first_block_threshold",
        help=_HIGHER,
    )


def _taylor() -> None:
    st.slider("Steps per computed one", *ends("taylor_interval"), key="draft_taylor_interval", help=_HIGHER)


_KNOBS: dict[str, Callable[[], None]] = {"tea": _tea, "mag": _mag, "first_block": _first_block, "taylor": _taylor}


def _listed(known: dict[str, str]) -> str:
    return "\n".join(f"- **{name}**: {text}" for name, text in known.items())
