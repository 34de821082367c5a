"""Episodes on disk, in the LeRobotDataset v3 layout; numpy only, no torch."""

from worldsim.data.collection import Collection
from worldsim.data.episode import Episode
from worldsim.data.reader import Dataset, EpisodeInfo
from worldsim.data.writer import DatasetWriter

__all__ = ["Collection", "Dataset", "DatasetWriter", "Episode", "EpisodeInfo"]
