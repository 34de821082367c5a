"""`worldsim infer`, `pose`, `act` and `depth`, as one types them."""

import numpy as np
import pytest
from PIL import Image

from tests.worldsim.tiny import make_checkpoint, without_marks
from worldsim.cli import main
from worldsim.depth import SCALE, _drawing
from worldsim.reader import Reader
from worldsim.text import DEPTHS

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
# What is typed after the verb, given pictures; the fewest pictures that it takes.
VERBS = {
    "infer": ([], 2),
    "pose": ([], 2),
    "act": (["instruction=walk to the green torch"], 1),
    "depth": (["out=depth.png"], 1),
}
EVERY = pytest.mark.parametrize("verb", VERBS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("moves") / "model"
    make_checkpoint().save(path)
    return str(path)


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["a.png", "b, 'c' [1].png", "d-2=e.png"]  # `d=e.png` would be a key and its value
    for name, picture in zip(names, PIXELS, strict=True):
        Image.fromarray(picture).save(name)
    return names


@pytest.fixture
def typed(folder, capsys):
    """Run a verb on pictures; return its status and what it printed."""

    def run(verb, pictures, *more, checkpoint=folder):
        arguments = [*pictures, *VERBS[verb][0], f"checkpoint={checkpoint}", *more]
        status = main([verb, *arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def test_infer_names_the_action_between_each_two_pictures(typed, paths, folder):
    named = Reader.from_pretrained(folder).infer_action(PIXELS[:-1], PIXELS[1:], "doom")
    lines = [f"{a} -> {b}: {n}" for a, b, n in zip(paths[:-1], paths[1:], named, strict=True)]
    assert typed("infer", paths) == (0, "\n".join(lines) + "\n", "")


@pytest.mark.parametrize("verb", ["infer", "act"])
def test_what_was_done_between_two_pictures_is_asked_with_the_others_around_them(
    typed, paths, monkeypatch, verb
):
    seen = []

    def infer_action(reader, befores, afters, world, earlier, later):
        seen.extend(zip(befores, afters, earlier, later, strict=True))
        return ["stay"] * len(befores)

    monkeypatch.setattr(Reader, "infer_action", infer_action)
    assert typed(verb, paths)[0] == 0 and len(seen) == 2
    for at, (before, after, earlier, later) in enumerate(seen):
        assert np.array_equal([before, after], PIXELS[at : at + 2])
        for got, wanted in (earlier, PIXELS[:at]), (later, PIXELS[at + 2 :]):
            assert len(got) == len(wanted) and all(map(np.array_equal, got, wanted))


@pytest.mark.parametrize(
    ("motion", "says"),
    [
        ((0.12, -0.05, 5.0), "ahead +0.12 m, left -0.05 m, turn +5° to the left"),
        (None, "no motion could be read"),
    ],
)
def test_pose_says_the_motion_in_metres_and_degrees(typed, paths, monkeypatch, motion, says):
    seen = []

    def pose(reader, befores, afters):
        seen.extend((befores, afters))
        return [motion] * len(befores)

    monkeypatch.setattr(Reader, "pose", pose)
    status, out, _ = typed("pose", paths)
    assert status == 0 and out.splitlines()[1] == f"{paths[1]} -> {paths[2]}: {says}"
    assert np.array_equal(seen[0], PIXELS[:-1]) and np.array_equal(seen[1], PIXELS[1:])


@pytest.mark.parametrize("actions", [None, ["turn left", "stay"]])
def test_act_says_the_next_action_and_reads_off_those_that_it_is_not_told(
    typed, paths, folder, actions
):
    reader = Reader.from_pretrained(folder)
    done = actions or reader.infer_action(PIXELS[:-1], PIXELS[1:], "doom")
    wanted = reader.act("walk to the green torch", PIXELS, done, "doom")
    told = [f"actions=[{','.join(actions)}]"] if actions else []
    assert typed("act", paths, *told) == (0, wanted + "\n", "")


def test_depth_writes_metres_or_a_drawing_and_says_the_range(typed, paths, folder):
    metres = Reader.from_pretrained(folder).depth(PIXELS[:1])[0]
    status, out, _ = typed("depth", paths[:1], "out=a.npy")
    assert status == 0 and np.array_equal(np.load("a.npy"), metres)
    assert f"nearest {metres.min():.1f} m" in out and f"farthest {metres.max():.1f} m" in out
    assert typed("depth", paths[:1], "out=a.PNG")[0] == 0
    grey = np.asarray(Image.open("a.PNG"))[::SCALE, ::SCALE].astype(int)
    assert grey.shape == metres.shape
    order = np.argsort(metres.flatten(), kind="stable")
    assert (np.diff(grey.flatten()[order]) <= 0).all()


def test_near_is_bright_and_far_is_dark():
    drawn = np.asarray(_drawing(np.array([[DEPTHS[0], DEPTHS[12], DEPTHS[-1]]], np.float32)))
    assert drawn[0, ::SCALE].tolist() == [255, 122, 0]


@EVERY
def test_a_missing_file_is_one_line(typed, paths, verb):
    status, out, err = typed(verb, ["nowhere.png"] * VERBS[verb][1])
    assert (status, out) == (1, "") and err.count("\n") == 1
    assert "nowhere.png cannot be read" in err and "name a PNG or JPEG file" in err


@EVERY
def test_a_checkpoint_that_never_learnt_to_answer_says_so(typed, paths, verb, tmp_path):
    old = make_checkpoint()
    old.tokenizer = without_marks(old.tokenizer)
    old.save(tmp_path / "old")
    status, _, err = typed(verb, paths[: VERBS[verb][1]], checkpoint=tmp_path / "old")
    assert status == 1 and "trained before frames could be asked" in err


@EVERY
def test_without_a_picture_it_says_which_key_is_missing(typed, verb):
    status, _, err = typed(verb, [])
    assert status == 2 and ("images= is required" in err or "image= is required" in err)


@pytest.mark.parametrize("verb", ["infer", "pose"])
def test_what_is_between_pictures_takes_two(typed, paths, verb):
    status, _, err = typed(verb, paths[:1])
    assert status == 1 and "name 2 pictures or more" in err


@pytest.mark.parametrize("verb", ["infer", "pose", "act"])
def test_frames_of_different_sizes_are_refused(typed, paths, verb):
    Image.new("RGB", (40, 32)).save("wide.png")
    status, _, err = typed(verb, [paths[0], "wide.png"])
    assert status == 1 and "wide.png has 40×32 pixels, a.png has 32×32" in err


@pytest.mark.parametrize(
    ("verb", "more", "says"),
    [
        ("infer", "world=moon", "knows no world 'moon': use one of doom"),
        ("act", "world=moon", "knows no world 'moon': use one of doom"),
        ("act", "instruction=", "the sentence is empty"),
        ("act", "actions=[stay,stay]", "2 pictures have 1 actions"),
        ("act", "actions=[fly]", "unknown action 'fly'"),
        ("depth", "out=depth.txt", "ends with .png or .npy"),
        ("depth", "out=/nowhere/a.png", "out=/nowhere/a.png cannot be written"),
    ],
)
def test_what_makes_no_sense_is_one_line(typed, paths, verb, more, says):
    status, out, err = typed(verb, paths[: 1 if verb == "depth" else 2], more)
    assert (status, out) == (1, "") and says in err and err.count("\n") == 1
