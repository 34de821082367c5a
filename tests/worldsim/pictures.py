"""Pictures with something in them, and a codec that loses nothing."""

import torch

from worldsim.codec import PatchCodec


def pictures(num=2, size=32, seed=0):
    """Smooth random pictures in [-1, 1], (num, 3, size, size)."""
    coarse = torch.randn(num, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic").tanh()


def whole_codec():
    """All components kept, fitted to pictures."""
    codec = PatchCodec(image_size=32, fold=8, keep=192, whiten=0.5, retouch=0)
    codec.fit(pictures(200, seed=1))
    return codec
