"""Several datasets as one: what a model of many worlds learns from."""

from __future__ import annotations

from pathlib import Path

from worldsim.data.episode import Episode
from worldsim.data.reader import Dataset, EpisodeInfo, Steps
from worldsim.errors import WorldsimError
from worldsim.world import WorldSpec


class Collection:
    """The episodes of some datasets, one dataset after the other.

    A step is what one action does, however long it takes in the world: step rates may differ from
    world to world. Frames must have one size, and datasets of the same world the same actions,
    step rate and units.

    Args:
        paths: Folders, separated by commas.

    Attributes:
        datasets: The datasets, in the order named.
        image_size: Height and width of all frames in pixels.
        worlds: The worlds by name, as the first dataset of each has them.

    Raises:
        WorldsimError: A dataset is missing or damaged, or they do not go together.
    """

    def __init__(self, paths: str | Path) -> None:
        names = [name.strip() for name in str(paths).split(",")]
        self.datasets = [Dataset(name) for name in names if name]
        if not self.datasets:
            raise WorldsimError("no dataset is named: give one or more folders, with commas")
        first = self.datasets[0]
        self.image_size = first.image_size
        named: dict[str, Dataset] = {}
        for dataset in self.datasets:
            if dataset.image_size != first.image_size:
                raise WorldsimError(
                    f"{dataset.path} has {dataset.image_size} pixels, {first.path} has "
                    f"{first.image_size}: collect both with the same image_size"
                )
            known = named.setdefault(dataset.spec.name, dataset)
            known.spec.check_same(
                dataset.spec, str(known.path), str(dataset.path), "collect one of them again"
            )
        self.worlds = {name: dataset.spec for name, dataset in named.items()}
        self._places = [
            (dataset, index) for dataset in self.datasets for index in range(len(dataset))
        ]

    @property
    def episodes(self) -> list[EpisodeInfo]:
        """What is known of each episode; `index` is its number within its own dataset."""
        return [dataset.episodes[index] for dataset, index in self._places]

    @property
    def sentences(self) -> list[str]:
        """Everything that is said in the datasets and of their worlds, some of it twice."""
        tasks = [task for dataset in self.datasets for task in dataset.tasks]
        specs = self.worlds.values()
        words = [text for spec in specs for text in (*spec.actions, *spec.things)]
        return [*words, *tasks, *(spec.description for spec in specs)]

    def __len__(self) -> int:
        """Return the number of episodes."""
        return len(self._places)

    def load(self, index: int) -> Episode:
        """Read one episode completely; errors as `Dataset.load`."""
        dataset, own = self._places[index]
        return dataset.load(own)

    def load_steps(self, index: int) -> Steps:
        """Read what was done and said in an episode; errors as `Dataset.load_steps`."""
        dataset, own = self._places[index]
        return dataset.load_steps(own)

    def spec(self, index: int) -> WorldSpec:
        """Return the world of an episode."""
        return self._places[index][0].spec
