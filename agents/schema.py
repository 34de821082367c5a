"""Whether the numbers of actions mean in a model what they mean in the world that is acted in."""

from __future__ import annotations

from worldsim.world import WorldSpec


def check_schema(known: WorldSpec, world: WorldSpec) -> None:
    """Refuse a model under whose numbers something else would be done in the world.

    Its steps may be longer or shorter: both are compared in those of the simulator.

    Args:
        known: What the model knows of the world.
        world: The world that is acted in.

    Raises:
        WorldsimError: They are different worlds, or have other actions, rates or units.
    """
    remedy = "give the checkpoint= of a model that was trained on this world as it is now"
    known.in_own_steps().check_same(
        world.in_own_steps(), "the model", "the world it acts in", remedy
    )
