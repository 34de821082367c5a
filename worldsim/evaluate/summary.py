"""The numbers people ask for first, as text."""

from __future__ import annotations

from typing import Any

from worldsim.evaluate.index import GROUPS


def summary(result: dict[str, Any], world: str) -> str:
    """Return the numbers people ask for first, one a line."""
    found = result["worlds"][world]
    lines = []
    for group in GROUPS:
        for horizon, row in found.get(group, {}).items():
            if horizon != "windows":
                model, still = row["model"]["lpips"], row["repeat_last"]["lpips"]
                lines.append(
                    f"{group} +{horizon}: LPIPS {model:.3f}, repeat-last {still:.3f}, "
                    f"ratio {row['lpips_ratio']:.2f}, codec {row['codec']['lpips']:.3f}"
                )
    if "fvd_i3d" in found:
        row = found["fvd_i3d"]
        lines.append(
            f"FVD (I3D, {row['videos']} videos of {row['frames']} frames): {row['model']:.1f}, "
            f"shuffled {row['shuffled']:.1f}, repeat-last {row['repeat_last']:.1f}, "
            f"codec {row['codec']:.1f}"
        )
    if "frechet_alexnet" in found:
        row = found["frechet_alexnet"]
        lines.append(
            f"Fréchet distance (AlexNet, {row['frames']} frames): {row['model']:.4f}, "
            f"shuffled {row['shuffled']:.4f}, repeat-last {row['repeat_last']:.4f}, "
            f"codec {row['codec']:.4f}"
        )
    if "control" in found:
        row = found["control"]
        lines.append(
            f"control: judge {row['dreamed']:.3f} on dreamed, {row['real']:.3f} on real frames, "
            f"ratio {row['ratio']:.2f}"
        )
    if "motion" in found:
        row = found["motion"]
        lines.append(
            f"motion: {row['off']['metres']:.3f} m, {row['off']['degrees']:.2f} degrees a step off "
            f"(still {row['still']['metres']:.3f}, {row['still']['degrees']:.2f}); of the real one "
            + ", ".join(f"{name} {gain:.2f}" for name, gain in row["gain"].items())
        )
    if "shuffle_ratio" in found:
        lines.append(f"loss with shuffled actions: {found['shuffle_ratio']:.2f} x")
    if "sentences" in found:
        row = found["sentences"]
        kinds = [k for k in ("seen", "unseen", "key") if row.get(k) is not None]
        lines.append("sentences: " + ", ".join(f"{kind} {row[kind]:.3f}" for kind in kinds))
    if found.get("lasting"):
        row = found["lasting"]
        lines.append(
            f"told to do so for {row['steps']} steps: done in {row['counted']['during']:.3f} of "
            f"them, {row['counted']['after']:.3f} of those after (no number said "
            f"{row['plain']['during']:.3f}, {row['plain']['after']:.3f})"
        )
    for kind, row in found.get("walks", {}).items():
        if row["count"]:
            said, silent = row["said"]["metres"], row["silent"]["metres"]
            lines.append(
                f"walks to things of {kind} pairs: {said:+.2f} m nearer (nothing said "
                f"{silent:+.2f}), nearer than that in {row['nearer']:.2f} of {row['count']}"
            )
    if "drift" in found:
        row = found["drift"]
        lines.append(
            f"drift: {row['inside']:.3f} of frames inside the real range "
            f"(real frames: {row['inside_real']:.3f}) over {row['steps']} steps; "
            f"{row['again']['inside']:.3f} where dreams begin again, {row['again']['begun']:.0f} "
            "times each"
        )
    if "rest" in found:
        row = found["rest"]
        lines.append(
            f"at rest: LPIPS to the start {row['1']:.3f}, {row['4']:.3f} and {row['10']:.3f} after "
            f"1, 4 and 10 s (another place {row['elsewhere']:.3f}, codec {row['codec']:.3f})"
        )
    lines += _returned(found.get("memory", {}))
    if "rewards" in found:
        row = found["rewards"]
        known = row["correlation"] is not None
        paid = f"correlation {row['correlation']:.3f}" if known else "never varied"
        ends = f"F1 {row['end']['model']:.3f} of {row['ends']}" if row["end"] else row["why"]
        lines.append(f"rewards: {paid}; ends: {ends}")
    lines += _read(found.get("reading", {}))
    if "imagine" in found:
        row = found["imagine"]
        lines.append(
            f"imagine: a judge sees what was said in {row['imagined']:.3f} of the pictures "
            f"(real ones {row['real']:.3f}, blind {row['blind']:.3f}, {row['gists']} kinds)"
        )
    return "\n".join(lines)


def _returned(found: dict[str, Any]) -> list[str]:
    """Return what is left of a place after going away, and how like itself the real one is."""
    lines = []
    for name, row in found.items():
        away = "after a full circle" if name == "circle" else f"{name} s away and back"
        if name == "real":
            line = "frames of one pose in the real world: "
            line += row["why"] or f"LPIPS {row['lpips']:.3f} ({row['pairs']} pairs)"
        elif "why" in row:
            line = f"{away}: {row['why']}"
        else:
            line = (
                f"{away}: LPIPS to the start {row['model']:.3f} (history exchanged "
                f"{row['shuffled']:.3f}, another place {row['elsewhere']:.3f}, "
                f"codec {row['codec']:.3f})"
            )
        lines.append(f"memory, {line}")
    return lines


def _read(found: dict[str, Any]) -> list[str]:
    """Return what the model says of frames, beside one who never looks."""
    lines = []
    if "infer" in found:
        row = found["infer"]
        alone = f"of two frames alone {row['pair']:.3f}, " if "pair" in row else ""
        lines.append(f"infer: {row['model']:.3f} of the actions ({alone}blind {row['blind']:.3f})")
    if "ask" in found:
        row = found["ask"]
        lines.append(
            f"ask: {row['seen']:.3f} of the answers, {row['unseen']:.3f} in unseen words "
            f"(blind {row['blind']:.3f})"
        )
    if "new_pairs" in found:
        row = found["new_pairs"]
        lines.append(
            f"ask after things of pairs never seen: {row['model']:.3f} of the answers "
            f"(blind {row['blind']:.3f})"
        )
    if "in_vain" in found:
        row = found["in_vain"]
        lines.append(
            f"ask after what is not in sight: none in sight {row['seen']:.3f}, {row['unseen']:.3f} "
            f"in unseen words (of what is there {row['mistaken']:.3f})"
        )
    if "moved" in found:
        row = found["moved"]
        lines.append(
            f"what just moved: {row['seen']:.3f} of the answers, {row['unseen']:.3f} in unseen "
            f"words (blind {row['blind']:.3f})"
        )
    if "describe" in found:
        row = found["describe"]
        names = [name for name in ("precision", "recall", "exact") if name in row]
        parts = [f"{name} {row[name]:.3f} (blind {row['blind'][name]:.3f})" for name in names]
        lines.append(f"describe: {', '.join(parts)}")
    for name in ("depth", "pose"):
        if name in found:
            model, blind = found[name]["model"], found[name]["blind"]
            parts = [f"{key} {model[key]:.3f} (blind {blind[key]:.3f})" for key in model]
            lines.append(f"{name}: " + ", ".join(parts))
    return lines
