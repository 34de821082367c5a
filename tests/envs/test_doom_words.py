import numpy as np

from envs.doom import DOOM
from envs.doom_words import PHRASES, WALK_TO, say


def test_every_kind_has_eight_seen_and_three_unseen_phrasings():
    for kind, phrases in PHRASES.items():
        assert len(set(phrases.seen)) >= 8, kind
        assert len(set(phrases.unseen)) == 3, kind


def test_no_phrase_means_two_things_and_no_unseen_phrase_is_ever_seen():
    every = [p for phrases in PHRASES.values() for p in (*phrases.seen, *phrases.unseen)]
    assert len(every) == len(set(every))


def test_phrases_are_short_and_lower_case():
    for phrases in PHRASES.values():
        for phrase in (*phrases.seen, *phrases.unseen):
            assert phrase == phrase.lower() and len(phrase.split()) <= 8


def test_unseen_phrases_use_only_words_that_are_seen():
    words = {word for phrases in PHRASES.values() for p in phrases.seen for word in p.split()}
    for phrases in PHRASES.values():
        for phrase in phrases.unseen:
            assert set(phrase.split()) <= words, phrase


def test_every_elementary_action_has_phrases():
    assert {"stay", *DOOM.elements} <= set(PHRASES)


def test_only_seen_phrases_are_said_and_things_are_named():
    rng = np.random.default_rng(0)
    for kind, phrases in PHRASES.items():
        said = {say(kind, rng, "green torch") for _ in range(200)}
        assert said == {p.format(thing="green torch") for p in phrases.seen}
    assert all("green torch" in p.format(thing="green torch") for p in PHRASES[WALK_TO].seen)
