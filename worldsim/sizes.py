"""Which sizes of a network fit together."""

from __future__ import annotations

from typing import Any


def check_sizes(sizes: Any) -> None:
    """Refuse sizes with which nothing can be built.

    Args:
        sizes: The config of a `WorldTransformer`.

    Raises:
        ValueError: They do not fit together.
    """
    width, stem_width, glance_width = sizes.width, sizes.stem_width, sizes.glance_width
    latent_size, patch = sizes.latent_size, sizes.patch
    if width % 64 or latent_size % patch or stem_width % 8 or glance_width % 8:
        given = f"{width=} {latent_size=} {patch=} {stem_width=} {glance_width=}"
        raise ValueError(f"{given} do not fit together")
    cell, painter_width, momentum_width = sizes.cell, sizes.painter_width, sizes.momentum_width
    deed_width, gait_width = sizes.deed_width, sizes.gait_width
    if gait_width and not momentum_width:
        raise ValueError(f"{gait_width=} {momentum_width=}: it is a part of that")
    if deed_width and (deed_width % 8 or cell == 1 or not glance_width):
        wants = "it wants a glance, a linear codec and 8, 16, …"
        raise ValueError(f"{deed_width=} {glance_width=} {cell=}: {wants}")
    for name, channels, fit in ("beyond", sizes.beyond_width, 8), ("momentum", momentum_width, 32):
        if channels and (cell == 1 or not painter_width or channels % fit):
            wants = f"it wants a painter, a linear codec and {fit}, {2 * fit}, …"
            raise ValueError(f"{name}_width={channels} {painter_width=} {cell=}: {wants}")
