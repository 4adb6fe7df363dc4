import json
from pathlib import Path
from typing import Any

import pytest

from geotune.data.sources import mapping
from geotune.data.sources.labels import Labels, bare, labels_beside
from geotune.errors import GeotuneError


def table(folder: Path, content: Any, name: str = "") -> Labels:
    path = folder / (name or ("l.csv" if isinstance(content, str) else "l.json"))
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return Labels(path)


@pytest.mark.parametrize("header", ["IMG_ID,LAT,LON,owner", "img_file;latitude;longitude;owner", "id\tlat\tlng\towner"])
def test_csv_tables_of_the_field(tmp_path: Path, header: str) -> None:
    delimiter = next(mark for mark in ",;\t" if mark in header)
    rows = [header, *(delimiter.join(row) for row in (["a/1.jpg", "1.5", "-2", "me"], ["a/2.jpg", "3", "4", ""]))]
    found = table(tmp_path, "\ufeff" + "\n".join(rows))
    _, lat, lon, owner = header.split(delimiter)
    assert found.of("a/1.jpg") == {lat: 1.5, lon: -2, owner: "me"}
    assert found.of("a/2.jpg") is not None
    assert found.of("3.jpg") is None


def test_ids_match_with_and_without_folder_and_suffix(tmp_path: Path) -> None:
    found = table(tmp_path, "id,lat,lon\nx/1.jpg,1,1\n2,2,2\n007,7,7\ny/3.jpg,3,3\nz/3.jpg,4,4\nv1.5,5,5\n")

    def lat(identity: str) -> Any:
        row = found.of(identity)
        return row and row["lat"]

    assert [lat(key) for key in ("x/1.jpg", "1.jpg", "1", "other\\1.png", "2", "q/2.jpeg", "007", "7")] == [
        1, 1, 1, 1, 2, 2, 7, None
    ]  # fmt: skip
    assert [lat(key) for key in ("y/3.jpg", "z/3.jpg", "3.jpg", "3", "v1.5", "v1")] == [3, 4, None, None, 5, None]
    assert [bare(key) for key in ("a/b.jpg", "a\\b.JPEG", "b.cell", "", "b.")] == ["b", "b", "b.cell", "", "b."]


def test_the_first_of_two_rows_counts(tmp_path: Path) -> None:
    assert table(tmp_path, "id,lat,lon\na,1,1\na,2,2\n").of("a") == {"lat": 1, "lon": 1}


def test_mappings_in_json(tmp_path: Path) -> None:
    assert table(tmp_path, {"a": [7, 8, 9], "b": [1, 2, 3]}).of("b") == {
        "cell_coarse": 1, "cell_middle": 2, "cell_fine": 3
    }  # fmt: skip
    assert table(tmp_path, {"a": [52.5, 13]}).of("a.jpg") == {"latitude": 52.5, "longitude": 13}
    assert table(tmp_path, {"a": {"lat": 1, "gps": {"err": 2.5}, "tags": []}}).of("a") == {"lat": 1, "gps.err": 2.5}
    assert table(tmp_path, {"a": 4}).of("a") == {"cell_0": 4}
    assert table(tmp_path, {"a": [1, 2, 3, 4]}).of("a") == {f"cell_{i}": i + 1 for i in range(4)}


@pytest.mark.parametrize("chunk", [1, 2, 7, 100])
def test_json_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(mapping, "CHUNK_CHARS", chunk)
    monkeypatch.setattr(mapping, "PAIRS_AT_ONCE", 3)
    said = {f'ä{i}"}},': [i, i * 10, -i * 100] for i in range(20)}
    (tmp_path / "l.json").write_text(json.dumps(said, indent=chunk % 2, ensure_ascii=False), encoding="utf-8")
    found = Labels(tmp_path / "l.json")
    assert [found.of(key) for key in said] == [
        dict(zip(("cell_coarse", "cell_middle", "cell_fine"), cells, strict=True)) for cells in said.values()
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]", r"not a mapping of ids \(it begins with '\[1\]'\)"),
        ("{", "not a mapping of ids"),
        ("{}", "it is empty"),
        ('{"a": [1, 2, 3]', "not a mapping of ids"),
        ('{"a": "b"}', "'a' leads to 'b'"),
        ('{"a": [[1]]}', "'a' leads to"),
        ('{"a": []}', "'a' leads to"),
        ("{1: 2}", "not a mapping"),
        ('{"a": {"x": 1}, "b": {"x": "text"}}', "not a mapping"),
        ('{"a": ' + "[" * 100_000, "not a mapping"),
        ('{"a": "' + "x" * 2**21, "not a mapping"),
        ("\xff\xfe", "not a mapping"),
    ],
)
def test_what_is_no_mapping_is_said(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(GeotuneError, match=message) as caught:
        table(tmp_path, content, "l.json")
    assert '{"id": [lat, lon]}' in caught.value.hint


def test_what_is_no_table_is_said(tmp_path: Path) -> None:
    for content, message in (
        ("id,where\na,b\n", "no column for latitude and longitude; its columns are id, where"),
        ("lat,lon\n1,2\n", "no column for id"),
        ("", "its columns are none: the file is empty"),
        ("id,lat,lon\na,1\n", "not a table"),
    ):
        with pytest.raises(GeotuneError, match=message):
            table(tmp_path, content)
    (tmp_path / "l.csv").write_bytes(b"id,lat,lon\n\xff\xfe,1,2\n")
    with pytest.raises(GeotuneError, match=r"not a(?: table|.*UTF-8)|not text"):
        Labels(tmp_path / "l.csv")
    with pytest.raises(GeotuneError, match="cannot be read") as caught:
        Labels(tmp_path / "no.csv")
    assert "--labels FILE" in caught.value.hint


def test_tables_of_labels_are_told_from_others(tmp_path: Path) -> None:
    for name, content in {
        "labels.csv": "IMG_ID,LAT,LON\na,1,2\n",
        "cells.csv": "class_label,hex_id,imgs_per_cell,latitude_mean,longitude_mean\n0,4,2,1,1\n",
        "map.json": '{"a": [1, 2, 3]}',
        "dataset.json": '{"format": 1, "name": "x"}',
        "empty.json": "",
        "list.json": "[1]",
        "x.json": '{"name": "x"}',
        ".hidden.json": '{"a": [1, 2, 3]}',
        "notes.txt": "id,lat,lon",
    }.items():
        (tmp_path / name).write_text(content)
    assert labels_beside([tmp_path]) == [tmp_path / "labels.csv", tmp_path / "map.json"]
