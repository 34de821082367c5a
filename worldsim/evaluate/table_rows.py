"""The rows of the table of what was measured, and how a number is written in them.

A cell is a text with gaps such as ``{video/4/model/lpips:3}``: the way to a number within what was
measured of a world, and how to write it. A number with digits behind the point loses the zero
before it; ``%`` makes hundredths, ``%2`` with two digits, and ``?`` asks for a number without
writing it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GAP = re.compile(r"\{([^:}]+)(?::([^}]+))?\}")
UNKNOWN = "–"


@dataclass(frozen=True)
class Row:
    """What a row is about, its cells and what is aimed at.

    Attributes:
        title: Its gaps are filled from the first world that has the number.
        cells: Texts, of which a world has the first whose first gap it can fill.
        wanted: In words.
    """

    title: str
    cells: tuple[str, ...]
    wanted: str = ""

    def name(self, worlds: Mapping[str, Any]) -> str:
        """Return the title, for these worlds."""

        def fill(gap: re.Match[str]) -> str:
            values = [look_up(found, gap[1]) for found in worlds.values()]
            return str(next((value for value in values if value is not None), UNKNOWN))

        return GAP.sub(fill, self.title)

    def cell(self, found: Mapping[str, Any]) -> str:
        """Return what was measured of a world; "" where it was not."""
        for text in self.cells:
            gap = GAP.search(text)
            if gap is not None and look_up(found, gap[1]) is not None:
                return GAP.sub(lambda gap: number(look_up(found, gap[1]), gap[2]), text)
        return ""


def look_up(found: Mapping[str, Any], way: str) -> Any:
    """Follow keys with a stroke between them; None where one is missing."""
    value: Any = found
    for key in way.split("/"):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def number(value: Any, form: str | None) -> str:
    """Write a number with so many digits behind the point, as hundredths, or as it is."""
    if form == "?":
        return ""
    if value is None:
        return UNKNOWN
    if form is None:
        return str(value)
    if form.startswith("%"):
        return f"{100 * value:.{form[1:] or 0}f}"
    text = f"{value:z.{form}f}"
    return re.sub(r"^(-?)0\.", r"\1.", text)


def _horizon(steps: int) -> tuple[str, ...]:
    here = f"video/{steps}"
    model, still = f"{here}/model/lpips:3", f"{here}/repeat_last/lpips:3"
    return (f"{{{model}}} / {{{still}}} = {{{here}/lpips_ratio:2}}",)


def _quality(measure: str, group: str = "video") -> tuple[str, ...]:
    """Say a measure at four horizons, each of dream, last frame and shuffled actions."""
    four = (
        " / ".join(
            f"{{{group}/{n}/{who}/{measure}}}" for who in ("model", "repeat_last", "shuffled")
        )
        for n in (1, 4, 16, 32)
    )
    return ("; ".join(four),)


def _return(name: str) -> tuple[str, ...]:
    parts = ("model", "shuffled", "elsewhere")
    model, mixed, other = (f"{{memory/{name}/{part}:3}}" for part in parts)
    return (f"{model} ({mixed}; {other})", f"{{memory/{name}/why}}")


def _walk(kind: str) -> tuple[str, ...]:
    here = f"walks/{kind}"
    said, reworded, silent = (
        f"{{{here}/{name}/metres:2}}, {{{here}/{name}/degrees:1}}°"
        for name in ("said", "reworded", "silent")
    )
    return (f"{said} / {reworded} ({silent}); {{{here}/nearer:%}} %",)


AWAY = (
    "{memory/0.25/model:3} ({memory/0.25/elsewhere:3}); "
    "{memory/1.0/model:3} ({memory/1.0/elsewhere:3})"
)
PAIRS = "{reading/new_pairs/model:%} ({reading/new_pairs/blind:%}) %"
MOTION = "{reading/pose/model/metres:2} m, {reading/pose/model/degrees:1}° "
MOTION += "({reading/pose/blind/metres:2}, {reading/pose/blind/degrees:1})"
FVD = "{fvd_i3d/model:0} / {fvd_i3d/shuffled:0} / {fvd_i3d/repeat_last:0} / {fvd_i3d/codec:0}"
LOOKS = "{frechet_alexnet/model:3} / {frechet_alexnet/shuffled:3} / "
LOOKS += "{frechet_alexnet/repeat_last:3} / {frechet_alexnet/codec:3}"
SAID = "{sentences/seen:%} / {sentences/unseen:%} / {sentences/key:%} %"
TOLD = "{sentences/motion/seen/metres:2} m, {sentences/motion/seen/degrees:1}° / "
TOLD += "{sentences/motion/unseen/metres:2} m, {sentences/motion/unseen/degrees:1}° "
TOLD += "({sentences/motion/still/metres:2}, {sentences/motion/still/degrees:1})"
REST = "{rest/1:3}, {rest/4:3}, {rest/10:3} ({rest/elsewhere:3}; {rest/codec:3})"
LASTING = "{lasting/counted/during:%} / {lasting/counted/after:%} % "
LASTING += "({lasting/plain/during:%} / {lasting/plain/after:%} %)"
MOVED = "{reading/moved/seen:%} / {reading/moved/unseen:%} ({reading/moved/blind:%}) %"
IN_VAIN = "{reading/in_vain/seen:%} / {reading/in_vain/unseen:%} ({reading/in_vain/mistaken:%}) %"
CAPTION = "{reading/describe/precision:%} / {reading/describe/recall:%} "
CAPTION += "({reading/describe/blind/precision:%} / {reading/describe/blind/recall:%}) %"
EXACT = "{reading/describe/exact:%} ({reading/describe/blind/exact:%}) %"
IMAGINED = "{imagine/imagined:%} ({imagine/real:%}; {imagine/blind:%}) %"

ROWS = (
    Row("LPIPS at 4 steps: dream / repeat last frame", _horizon(4), "≤ 0.5"),
    Row("LPIPS at 1 step", _horizon(1)),
    Row("LPIPS at 16 steps", _horizon(16), "≤ 0.75"),
    Row("LPIPS at 32 steps", _horizon(32)),
    Row(
        "LPIPS at 1, 4, 16, 32 steps: dream / repeat last frame / another window's actions",
        _quality("lpips:3"),
    ),
    Row(
        "the same of known maps along new ways",
        _quality("lpips:3", "video_maps"),
    ),
    Row(
        "the same of maps kept aside",
        _quality("lpips:3", "video_heldout_maps"),
    ),
    Row("LPIPS of the real frame through the codec", ("{video/4/codec/lpips:3}",)),
    Row(
        "PSNR in dB at 1, 4, 16, 32 steps: dream / repeat last frame / another window's actions",
        _quality("psnr:0"),
    ),
    Row("SSIM: the same", _quality("ssim:2")),
    Row(
        "judge's accuracy, dreamed / real",
        ("{control/dreamed:2} / {control/real:2} = {control/ratio:2}",),
        "≥ .9",
    ),
    Row(
        "motion dreamed, error a step by a pose judge (standing still)",
        (
            "{motion/off/metres:2} m, {motion/off/degrees:1}° "
            "({motion/still/metres:2}, {motion/still/degrees:1})",
        ),
    ),
    Row("flow loss with shuffled / true actions", ("{shuffle_ratio:2}",), "≥ 1.3"),
    Row(
        "sentences obeyed, seen / unseen / the key itself, in {sentences/trials/seen}, "
        "{sentences/trials/unseen} and {sentences/trials/key} trials a world",
        (SAID,),
        "≥ 85 %",
    ),
    Row(
        "the same by a pose judge: how far a step is from the key's (standing still)",
        (TOLD,),
    ),
    Row(
        "told to do so for {lasting/steps} steps: steps in which it is done, of these / of as many "
        "after (no number said)",
        (LASTING,),
    ),
    Row(
        "told to walk to a thing, in seen / unseen words: metres nearer, degrees turned towards it "
        "(nothing said); dreams nearer than with nothing said",
        _walk("seen"),
    ),
    Row("the same of pairs of thing and colour never seen in training", _walk("unseen")),
    Row(
        "{drift/steps}-step dreams from {drift/starts} starts: frames in the real range (real "
        "frames)",
        ("{drift/inside:%} % ({drift/inside_real:%} %)",),
    ),
    Row(
        "the same where dreams begin again once little is left of what they saw; how often each",
        ("{drift/again/inside:%} %; {drift/again/begun:0}",),
    ),
    Row(
        "at rest, nobody acts: LPIPS to where it began after 1, 4 and 10 seconds (another place; "
        "through the codec)",
        (REST,),
    ),
    Row(
        "FVD (I3D, {fvd_i3d/videos} videos): dream / shuffled actions / repeat last frame / "
        "real through the codec",
        (FVD,),
    ),
    Row("Fréchet distance on AlexNet, {frechet_alexnet/frames} frames: the same", (LOOKS,)),
    Row(
        "LPIPS to the start, away for a quarter of a second and for a second, and back (another "
        "place)",
        (AWAY,),
    ),
    Row("the same, turned away for 2 seconds (history exchanged; another place)", _return("2.0")),
    Row("the same after a full circle (history exchanged; another place)", _return("circle")),
    Row(
        "the same after walking ahead for 2 seconds and back (history exchanged; another place)",
        _return("walk 2.0"),
    ),
    Row(
        "the real world's own: LPIPS between frames of one pose, seen again later",
        ("{memory/real/lpips:3}", "{memory/real/why}"),
    ),
    Row(
        "ends of episodes, F1 (who always says so); correlation of rewards",
        (
            "F1 {rewards/end/model:2} ({rewards/end/always:2}); {rewards/correlation:2}",
            "{rewards/steps:?}none ended; {rewards/correlation:2}",
        ),
    ),
    Row(
        "chance given to an end within 4 steps, where one came (where none did)",
        ("{rewards/end/chance:%2} ({rewards/end/otherwise:%2}) %",),
    ),
    Row(
        "actions named between frames (most frequent)",
        ("{reading/infer/model:%} ({reading/infer/blind:%}) %",),
        "≥ 90 %",
    ),
    Row(
        "the same where none is shown but those two (most frequent)",
        ("{reading/infer/pair:%} ({reading/infer/blind:%}) %",),
    ),
    Row(
        "questions answered, seen / unseen words (most frequent answer)",
        ("{reading/ask/seen:%} / {reading/ask/unseen:%} ({reading/ask/blind:%}) %",),
        "≥ 85 %",
    ),
    Row("the same of pairs of thing and colour never seen", (PAIRS,)),
    Row(
        "asked what just moved, seen / unseen words (most frequent answer)",
        (MOVED,),
    ),
    Row(
        '"none in sight" said of what is not there, seen / unseen words (of what is there)',
        (IN_VAIN,),
    ),
    Row(
        "captions: things named that are there / things there that are named (who always says the "
        "most frequent)",
        (CAPTION,),
    ),
    Row("captions exactly right (most frequent)", (EXACT,)),
    Row(
        "depth read, δ < 1.25; AbsRel (median picture)",
        (
            "{reading/depth/model/delta_1.25:2} ({reading/depth/blind/delta_1.25:2}); "
            "{reading/depth/model/abs_rel:2} ({reading/depth/blind/abs_rel:2})",
        ),
        "≥ .85",
    ),
    Row("motion read, error a step (standing still)", (MOTION,)),
    Row("imagined as said, by a judge (real pictures; most frequent)", (IMAGINED,)),
)
