import csv

from agents.progress import Progress, open_log


def read(folder):
    with (folder / "progress.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def write(folder, step, **values):
    log = open_log(folder)
    for name, value in values.items():
        log.record(name, value)
    log.dump(step)
    log.close()


def test_who_goes_on_adds_to_the_log_also_what_was_not_logged_before(tmp_path):
    write(tmp_path, 1, loss=1.5)
    write(tmp_path, 2, loss=2.5, found=3)
    write(tmp_path, 3, found=4)
    rows = read(tmp_path)
    assert [(row["loss"], row["found"]) for row in rows] == [("1.5", ""), ("2.5", "3"), ("", "4")]
    assert len(list(tmp_path.glob("events.out*"))) >= 1


def test_half_a_row_of_a_killed_run_is_left_out(tmp_path):
    path = tmp_path / "progress.csv"
    path.write_text("loss,found\n1,2\n3,")
    log = Progress(path)
    log.write({"loss": 5}, {"loss": ()}, 1)
    log.close()
    assert path.read_text() == "loss,found\n1,2\n5,\n"
    path.write_text("lo")
    log = Progress(path)
    log.write({"loss": 6}, {"loss": ()}, 1)
    log.close()
    assert path.read_text() == "loss\n6\n"
