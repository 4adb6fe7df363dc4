from geotune.data.words import counted


def test_one_is_no_plural() -> None:
    assert [counted(n, "photo") for n in (0, 1, 2864)] == ["0 photos", "1 photo", "2,864 photos"]
