from agents.navigate_table import table

ROW = {"ate": 1.0, "rpe": 0.1, "ate_steps": 7.0, "rpe_steps": 0.7, "end": 2.0}


def test_every_method_has_a_row_with_what_was_measured():
    walk = {"success": 0.5, "spl": 0.25, "collisions": 3.0}
    lines = table({"2 s": {"steps": 35, "cem": ROW | {"closed": walk}, "stay": ROW}}).splitlines()
    assert "| 2 s | cem | 1.00 (7.0) | 0.10 (0.7) | 2.00 | 50% | 0.25 | 3.0 |" in lines
    assert "| 2 s | stay | 1.00 (7.0) | 0.10 (0.7) | 2.00 |  |  |  |" in lines
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_the_table_says_which_way_counts_as_the_shortest():
    assert "shortest one known" in table({})
