"""``motion_bias``: which part of a clip moves more, without training.

A transformer reads time from RoPE alone: the time index of every latent frame. Multiplying all indices of a section,
its context's and its own, makes its clock run faster or slower: the model believes that more or less time lies between
two frames, and moves things farther or less far. The factor of a section depends on its place in the video only.
"""

FASTEST = 2.0
"""The factor at the favoured end of a clip with a bias of 1; its inverse holds at the other end."""


def time_step(bias: float, index: int, sections: int) -> float:
    """Factor on the time indices of section ``index`` of ``sections``, in viewer order; 1 without bias.

    Args:
        bias: -1 (motion at the beginning) to 1 (motion at the end).
        index: of the section.
        sections: in all; a single one has no beginning or end to favour.
    """
    place = (2 * index + 1) / sections - 1
    return float(FASTEST ** (bias * place))
