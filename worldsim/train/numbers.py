"""Questions as numbers: what each asks for when looking is learnt, until words ask the same."""

from __future__ import annotations

import json
from typing import NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from worldsim.errors import WorldsimError
from worldsim.train.run import RunFolder

DID = ("did", "")  # which action led here: kind and thing of a question
FILE = "numbers-{}.safetensors"  # of a run's folder


class Numbers(NamedTuple):
    """What questions ask for.

    Attributes:
        weight: ``(n, D)``, a row for each.
        of: The number of a question, by kind and thing.
    """

    weight: Tensor
    of: dict[tuple[str, str], int]

    def save(self, run: RunFolder, steps: int) -> None:
        """Keep them in the folder of a run, beside what so many updates have learnt."""
        path = run.path / FILE.format(steps)
        partial = path.with_suffix(".tmp")
        names = json.dumps(sorted(self.of, key=lambda one: self.of[one]))
        save_file({"asked": self.weight.cpu().contiguous()}, partial, metadata={"of": names})
        partial.replace(path)

    @classmethod
    def load(cls, run: RunFolder, steps: int) -> Numbers:
        """Return what was kept.

        Raises:
            WorldsimError: It is missing or damaged.
        """
        path = run.path / FILE.format(steps)
        try:
            with safe_open(path, "pt") as kept:
                names = [
                    (str(kind), str(thing)) for kind, thing in json.loads(kept.metadata()["of"])
                ]
                weight = kept.get_tensor("asked")
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise WorldsimError(
                f"{path} is missing or damaged: delete glance-{steps}.safetensors beside it to let "
                "both be learnt anew"
            ) from error
        return cls(weight, {name: k for k, name in enumerate(names)})
