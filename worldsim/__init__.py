"""worldsim: learned worlds you can drive.

Importing the package loads neither torch nor anything else that takes time; import what you need
from its modules, such as `worldsim.simulator` or `worldsim.data`. `worldsim.Model` is all that one
model can do; it is loaded when first named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worldsim.unified import Model

__all__ = ["Model"]


def __getattr__(name: str) -> Any:
    if name == "Model":
        from worldsim.unified import Model

        return Model
    raise AttributeError(f"module 'worldsim' has no attribute '{name}'")
