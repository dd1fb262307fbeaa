"""Whether a picture still shows who and what the start image shows, as the family's own image encoder sees both."""

import torch
from torch.nn.functional import cosine_similarity


def identity(seen: torch.Tensor, start: torch.Tensor) -> float:
    """Cosine, from -1 to 1, of two pictures' embeddings [patches, dim], each averaged over its patches.

    It is no number where the embeddings hold such values.
    """
    one, other = (patches.double().mean(dim=0) for patches in (seen, start))
    return round(cosine_similarity(one, other, dim=0).item(), 6)
