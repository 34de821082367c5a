import numpy as np
import pytest

from worldsim.grammar import (
    Question,
    ask,
    ask_in_vain,
    ask_motion,
    describe,
    every_phrase,
    lasting,
    questions,
    questions_in_vain,
    side,
    words,
)
from worldsim.grammar_words import CAPTIONS, EMPTY, LASTING, QUESTIONS, WHERE

BOX = {"name": "box", "colour": "red", "bearing": 2, "distance": 1.2}
BALL = {"name": "ball", "colour": "blue", "bearing": 30, "distance": 3.6}
BARREL = {"name": "barrel", "colour": "", "bearing": -40, "distance": 7.0}
ROAD = {"on_road": True, "speed": 30.0, "bend": -45}
EVERY = {
    **QUESTIONS,
    "caption": CAPTIONS,
    "empty": EMPTY,
    "lasting": LASTING,
    **{f"at {k}": v for k, v in WHERE.items()},
}


def answers(*things, absent=()):
    return {(q.kind, q.thing): q.answer for q in questions({"things": things}, absent)}


@pytest.mark.parametrize("kind", EVERY)
def test_every_kind_has_eight_seen_and_three_unseen_phrasings_and_shares_none(kind):
    seen, unseen = EVERY[kind].seen, EVERY[kind].unseen
    assert len(set(seen)) >= 8 and len(set(unseen)) == 3 and not set(seen) & set(unseen)


def test_no_question_is_of_two_kinds():
    every = [p for phrases in QUESTIONS.values() for p in (*phrases.seen, *phrases.unseen)]
    assert len(set(every)) == len(every)


def test_unseen_phrasings_use_only_words_that_are_seen():
    seen = {word for phrases in EVERY.values() for p in phrases.seen for word in p.split()}
    for kind, phrases in EVERY.items():
        for phrase in phrases.unseen:
            assert set(phrase.split()) <= seen, (kind, phrase)


def test_answers_are_what_the_facts_say():
    found = answers(BOX, BALL, BARREL)
    assert found["ahead", ""] == "red box"
    assert (found["left", ""], found["right", ""]) == ("blue ball", "barrel")
    assert (found["where", "blue ball"], found["how far", "blue ball"]) == ("left", "4 metres")
    assert found["how far", "red box"] == "1 metre"
    assert found["colour", "box"] == "red" and ("colour", "barrel") not in found
    assert found["how many", ""] == "3"
    assert all(found["is there", thing] == "yes" for thing in ("red box", "blue ball", "barrel"))


def test_the_nearest_thing_of_a_side_is_the_answer():
    behind = BOX | {"colour": "green", "distance": 5.0}
    assert answers(BOX, behind)["ahead", ""] == "red box"


def test_what_is_there_twice_has_neither_one_place_nor_one_colour():
    found = answers(BOX, BOX | {"bearing": 40}, BALL | {"name": "box"})
    assert ("where", "red box") not in found and ("colour", "box") not in found
    assert found["is there", "red box"] == "yes"


def test_of_an_empty_place_one_can_ask_as_well():
    found = answers(absent=["red box"])
    assert {found["ahead", ""], found["left", ""], found["right", ""]} == {"nothing"}
    assert (found["how many", ""], found["is there", "red box"]) == ("0", "no")


def test_yes_and_no_are_as_frequent_and_nothing_in_sight_is_denied():
    found = answers(BOX, BALL, absent=["cone", "red box", "tree", "desk"])
    said = [answer for (kind, _), answer in found.items() if kind == "is there"]
    assert sorted(said) == ["no", "no", "yes", "yes"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"on road": "yes", "how fast": "fast", "road goes": "right"}),
        ({"bend": 60, "speed": 3.0}, {"how fast": "standing", "road goes": "left"}),
        ({"bend": 5, "speed": 80.0}, {"how fast": "very fast", "road goes": "straight on"}),
    ],
)
def test_a_road_can_be_asked_about(changes, expected):
    found = {q.kind: q.answer for q in questions(ROAD | changes, [])}
    assert found | expected == found


def test_off_the_road_nobody_asks_where_it_goes():
    assert "road goes" not in {q.kind for q in questions(ROAD | {"on_road": False}, [])}


def test_asking_draws_every_kind_and_says_the_thing():
    rng = np.random.default_rng(0)
    asked = [ask({"things": [BOX, BALL]}, ["cone"], rng) for _ in range(300)]
    assert {answer for _, answer in asked} >= {"red box", "yes", "no", "ahead", "2", "red"}
    assert not any("{" in question for question, _ in asked)
    seen = {p.split("{")[0] for phrases in QUESTIONS.values() for p in phrases.seen}
    assert all(any(question.startswith(s) for s in seen) for question, _ in asked)


def test_unseen_questions_are_asked_in_unseen_words_only():
    rng, unseen = np.random.default_rng(0), QUESTIONS["how many"].unseen
    said = {Question("how many", "", "0").words(rng, unseen=True) for _ in range(50)}
    assert said == set(unseen)


@pytest.mark.parametrize(("bearing", "expected"), [(14, "ahead"), (15, "left"), (-15, "right")])
def test_sides_are_left_ahead_and_right(bearing, expected):
    assert side(BOX | {"bearing": bearing}) == expected


def test_a_caption_names_the_three_nearest_things_and_where_they_are():
    rng = np.random.default_rng(0)
    things = [BOX, BALL, BARREL, BOX | {"colour": "grey"}]
    for _ in range(30):
        text = describe({"things": things}, rng)
        assert all(f"a {words(thing)} " in text for thing in things[:3]) and "grey" not in text
        assert "left" in text and "right" in text


def test_captions_of_an_empty_place_and_of_a_road():
    rng = np.random.default_rng(0)
    assert describe({"things": []}, rng) in EMPTY.seen
    assert describe({"things": []}, rng, unseen=True) in EMPTY.unseen
    assert "a fast car on the road, a bend to the right" in describe(ROAD, rng)
    assert "off the road" in describe(ROAD | {"on_road": False}, rng)


def test_where_how_far_and_of_which_colour_is_what_nobody_sees_is_none_in_sight():
    absent = ["red box", "green box", "blue cone", "tree", "barrel"]
    found = {(q.kind, q.thing): q.answer for q in questions_in_vain({"things": [BOX]}, absent)}
    assert set(found.values()) == {"none in sight"}
    missing = ["green box", "blue cone", "tree", "barrel"]  # a box of another colour is not this
    assert {t for kind, t in found if kind == "where"} == set(missing)
    assert {t for kind, t in found if kind == "how far"} == set(missing)
    assert {t for kind, t in found if kind == "colour"} == {"cone"}  # there is a box, in red


def test_what_is_in_sight_is_not_asked_after_in_vain_nor_is_a_road():
    rng = np.random.default_rng(0)
    assert ask_in_vain({"things": [BOX]}, ["red box"], rng) is None
    assert ask_in_vain(ROAD, ["red box"], rng) is ask_in_vain({}, ["red box"], rng) is None


@pytest.mark.parametrize("unseen", [False, True])
def test_asking_in_vain_and_what_was_done_is_in_the_phrasings_there_are(unseen):
    rng = np.random.default_rng(0)
    for _ in range(40):
        question, answer = ask_in_vain({"things": []}, ["red box"], rng, unseen)
        kinds = [QUESTIONS[kind] for kind in ("where", "how far", "colour")]
        every = [p for said in kinds for p in (said.unseen if unseen else said.seen)]
        assert question in [p.format(thing="red box", name="box") for p in every]
        question, done = ask_motion((0.15, 0.0, 5.0), rng, unseen)
        assert question in (QUESTIONS["moved"].unseen if unseen else QUESTIONS["moved"].seen)
        assert (answer, done) == ("none in sight", "moved forward, turned left")


def test_the_tokenizer_learns_from_answers_about_motion_and_about_nothing():
    assert {"none in sight", "stood still", "moved back, turned left"} <= set(every_phrase())


def test_where_nothing_is_known_nothing_is_said():
    rng = np.random.default_rng(0)
    assert ask({}, [], rng) is None and describe({}, rng) is None


def test_a_sentence_says_for_how_many_steps_it_holds():
    rng = np.random.default_rng(0)
    said = {lasting("turn left", 12, rng) for _ in range(200)}
    assert len(said) == 8 and "turn left for 12 steps" in said
    assert all("turn left" in text and "12" in text for text in said)
    assert not said & {lasting("turn left", 12, rng, unseen=True) for _ in range(50)}
