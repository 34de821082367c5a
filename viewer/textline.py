"""The line a sentence is typed into. Knows letters, no keyboard and no window."""

from __future__ import annotations

MAX_LETTERS = 200


class TextLine:
    """A one-line editor with a memory of what was said."""

    def __init__(self) -> None:
        """Begin closed and empty."""
        self.is_open = False
        self.text = ""
        self._said: list[str] = []
        self._recalled = 0

    def open(self) -> None:
        """Begin to type."""
        self.is_open, self.text, self._recalled = True, "", 0

    def cancel(self) -> None:
        """Close without saying anything."""
        self.is_open, self.text = False, ""

    def insert(self, letters: str) -> None:
        """Add typed letters; what goes beyond `MAX_LETTERS` is dropped."""
        printable = "".join(letter for letter in letters if letter.isprintable())
        self.text = (self.text + printable)[:MAX_LETTERS]

    def backspace(self) -> None:
        """Remove the last letter."""
        self.text = self.text[:-1]

    def recall(self, steps: int) -> None:
        """Show what was said earlier (1) or later (-1)."""
        self._recalled = min(max(0, self._recalled + steps), len(self._said))
        self.text = self._said[-self._recalled] if self._recalled else ""

    def submit(self) -> str:
        """Close and return the sentence, without spaces around it; may be empty."""
        sentence = self.text.strip()
        if sentence and sentence not in self._said[-1:]:
            self._said.append(sentence)
        self.cancel()
        return sentence
