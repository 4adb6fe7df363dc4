import functools
import http.server
import itertools
import json
import multiprocessing
import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from geotune.data.cache.entries import cache_root, describe, entries, hold, remove
from geotune.data.dataset import Dataset, open_dataset
from geotune.data.remote import download, remote
from geotune.data.remote.copies import Copy
from geotune.data.remote.remote import local, url_of
from geotune.errors import GeotuneError


class Handler(http.server.SimpleHTTPRequestHandler):
    """A plain web server that can list folders or not, knows ranges or not, breaks off, and counts what is asked."""

    def do_GET(self) -> None:
        server: Any = self.server
        server.asked[self.path] += 1
        path = Path(self.translate_path(self.path))
        if server.status or (path.is_dir() and not server.lists):
            self.send_error(server.status or 403)
        elif not path.is_file():
            super().do_GET()
        else:
            data, start = path.read_bytes(), 0
            given = self.headers.get("Range")
            if given and server.ranges:
                start, end = (int(part) for part in given.removeprefix("bytes=").split("-"))
                server.ranged.append(start)
                data = data[start : end + 1]
            self.send_response(206 if given and server.ranges else 200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if server.cut and path.suffix == ".msg":
                server.cut -= 1
                data = data[: len(data) // 2]
                self.close_connection = True
            if path.suffix == ".msg":
                server.meanwhile()
            self.wfile.write(data)

    def do_HEAD(self) -> None:
        server: Any = self.server
        server.heads[self.path] += 1
        if server.status:
            self.send_error(server.status)
        else:
            super().do_HEAD()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Any]:
    """A web server of `tmp_path / "made"`'s parent; `site.url`."""
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path)))
    server.asked, server.heads, server.ranged = Counter(), Counter(), []
    server.lists, server.ranges, server.cut, server.status = False, True, 0, 0
    server.meanwhile = lambda: None
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a new process, that waits little."""
    monkeypatch.setattr(remote, "_checked", set())
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.01)


def photos(dataset: Dataset, split: str = "train") -> list[bytes]:
    found = dataset.split(split)
    return [found.photo(i) for i in range(len(found))]


def shards_of(dataset: Dataset) -> list[str]:
    return sorted(p.relative_to(dataset.folder).as_posix() for p in dataset.folder.rglob("*.msg"))


# ------------------------------------------------------------------------------------------ datasets


def test_a_dataset_on_the_web_is_opened_and_its_shards_come_as_they_are_read(dataset: Dataset, site: Any) -> None:
    there = open_dataset(f"{site.url}/made/")
    assert (there.name, there.fingerprint, there.source) == ("made", dataset.fingerprint, f"{site.url}/made")
    train = there.split("train")
    assert list(train.ids) == list(dataset.split("train").ids)
    assert shards_of(there) == []
    assert train.photo(9) == dataset.split("train").photo(9)
    assert shards_of(there) == ["train/shard_2.msg"]
    for name in there.counts:
        assert photos(there, name) == photos(dataset, name)
    again = open_dataset(f"{site.url}/made")
    assert photos(again) == photos(dataset)
    assert {path: n for path, n in site.asked.items() if n > 1} == {"/made/dataset.json": 2}


def test_all_shards_can_be_brought_at_once(dataset: Dataset, site: Any) -> None:
    there = open_dataset(f"{site.url}/made")
    told: list[tuple[int, int]] = []
    there.fetch(lambda done, of: told.append((done, of)))
    assert told == [(n, 9) for n in range(1, 10)]
    assert len(shards_of(there)) == 9
    site.status = 500
    assert photos(there) == photos(dataset)
    dataset.fetch()  # a local one has all


def test_a_path_that_swallowed_a_slash_and_a_copys_folder_open_too(dataset: Dataset, site: Any) -> None:
    there = open_dataset(Path(f"{site.url}/made"))
    again = open_dataset(there.folder)
    assert again.source == there.source
    assert photos(again, "test") == photos(dataset, "test")


def test_a_dataset_in_an_object_store(dataset: Dataset) -> None:
    store = fsspec.filesystem("memory")
    store.put(str(dataset.folder), "/bucket/some/made", recursive=True)
    there = open_dataset("memory://bucket/some/made")
    assert photos(there, "valid") == photos(dataset, "valid")
    assert there.folder.name == "made"
    store.rm("/bucket", recursive=True)


def test_a_local_url_is_read_where_it_lies(dataset: Dataset) -> None:
    assert open_dataset(f"file://{dataset.folder}").folder == dataset.folder


def test_a_copy_in_use_stays_and_says_what_it_is(dataset: Dataset, site: Any) -> None:
    there = open_dataset(f"{site.url}/made")
    (entry,) = entries()
    assert (entry.about["what"], entry.about["dataset"]) == ("remote", there.source)
    assert entry.in_use
    assert not remove(entry.folder)
    assert photos(there, "valid") == photos(dataset, "valid")


def test_a_missing_index_is_made_of_the_shard(dataset: Dataset, site: Any) -> None:
    (dataset.folder / "train" / "shard_1.index.npz").unlink()
    there = open_dataset(f"{site.url}/made")
    assert len(there.split("train")) == 10
    assert shards_of(there) == ["train/shard_1.msg"]


def test_a_missing_shard_is_said(dataset: Dataset, site: Any) -> None:
    (dataset.folder / "train" / "shard_1.msg").unlink()
    train = open_dataset(f"{site.url}/made").split("train")
    with pytest.raises(GeotuneError, match=f"{site.url}/made/train/shard_1.msg: is missing there"):
        train.photo(5)


def test_a_changed_dataset_is_another_copy(dataset: Dataset, site: Any, tmp_path: Path) -> None:
    old = open_dataset(f"{site.url}/made")
    train = old.split("train")
    described = dataset.folder / "dataset.json"
    described.write_text(json.dumps({**json.loads(described.read_text()), "fingerprint": "other"}))
    new = open_dataset(f"{site.url}/made")
    assert new.fingerprint == "other"
    assert new.folder != old.folder
    assert train.photo(0) == new.split("train").photo(0)


def test_a_changed_shard_is_noticed(
    dataset: Dataset, site: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    there = open_dataset(f"{site.url}/made")
    there.fetch()
    shard = dataset.folder / "train" / "shard_0.msg"
    shard.write_bytes(shard.read_bytes() + b"\xc0")
    assert photos(open_dataset(f"{site.url}/made"))  # once a process
    monkeypatch.setattr(remote, "_checked", set())
    assert photos(open_dataset(f"{site.url}/made"))
    assert [r.getMessage() for r in caplog.records if r.name.endswith("copies")] == [
        f"{site.url}/made/train/shard_0.msg: changed since it was fetched; it is fetched again"
    ]
    assert (there.folder / "train" / "shard_0.msg").read_bytes() == shard.read_bytes()


def test_what_broke_off_goes_on(dataset: Dataset, site: Any) -> None:
    site.cut = 1
    there = open_dataset(f"{site.url}/made")
    assert photos(there, "valid") == photos(dataset, "valid")
    shard = dataset.folder / "valid" / "shard_0.msg"
    assert site.ranged == [shard.stat().st_size // 2]
    site.cut, site.ranges = 1, False
    assert photos(there, "test") == photos(dataset, "test")


def test_after_too_many_breaks_it_is_said_and_the_next_call_goes_on(dataset: Dataset, site: Any) -> None:
    there = open_dataset(f"{site.url}/made")
    site.cut = 1_000
    with pytest.raises(GeotuneError, match=r"valid/shard_0.msg: cannot be read") as caught:
        there.split("valid").photo(0)
    assert "what has arrived is kept" in caught.value.hint
    assert shards_of(there) == []
    site.cut = 0
    assert photos(there, "valid") == photos(dataset, "valid")


def test_what_changes_while_it_comes_is_fetched_again(dataset: Dataset, site: Any) -> None:
    """Of one version, never the beginning of one and the end of another."""
    shard = dataset.folder / "train" / "shard_0.msg"

    def uploaded_again() -> None:
        shard.write_bytes(b"B" * shard.stat().st_size)
        os.utime(shard, (2e9, 2e9))

    site.cut, site.meanwhile = 1, uploaded_again
    copy = Copy.make(f"{site.url}/made")
    assert set(copy.fetch("train/shard_0.msg").read_bytes()) == {ord("B")}


def test_what_never_stops_changing_is_said(dataset: Dataset, site: Any) -> None:
    shard, times = dataset.folder / "train" / "shard_0.msg", itertools.count(1_000_000_000)
    site.meanwhile = lambda: os.utime(shard, (next(times),) * 2)
    copy = Copy.make(f"{site.url}/made")
    with pytest.raises(GeotuneError, match="changes while it is fetched") as caught:
        copy.fetch("train/shard_0.msg")
    assert "upload" in caught.value.hint
    assert not (copy.folder / "train" / "shard_0.msg").exists()


def test_a_shard_asks_for_room(dataset: Dataset, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not used for longest goes for it; beyond the limit nothing is fetched."""
    size = (dataset.folder / "train" / "shard_0.msg").stat().st_size
    monkeypatch.setattr(download, "LARGE_BYTES", 1)
    old = cache_root() / "photos" / "old"
    old.mkdir(parents=True)
    describe(old, what="photos")
    (old / "pixels").write_bytes(b"x" * 20 * size)
    os.close(hold(old) or -1)
    monkeypatch.setenv("GEOTUNE_CACHE_LIMIT", f"{15 * size}B")
    Copy.make(f"{site.url}/made").fetch("train/shard_0.msg")
    assert not old.exists()
    monkeypatch.setenv("GEOTUNE_CACHE_LIMIT", f"{size // 2}B")
    with pytest.raises(GeotuneError, match="do not fit into the cache") as caught:
        Copy.make(f"{site.url}/made", b"another").fetch("train/shard_0.msg")
    assert "GEOTUNE_CACHE_LIMIT" in caught.value.hint


def test_without_a_network_the_copy_serves(dataset: Dataset, site: Any, caplog: pytest.LogCaptureFixture) -> None:
    url = f"{site.url}/made"
    site.status = 503
    with pytest.raises(GeotuneError, match="cannot be read"):
        open_dataset(url)
    site.status = 0
    open_dataset(url).fetch()
    site.status = 503
    assert photos(open_dataset(url)) == photos(dataset)
    assert "using what was fetched of it before" in caplog.text


def _first_photo(url: str, cache: str, queue: Any) -> None:
    import os

    os.environ["GEOTUNE_CACHE"] = cache
    queue.put(open_dataset(url).split("train").photo(0))


def test_processes_that_ask_at_once_share_what_comes(dataset: Dataset, site: Any, cache: Path) -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    started = [context.Process(target=_first_photo, args=(f"{site.url}/made", str(cache), queue)) for _ in range(2)]
    for process in started:
        process.start()
    found = [queue.get(timeout=60) for _ in started]
    for process in started:
        process.join()
    assert found == [dataset.split("train").photo(0)] * len(found)
    assert site.asked["/made/train/shard_0.msg"] == 1


def test_linked_photos_cannot_be_had_from_afar(dataset: Dataset, site: Any) -> None:
    described = dataset.folder / "dataset.json"
    content = json.loads(described.read_text())
    content["splits"]["train"]["links"] = {"shard_0.msg": {"path": "/etc/passwd", "size": 1, "mtime_ns": 1}}
    described.write_text(json.dumps(content))
    with pytest.raises(GeotuneError, match="its photos lie elsewhere"):
        open_dataset(f"{site.url}/made")


def test_names_of_a_remote_dataset_are_no_paths(dataset: Dataset, site: Any, tmp_path: Path) -> None:
    described = dataset.folder / "dataset.json"
    content = json.loads(described.read_text())
    content["splits"]["train"]["shards"][0] = "../../../../stolen.msg"
    described.write_text(json.dumps(content))
    with pytest.raises(GeotuneError, match="is no name of a shard"):
        open_dataset(f"{site.url}/made")


# ------------------------------------------------------------------------------------------ what is none


def test_what_is_no_dataset_is_said(site: Any, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    url = f"{site.url}/photos"
    with pytest.raises(GeotuneError, match=r"no dataset.json there") as caught:
        open_dataset(url)
    assert caught.value.hint == f"make a dataset of it: geotune data import {url} data/NAME"


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        ("s3://bucket/town", r"s3:// needs a package that is not installed", r"pip install 'geotune\[remote\]'"),
        ("gs://bucket/town", r"gs:// needs a package that is not installed", r"pip install 'geotune\[remote\]'"),
        ("nonsense://bucket/town", "cannot be read", "geotune reads s3://"),
        ("http://127.0.0.1:1/town", "cannot be read", "nothing answers there"),
    ],
)
def test_what_cannot_be_read_is_said(url: str, message: str, hint: str) -> None:
    if url[:2] in ("s3", "gs"):
        try:
            fsspec.filesystem(url[:2])
        except ImportError:
            pass
        else:
            pytest.skip("the package is installed")
    with pytest.raises(GeotuneError, match=message) as caught:
        open_dataset(url)
    assert caught.match(hint)


def test_a_refusal_is_not_asked_again(site: Any) -> None:
    site.status = 403
    with pytest.raises(GeotuneError, match="403"):
        open_dataset(f"{site.url}/made")
    assert site.asked["/made/dataset.json"] == 1


def test_urls_are_told_from_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert url_of("s3://b/x/") == url_of("s3:/b/x") == "s3://b/x"
    assert url_of("file:///a/b") == url_of(Path("file:///a/b")) == "file:///a/b"
    assert url_of("data/town") is None
    assert url_of("/abs/x:/y") is None
    monkeypatch.chdir(tmp_path)
    Path("odd:").mkdir()
    Path("odd:/town").mkdir()
    assert url_of("odd:/town") is None
    assert local("~/x") == Path("~/x").expanduser()


# ------------------------------------------------------------------------------------------ sources


def test_a_folder_of_photos_is_brought_whole(site: Any, tmp_path: Path, jpeg: Any) -> None:
    site.lists = True
    folder = tmp_path / "my photos"
    (folder / "day 1").mkdir(parents=True)
    for n in range(3):
        (folder / "day 1" / f"a b{n}.jpg").write_bytes(jpeg(n))
    (folder / "notes.txt").write_text("not wanted")
    told: list[tuple[int, int]] = []
    here = local(f"{site.url}/my%20photos", lambda done, of: told.append((done, of)))
    assert here.name == "my-photos"
    assert sorted(p.relative_to(here).as_posix() for p in here.rglob("*.*")) == [f"day 1/a b{n}.jpg" for n in range(3)]
    assert (here / "day 1" / "a b2.jpg").read_bytes() == jpeg(2)
    assert told[-1] == (3, 3)
    (folder / "day 1" / "a b0.jpg").unlink()
    (folder / "day 1" / "a b1.jpg").write_bytes(jpeg(9, 30, 30))
    assert local(f"{site.url}/my%20photos") == here
    assert sorted(p.name for p in here.rglob("*.*")) == ["a b1.jpg", "a b2.jpg"]
    assert (here / "day 1" / "a b1.jpg").read_bytes() == jpeg(9, 30, 30)
    assert site.asked["/my%20photos/day%201/a%20b2.jpg"] == 1


def test_a_single_file_is_brought(site: Any, tmp_path: Path) -> None:
    (tmp_path / "town.csv").write_text("file,latitude,longitude\n")
    here = local(f"{site.url}/town.csv")
    assert here.name == "town.csv"
    assert here.read_text() == (tmp_path / "town.csv").read_text()
    (tmp_path / "town.csv").write_text("file,lat,lon\n")
    assert local(f"{site.url}/town.csv").read_text() == "file,lat,lon\n"
    assert local(f"{site.url}/town.csv?sig=a%2Fb") != here
    with pytest.raises(GeotuneError, match=r"gone.csv: no such file there"):
        local(f"{site.url}/gone.csv")


def test_a_folder_without_a_list_is_said(site: Any, tmp_path: Path) -> None:
    site.lists = True
    (tmp_path / "empty").mkdir()
    with pytest.raises(GeotuneError, match="nothing to read there"):
        local(f"{site.url}/empty")
    with pytest.raises(GeotuneError, match="nothing to read there"):
        local("memory://nowhere/at/all")


def test_names_in_a_bucket_are_no_paths(tmp_path: Path) -> None:
    for name in ("../../x.jpg", "a\\..\\x.jpg", "/etc/x.jpg", "a\0.jpg", "../q/x.jpg", "x.exe"):
        assert remote._relative(f"/b/p/{name}", "/b/p", "memory://b/p") == ""
    assert remote._relative("/b/q/x.jpg", "/b/p", "memory://b/p") == ""
    assert remote._relative("/b/p/a/x.jpg", "/b/p", "memory://b/p") == "a/x.jpg"


def test_a_cache_that_cannot_be_written_is_said(dataset: Dataset, site: Any, cache: Path) -> None:
    cache.write_text("a file is in the way")
    with pytest.raises(GeotuneError, match="cannot be written") as caught:
        open_dataset(f"{site.url}/made")
    assert "GEOTUNE_CACHE" in caught.value.hint


def test_no_file_lies_there_without_its_version(dataset: Dataset, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill tears the journal's last line at most, and what comes next is noted all the same."""
    copy = open_dataset(f"{site.url}/made").copy
    assert copy
    copy._journal.write_text('["train/sha')
    copy.fetch("train/shard_0.msg")
    assert "train/shard_0.msg" in copy._versions()
    copy._journal.unlink()
    copy._journal.mkdir()  # as a kill in the instant before it is noted
    with pytest.raises(GeotuneError, match="cannot be kept"):
        copy.fetch("train/shard_1.msg")
    assert not (copy.folder / "train" / "shard_1.msg").exists()


def test_a_torn_journal_is_no_harm(dataset: Dataset, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    there = open_dataset(f"{site.url}/made")
    journal = there.folder.parent / "versions.jsonl"
    journal.write_text(journal.read_text() + '["train/sha')
    monkeypatch.setattr(remote, "_checked", set())
    assert photos(open_dataset(f"{site.url}/made")) == photos(dataset)
    shutil.copytree(there.folder, there.folder.parent / "moved")
    assert Copy.at(there.folder.parent / "moved") is None
