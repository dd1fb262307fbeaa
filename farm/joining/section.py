"""A section of the bundled model, rendered on one CPU thread: equal bits on two machines are one class of devices, and
the time that it takes says how fast a core is before any work was measured there."""

import hashlib
import sys
import time
from dataclasses import dataclass

from farm.files import written_aside
from farm.settings import Settings

STEPS = 4
TIMES = 2
"""The first time torch is still warming up."""


@dataclass(frozen=True)
class Calibration:
    """``digest``: hex, of the section's latents; ``speed``: units a second of one core."""

    digest: str
    speed: float


def calibrate(settings: Settings) -> Calibration:
    """Render it, and keep the speed where this machine's replicas find it.

    Raises:
        FarmError: it can't be rendered here, or the home can't be written.
    """
    from model.families import load
    from model.family import SamplingParams
    from model.plan import make_plan
    from model.puppet.quality import held_out_puppet, start_image

    puppet = held_out_puppet(0)
    renderer = load("puppet", settings.model)
    plan = make_plan(layout=renderer.info.layout, order="vanilla", seconds=1, seed=1, prompt=puppet.prompt)
    conditioning = renderer.encode(start_image(puppet), (puppet.prompt,), "")
    known = {0: conditioning["start_latent"][:, 0]}
    params, seconds = SamplingParams(steps=STEPS), []
    for _ in range(TIMES):
        began = time.perf_counter()
        made = renderer.denoise(plan.sections[0], known, conditioning, params, lambda done, steps: None)
        seconds.append(time.perf_counter() - began)
    work = plan.layout.tokens(*made.shape[-2:]) * STEPS * renderer.info.token_seconds
    found = Calibration(hashlib.sha256(made.numpy().tobytes()).hexdigest(), float(f"{work / min(seconds):.3g}"))
    with written_aside(settings.speed_path) as aside:
        aside.write_text(f"{found.speed}\n")
    return found


if __name__ == "__main__":
    sys.stdout.write(calibrate(Settings.from_environment().ensure_home()).digest)
