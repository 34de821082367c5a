import pytest

from agents.gap import compare
from agents.play import Played


def lived(steps, ended, pays=1.0):
    return Played(0, [pays] * steps, ended, [0] * steps, [])


def test_who_lives_on_in_the_dream_and_dies_outside_is_found_out_though_every_step_pays_the_same():
    found = compare([lived(20, True), lived(40, True)], [lived(100, False)])
    assert found == {"steps": 100, "real": 30.0, "dream": 100.0}


def test_who_lives_as_long_in_both_worlds_is_as_good_in_both_though_dreams_are_cut_off():
    found = compare([lived(1000, False), lived(900, True)], [lived(100, False)] * 3)
    assert found == {"steps": 100, "real": 100.0, "dream": 100.0}


def test_long_steps_are_not_taken_for_short_ones():
    found = compare([lived(1000, False)], [lived(25, False, pays=4.0)], skip=4)
    assert found == {"steps": 100, "real": 100.0, "dream": 100.0}


def test_a_dream_longer_than_the_real_world_s_limit_counts_up_to_there_alone():
    found = compare([lived(50, False)], [lived(100, False), lived(10, True)], skip=2)
    assert found == {"steps": 50, "real": 50.0, "dream": pytest.approx((25 + 10) / 2)}


def test_where_no_clock_cut_anything_off_everything_counts():
    found = compare([lived(7, True)], [lived(3, True)], skip=2)
    assert found == {"steps": 8, "real": 7.0, "dream": 3.0}
