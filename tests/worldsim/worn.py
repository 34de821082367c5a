"""Dreams with nothing left of what they saw."""

from worldsim.surroundings import closed, opened


def wear_out(simulator, lanes):
    """Let some lanes' pictures be grey, and worn all over."""
    scene = simulator._rollout.scene
    wide = opened(scene.around.view, scene.around.values)
    wide[lanes, :-3], wide[lanes, -1] = 0.0, 5.0
    scene.around.view.copy_(closed(wide))
    scene.around.fine[lanes] = 0.0
    simulator._rollout.past[lanes] = 0.0
