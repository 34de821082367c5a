"""Which keys are held, kept from key events. Knows no window and no world.

Held keys come from events rather than from polling the keyboard, so that they can be tested, sent
from elsewhere and cleared when the window loses focus (a key released outside is never reported).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from worldsim.world import OPPOSITES, WorldSpec


class HeldKeys:
    """The keys held now, read by the thread that steps the world.

    A key tapped between two steps still counts for one step: otherwise a slow world would ignore
    short presses.
    """

    def __init__(self, keys: Mapping[str, str] | None = None) -> None:
        """Take `WorldSpec.keys` (key name to elementary word); None until `bind`."""
        self._lock = threading.Lock()
        self._keys = dict(keys or {})
        self._bound = keys is not None
        self._held: set[str] = set()
        self._tapped: set[str] = set()

    def bind(self, keys: Mapping[str, str]) -> None:
        """Use the keys of a world that has just been opened; its keys held already count."""
        with self._lock:
            self._keys, self._bound = dict(keys), True
            self._held &= set(keys)
            self._tapped.clear()

    def press(self, key: str) -> bool:
        """Note that a key went down; False when the key means nothing in this world."""
        with self._lock:
            if key in self._keys or not self._bound:
                self._held.add(key)
                self._tapped.add(key)
            return key in self._keys

    def release(self, key: str) -> None:
        """Note that a key went up; harmless for a key that was not held."""
        with self._lock:
            self._held.discard(key)

    def clear(self) -> None:
        """Let go of every key: the window lost its focus or a text line opened."""
        with self._lock:
            self._held.clear()
            self._tapped.clear()

    @property
    def held(self) -> frozenset[str]:
        """Names of the keys held now."""
        with self._lock:
            return frozenset(self._held)

    @property
    def words(self) -> frozenset[str]:
        """Elementary words of the keys held now."""
        with self._lock:
            return frozenset(self._keys[key] for key in self._held if key in self._keys)

    def take(self, spec: WorldSpec) -> int:
        """Return the action for the coming step: held keys and those tapped since the last."""
        with self._lock:
            held = {self._keys[key] for key in self._held if key in self._keys}
            taps = {self._keys[key] for key in self._tapped if key in self._keys}
            self._tapped.clear()
        # A tap must not cancel what is still held: the held key is the newer wish.
        return spec.combine(held | {word for word in taps if OPPOSITES.get(word) not in held})
