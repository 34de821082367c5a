"""The log of a run: `progress.csv` and TensorBoard, which a run that goes on goes on with."""

from __future__ import annotations

import os
from pathlib import Path

from stable_baselines3.common.logger import CSVOutputFormat, Logger, TensorBoardOutputFormat

TABLE = "progress.csv"


def open_log(folder: Path) -> Logger:
    """Return a log that writes into a run's folder, after what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    return Logger(str(folder), [Progress(folder / TABLE), TensorBoardOutputFormat(str(folder))])


class Progress(CSVOutputFormat):
    """A table that is added to; stable-baselines3's own begins empty whenever it is opened.

    Args:
        path: Of the table. A row cut short by a kill is left out.
    """

    def __init__(self, path: Path) -> None:
        path.touch()
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        head = whole.partition("\n")[0]
        self.keys = head.split(",") if head else []
        self.separator, self.quotechar = ",", '"'
        self.file = path.open("r+", newline="", encoding="utf-8")
        self.file.truncate(len(whole.encode()))
        self.file.seek(0, os.SEEK_END)
