"""Sentences for stretches of walking: several phrasings of each, some never written.

`PHRASES` is keyed by what a stretch does. Kinds that are one action are keyed by that action's
words, so an evaluation can ask whether an unseen phrase does what the key does. Phrases of
`unseen` must never be written into a dataset.
"""

from __future__ import annotations

from worldsim.grammar_words import TO_THING
from worldsim.phrases import Phrases
from worldsim.world import key_combinations

# What somebody on foot can do, in every world, and by which keys.
ACTIONS = key_combinations(
    ("forward", "back"), ("turn left", "turn right"), ("strafe left", "strafe right")
)
WALK_KEYS = {
    "w": "forward",
    "up": "forward",
    "s": "back",
    "down": "back",
    "a": "turn left",
    "left": "turn left",
    "d": "turn right",
    "right": "turn right",
    "q": "strafe left",
    "e": "strafe right",
}

WALK_TO, TURN_AROUND, LOOK_AROUND = "walk to", "turn around", "look around"
EXPLORE, BUMP = "explore", "walk into the wall"

PHRASES: dict[str, Phrases] = {
    "stay": Phrases(
        ("stay", "stay here", "stand still", "wait", "wait here", "do not move", "stop", "rest"),
        ("stay still", "wait and do not move", "stand here"),
    ),
    "forward": Phrases(
        (
            "go forward",
            "walk forward",
            "move forward",
            "walk straight on",
            "go straight ahead",
            "walk ahead",
            "keep going forward",
            "go on",
        ),
        ("move straight ahead", "keep walking forward", "walk on ahead"),
    ),
    "back": Phrases(
        (
            "go back",
            "walk back",
            "move back",
            "walk backwards",
            "go backwards",
            "step back",
            "back up",
            "keep going back",
        ),
        ("move backwards", "step backwards", "keep walking backwards"),
    ),
    **{
        f"turn {side}": Phrases(
            (
                f"turn {side}",
                f"look {side}",
                f"turn to the {side}",
                f"look to the {side}",
                f"rotate {side}",
                f"face {side}",
                f"keep turning {side}",
                f"spin {side}",
            ),
            (f"rotate to the {side}", f"spin to the {side}", f"face to the {side}"),
        )
        for side in ("left", "right")
    },
    **{
        f"strafe {side}": Phrases(
            (
                f"strafe {side}",
                f"step {side}",
                f"sidestep {side}",
                f"move sideways to the {side}",
                f"slide {side}",
                f"step to the {side}",
                f"strafe to the {side}",
                f"keep stepping {side}",
            ),
            (f"slide to the {side}", f"sidestep to the {side}", f"slide sideways {side}"),
        )
        for side in ("left", "right")
    },
    **{
        f"forward turn {side}": Phrases(
            (
                f"go forward and turn {side}",
                f"walk in a curve to the {side}",
                f"walk forward turning {side}",
                f"curve {side}",
                f"bend to the {side}",
                f"go {side} while walking",
                f"walk and turn {side}",
                f"circle to the {side}",
            ),
            (f"walk forward and turn {side}", f"curve to the {side}", f"circle {side}"),
        )
        for side in ("left", "right")
    },
    TURN_AROUND: Phrases(
        (
            "turn around",
            "turn round",
            "look behind you",
            "make a half turn",
            "face the other way",
            "turn to face backwards",
            "spin around",
            "look the other way",
        ),
        ("turn the other way", "look behind", "face behind you"),
    ),
    LOOK_AROUND: Phrases(
        (
            "look around",
            "look round",
            "look about",
            "have a look around",
            "look in all directions",
            "see what is around",
            "scan the room",
            "look everywhere",
        ),
        ("have a look round", "scan around", "look around here"),
    ),
    EXPLORE: Phrases(
        (
            "explore",
            "walk around",
            "wander about",
            "explore this place",
            "see where this leads",
            "find a way",
            "keep exploring",
            "wander on",
        ),
        ("wander around", "explore on", "walk about"),
    ),
    BUMP: Phrases(
        (
            "walk into the wall",
            "run into the wall",
            "push against the wall",
            "bump into the wall",
            "walk against the wall",
            "go into the wall",
            "press against the wall",
            "walk on into the wall",
        ),
        ("push into the wall", "run against the wall", "go against the wall"),
    ),
    WALK_TO: TO_THING,
}
