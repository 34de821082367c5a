"""The ways in which frames are described and asked about; unseen ones are for evaluation only."""

from __future__ import annotations

from worldsim.phrases import Phrases

# Kinds of questions. {thing} is "red box" and such, {name} is "box".
QUESTIONS: dict[str, Phrases] = {
    "ahead": Phrases(
        (
            *("what is ahead", "what is in front of you", "what do you see ahead"),
            *("what is straight ahead", "what stands in front", "what is before you"),
            *("what is in the middle", "what do you see in front"),
        ),
        ("what stands ahead", "what do you see before you", "what is straight in front"),
    ),
    **{
        side: Phrases(
            (
                *(f"what is on the {side}", f"what is to the {side}", f"what is on your {side}"),
                *(f"what do you see on the {side}", f"what stands on the {side}"),
                *(f"what is at the {side}", f"what do you see to the {side}"),
                f"what is to your {side}",
            ),
            (
                f"what stands to the {side}",
                f"what do you see on your {side}",
                f"what stands at your {side}",
            ),
        )
        for side in ("left", "right")
    },
    "is there": Phrases(
        (
            *("is there a {thing}", "do you see a {thing}", "can you see a {thing}"),
            *("is a {thing} in sight", "is a {thing} in view", "is there a {thing} in sight"),
            *("do you see the {thing}", "is there a {thing} here"),
        ),
        ("can you see the {thing}", "is there a {thing} in view", "do you see a {thing} here"),
    ),
    "where": Phrases(
        (
            *(
                "where is the {thing}",
                "on which side is the {thing}",
                "where do you see the {thing}",
            ),
            *("where does the {thing} stand", "which way is the {thing}", "where is a {thing}"),
            *("in which direction is the {thing}", "where can you see the {thing}"),
        ),
        (
            "on which side do you see the {thing}",
            "which way does the {thing} stand",
            "in which direction do you see the {thing}",
        ),
    ),
    "how far": Phrases(
        (
            *("how far is the {thing}", "how far away is the {thing}", "how near is the {thing}"),
            *("how close is the {thing}", "how many metres is the {thing} away"),
            *("what is the distance to the {thing}", "how many metres are there to the {thing}"),
            "how far is it to the {thing}",
        ),
        (
            "how many metres is it to the {thing}",
            "how far away do you see the {thing}",
            "how near do you see the {thing}",
        ),
    ),
    "colour": Phrases(
        (
            *("what colour is the {name}", "which colour is the {name}"),
            *("what colour has the {name}", "of which colour is the {name}"),
            *("what is the colour of the {name}", "which colour has the {name}"),
            *("what colour do you see on the {name}", "of what colour is the {name}"),
        ),
        (
            "which is the colour of the {name}",
            "which colour do you see on the {name}",
            "of which colour do you see the {name}",
        ),
    ),
    "how many": Phrases(
        (
            *("how many things do you see", "how many things are there", "count the things"),
            *("how many things are in sight", "how many things can you see"),
            *("how many things are in view", "count what you see", "how many things are here"),
        ),
        (
            "count the things in sight",
            "count the things you see",
            "how many things are there in view",
        ),
    ),
    "on road": Phrases(
        (
            *("are you on the road", "is the car on the road", "do you drive on the road"),
            *("is the road under the car", "are the wheels on the road", "is there road below"),
            *("are you still on the road", "is the car still on the road"),
        ),
        (
            "do the wheels drive on the road",
            "are the wheels still on the road",
            "is the road below the car",
        ),
    ),
    "road goes": Phrases(
        (
            *("where does the road go", "which way does the road go", "where does the road bend"),
            *(
                "which way does the road turn",
                "where does the road lead",
                "how does the road go on",
            ),
            *("where does the road turn", "which way is the next bend"),
        ),
        (
            "which way does the road bend",
            "which way does the road lead",
            "where is the next bend",
        ),
    ),
    "how fast": Phrases(
        (
            *("how fast are you", "how fast is the car", "how fast do you drive"),
            *("what is the speed", "how fast do you go", "what speed has the car"),
            *("what is your speed", "how fast does the car go"),
        ),
        ("what is the speed of the car", "how fast does the car drive", "what is the speed you go"),
    ),
    "moved": Phrases(
        (
            *("what did you just do", "what have you just done", "how did you move"),
            *("how did you just move", "what just happened", "what did the camera just do"),
            *("how has the camera moved", "which way did you go"),
        ),
        ("how did the camera move", "what has the camera just done", "which way did you just move"),
    ),
}
# Frames around {what}, which is put together from what is in sight.
CAPTIONS = Phrases(
    (
        *("{what}", "there is {what}", "you see {what}", "in view is {what}"),
        *("one sees {what}", "the picture shows {what}", "in sight is {what}", "here is {what}"),
    ),
    ("the picture has {what}", "in the picture is {what}", "here you see {what}"),
)
NOTHING = "nothing"
ABSENT = "none in sight"  # where, how far or of which colour is what nobody sees
EMPTY = Phrases(
    (
        *("nothing but walls", "an empty place", "only walls", "nothing in sight"),
        *("no things in sight", "bare walls", "nothing to see", "only walls and floor"),
    ),
    ("nothing but walls and floor", "no things to see", "an empty place and bare walls"),
)
WHERE = {
    "ahead": Phrases(
        ("ahead", "straight ahead", "in front", "before you", "in the middle", "in front of you",
         "right in front", "right ahead"),
        ("straight in front", "right before you", "in the middle ahead"),
    ),
    **{
        side: Phrases(
            (
                *(f"on the {side}", f"to the {side}", f"at the {side}", f"on your {side}"),
                *(f"to your {side}", f"at your {side}", f"off to the {side}"),
                f"on the {side} side",
            ),
            (f"on your {side} side", f"off to your {side}", f"at the {side} side"),
        )
        for side in ("left", "right")
    },
}  # fmt: skip
# How long {what} goes on, in steps; it is said of whatever a sentence tells to do.
LASTING = Phrases(
    (
        *("{what} for {k} steps", "for {k} steps {what}", "{what} for the next {k} steps"),
        *("the next {k} steps {what}", "{what}, {k} steps", "{k} steps: {what}"),
        *("for the next {k} steps {what}", "{what}, for {k} steps"),
    ),
    ("{what}, the next {k} steps", "for {k} steps: {what}", "{what} the next {k} steps"),
)
# What somebody on foot is told to do with a thing in sight; {thing} is "red box" and such.
TO_THING = Phrases(
    (
        "walk to the {thing}",
        "go to the {thing}",
        "move to the {thing}",
        "find the {thing}",
        "approach the {thing}",
        "walk up to the {thing}",
        "go up to the {thing}",
        "head for the {thing}",
    ),
    ("head to the {thing}", "move up to the {thing}", "go and find the {thing}"),
)
