"""Which kernels a machine's owner chose for transformers (docs/transformer.md). No torch.

Results depend on them, so whatever is not PyTorch's own choice is part of the device class.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from farm.errors import InputError, unknown_name

ATTENTION = "FARM_ATTENTION"
COMPILE = "FARM_COMPILE"
MATMUL = "FARM_MATMUL"
CPU_CLASS = "FARM_CPU_CLASS"
NATIVE = "native"
AUTO = "auto"

BACKENDS = {
    NATIVE: "native",
    "math": "_native_math",
    "cudnn": "_native_cudnn",
    "flash": "flash",
    "flash-hub": "flash_hub",
    "flash3": "_flash_3",
    "flash3-hub": "_flash_3_hub",
    "flash4-hub": "flash_4_hub",
    "sage": "sage",
    "sage-hub": "sage_hub",
    "xformers": "xformers",
}
"""Our names of diffusers' backends. Those with ``-hub`` download a kernel; ``sage`` computes in 8 bits."""


@dataclass(frozen=True)
class Kernels:
    """What was chosen.

    Attributes:
        attention: ``FARM_ATTENTION``, a key of ``BACKENDS``, or ``auto`` for the fastest exact one that runs.
        compiled: ``FARM_COMPILE``, whether blocks are compiled.
        fp8: ``FARM_MATMUL``, whether layers multiply 8-bit floats.
        cpu_class: ``FARM_CPU_CLASS``, a name for the bits of a processor that gives others than the head's.
    """

    attention: str = AUTO
    compiled: bool = False
    fp8: bool = False
    cpu_class: str = ""

    @classmethod
    def of(cls, values: Mapping[str, str]) -> "Kernels":
        """Read the variables named above; an empty one counts as unset.

        Raises:
            InputError: a value has no meaning.
        """
        attention = _said(values, ATTENTION) or AUTO
        if attention not in (AUTO, *BACKENDS):
            raise unknown_name(f"attention backend in {ATTENTION}", attention, [AUTO, *BACKENDS])
        return cls(
            attention,
            _one_of(values, COMPILE, ("0", "1")) == "1",
            _one_of(values, MATMUL, ("bf16", "fp8")) == "fp8",
            values.get(CPU_CLASS, "").strip(),
        )


def _said(values: Mapping[str, str], name: str) -> str:
    return values.get(name, "").strip().lower()


def _one_of(values: Mapping[str, str], name: str, known: tuple[str, str]) -> str:
    """What ``name`` says, the first of ``known`` where it says nothing; InputError for anything else."""
    value = _said(values, name) or known[0]
    if value not in known:
        raise InputError(f"{name} is {value!r}; expected {' or '.join(known)}.")
    return value
