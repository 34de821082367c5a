import numpy as np
import pytest
import torch

from tests.worldsim.data.episodes import SPEC, make_episode
from worldsim.data import Dataset, DatasetWriter
from worldsim.errors import WorldsimError
from worldsim.evaluate.imagining import CaptionJudge, find_shown, gist, measure_imagining
from worldsim.metrics import LPIPS

SIZE = 32
COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220), "green": (30, 200, 30)}


def box(colour, distance=1.0):
    return {"name": "box", "colour": colour, "bearing": 0, "distance": distance}


def paint(colour, rng):
    noise = rng.integers(-20, 20, (SIZE, SIZE, 3))
    return (np.array(COLOURS[colour]) + noise).clip(0, 255).astype(np.uint8)


def make_dataset(path, seed, **changes):
    """Every episode shows a box of one colour, which fills the picture."""
    rng = np.random.default_rng(seed)
    with DatasetWriter(path, SPEC, SIZE) as writer:
        for number in range(9):
            colour = list(COLOURS)[number % 3]
            facts = [{"things": [box(colour)]}] * 49
            episode = make_episode(48, seed * 100 + number, **({"facts": facts} | changes))
            episode.frames[:] = paint(colour, rng)
            writer.append(episode)
    return Dataset(path)


class Painter:
    """Paints the colour it is told, or always the same."""

    num_envs, image_size = 4, SIZE

    def __init__(self, always=""):
        self.always, self.rng = always, np.random.default_rng(9)

    def imagine(self, prompts, seeds):
        assert len(prompts) == len(seeds) == self.num_envs
        said = [self.always or next(c for c in COLOURS if c in p) for p in prompts]
        return torch.from_numpy(np.stack([paint(colour, self.rng) for colour in said]))


@pytest.fixture(scope="module")
def lpips():
    try:
        return LPIPS.load()
    except WorldsimError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imagining")
    return make_dataset(folder / "learnt", 1), make_dataset(folder / "heldout", 2)


def test_the_gist_is_the_nearest_thing_or_where_the_road_goes():
    near, far = box("red"), box("blue", 9.0)
    assert gist({"things": [far, near]}) == ("red box", {"things": [near]})
    assert gist({"things": []}) == ("nothing", {"things": []})
    assert gist({"things": [far]}) is None and gist({}) is None
    car = {"on_road": True, "speed": 3.0, "bend": 40}
    assert gist(car) == ("road: left", car)
    assert gist(car | {"on_road": False})[0] == "off the road"


def test_who_draws_what_is_said_is_seen_to_and_who_draws_the_same_is_not(datasets, lpips):
    learnt, heldout = datasets
    right = measure_imagining(Painter(), learnt, heldout, lpips, 10)
    assert right["imagined"] > 0.9 and right["real"] > 0.9
    assert (right["gists"], right["count"]) == (3, 10)
    same = measure_imagining(Painter("red"), learnt, heldout, lpips, 10)
    assert same["imagined"] <= same["blind"] == 0.4


def test_every_sentence_says_what_its_frame_shows(datasets):
    shown = find_shown(datasets[0], SIZE, 0)
    assert len(shown) > 30
    assert all(one.gist in one.prompt and one.frame.shape == (SIZE, SIZE, 3) for one in shown)


def test_data_that_does_not_know_what_it_shows_is_left_out(tmp_path, datasets, lpips):
    silent = make_dataset(tmp_path / "silent", 3, facts=None)
    assert find_shown(silent, SIZE, 0) == []
    assert measure_imagining(Painter(), datasets[0], silent, lpips, 10) is None
    assert measure_imagining(Painter(), silent, datasets[1], lpips, 10) is None


def test_the_judge_counts_every_gist_the_same_however_rare(datasets, lpips):
    shown = find_shown(datasets[0], SIZE, 0)
    rare = [one for one in shown if one.gist == "red box"][:2]
    judge = CaptionJudge(lpips, [one for one in shown if one.gist != "red box"] + rare)
    frames = np.stack([one.frame for one in find_shown(datasets[1], SIZE, 1)])
    assert set(judge.name(frames)) == {"red box", "blue box", "green box"}
