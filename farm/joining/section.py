"""A section of the bundled model, rendered on one CPU thread: equal bits on two machines are one class of devices."""

import hashlib
import sys


def section_digest() -> str:
    """Hex digest of its latents.

    Raises:
        FarmError: it can't be rendered here.
    """
    from model.families import load
    from model.family import SamplingParams
    from model.plan import make_plan
    from model.puppet.quality import held_out_puppet, start_image

    puppet = held_out_puppet(0)
    renderer = load("puppet", "cpu")
    plan = make_plan(layout=renderer.info.layout, order="vanilla", seconds=1, seed=1, prompt=puppet.prompt)
    conditioning = renderer.encode(start_image(puppet), (puppet.prompt,), "")
    known = {0: conditioning["start_latent"][:, 0]}
    made = renderer.denoise(plan.sections[0], known, conditioning, SamplingParams(steps=4), lambda done, steps: None)
    return hashlib.sha256(made.numpy().tobytes()).hexdigest()


if __name__ == "__main__":
    sys.stdout.write(section_digest())
