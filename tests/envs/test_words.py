import numpy as np
import pytest

from envs import drive_words, walk_words
from envs.worlds import world_spec

WORDS = {
    "doom": walk_words.PHRASES,
    "rooms": walk_words.PHRASES,
    "carracing": drive_words.CARRACING,
    "kart": drive_words.KART,
}
worlds = pytest.mark.parametrize("world", WORDS)


@worlds
def test_every_kind_has_eight_seen_and_three_unseen_phrasings(world):
    for kind, phrases in WORDS[world].items():
        assert len(set(phrases.seen)) >= 8, kind
        assert len(set(phrases.unseen)) == 3, kind


@worlds
def test_no_phrase_means_two_things_and_no_unseen_phrase_is_ever_seen(world):
    every = [p for phrases in WORDS[world].values() for p in (*phrases.seen, *phrases.unseen)]
    assert len(every) == len(set(every))


@worlds
def test_phrases_are_short_and_lower_case(world):
    for phrases in WORDS[world].values():
        for phrase in (*phrases.seen, *phrases.unseen):
            assert phrase == phrase.lower() and len(phrase.split()) <= 8


@worlds
def test_unseen_phrases_use_only_words_that_are_seen(world):
    words = {word for phrases in WORDS[world].values() for p in phrases.seen for word in p.split()}
    for phrases in WORDS[world].values():
        for phrase in phrases.unseen:
            assert set(phrase.split()) <= words, phrase


@worlds
def test_every_elementary_action_has_phrases_in_the_worlds_description(world):
    spec = world_spec(world)
    assert {"stay", *spec.elements} <= set(spec.phrases)
    assert spec.phrases["stay"]["seen"] == list(WORDS[world]["stay"].seen)


@worlds
def test_only_seen_phrases_are_said_and_things_are_named(world):
    rng = np.random.default_rng(0)
    for phrases in WORDS[world].values():
        said = {phrases.say(rng, thing="green torch") for _ in range(200)}
        assert said == {p.format(thing="green torch") for p in phrases.seen}


def test_a_walk_to_a_thing_names_it():
    seen = walk_words.PHRASES[walk_words.WALK_TO].seen
    assert all("green torch" in phrase.format(thing="green torch") for phrase in seen)
