"""Sentences for stretches of driving in a car; unseen ones are never written."""

from __future__ import annotations

from worldsim.phrases import Phrases
from worldsim.world import key_combinations

ACTIONS = key_combinations(("gas", "brake"), ("steer left", "steer right"))
DRIVE_KEYS = {
    "w": "gas",
    "up": "gas",
    "s": "brake",
    "down": "brake",
    "a": "steer left",
    "left": "steer left",
    "d": "steer right",
    "right": "steer right",
}
FOLLOW, LEAVE, RETURN = "follow the road", "leave the road", "back onto the road"

# What is said alike of every car. Leaving the road differs with what lies beside it.
_ALL: dict[str, Phrases] = {
    "stay": Phrases(
        (
            *("let it roll", "take the foot off", "roll on", "coast", "let go of everything"),
            *("do nothing", "touch nothing", "just coast"),
        ),
        ("let the car roll", "let go", "coast along"),
    ),
    "gas": Phrases(
        (
            *("step on the gas", "accelerate", "speed up", "go faster", "full throttle"),
            *("drive straight on", "drive forward", "give it gas"),
        ),
        ("hit the gas", "drive faster", "go straight on"),
    ),
    "brake": Phrases(
        (
            *("brake", "slow down", "hit the brakes", "step on the brake", "stop", "go slower"),
            *("stop the car", "use the brakes"),
        ),
        ("hit the brake", "drive slower", "step on the brakes"),
    ),
    **{
        f"steer {side}": Phrases(
            (
                *(f"steer {side}", f"turn {side}", f"steer to the {side}", f"turn to the {side}"),
                *(f"go {side}", f"turn the wheel to the {side}", f"bear {side}"),
                f"keep steering {side}",
            ),
            (f"turn the wheel {side}", f"bear to the {side}", f"go to the {side}"),
        )
        for side in ("left", "right")
    },
    **{
        f"gas steer {side}": Phrases(
            (
                *(f"accelerate and steer {side}", f"speed up and turn {side}"),
                *(f"gas and {side}", f"accelerate to the {side}", f"drive fast to the {side}"),
                *(f"drive in a curve to the {side}", f"give it gas and turn {side}"),
                f"go faster and {side}",
            ),
            (f"speed up and go {side}", f"gas and turn {side}", f"accelerate in a {side} curve"),
        )
        for side in ("left", "right")
    },
    **{
        f"brake steer {side}": Phrases(
            (
                *(f"brake and steer {side}", f"slow down and turn {side}", f"brake and go {side}"),
                *(f"turn {side} braking", f"brake to the {side}", f"slow down to the {side}"),
                *(f"steer {side} and slow down", f"brake in a curve to the {side}"),
            ),
            (f"brake and turn {side}", f"slow down and go {side}", f"turn {side} and brake"),
        )
        for side in ("left", "right")
    },
    FOLLOW: Phrases(
        (
            *("follow the road", "stay on the road", "drive along the road", "keep to the track"),
            *("follow the track", "drive on along the track", "race", "drive the lap"),
        ),
        ("stay on the track", "keep to the road", "drive along the track"),
    ),
    RETURN: Phrases(
        (
            *("go back to the road", "return to the track", "get back on the road"),
            *("drive back onto the track", "back to the track", "return to the road"),
            *("find the road", "find the track again"),
        ),
        ("drive back to the road", "get back on the track", "find the road again"),
    ),
}
CARRACING: dict[str, Phrases] = {
    **_ALL,
    LEAVE: Phrases(
        (
            *("leave the road", "drive onto the grass", "go off the road", "drive off the track"),
            *("cut across the grass", "leave the track", "go onto the grass"),
            "drive into the green",
        ),
        ("drive off the road", "drive across the grass", "go off the track"),
    ),
}
KART: dict[str, Phrases] = {
    **_ALL,
    LEAVE: Phrases(
        (
            *("leave the road", "go off the road", "drive off the track", "leave the track"),
            *("drive beside the road", "steer off the road", "drive past the edge"),
            "go past the edge of the road",
        ),
        ("drive off the road", "go off the track", "drive past the edge of the road"),
    ),
}
