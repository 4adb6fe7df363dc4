import io
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import pytest
from PIL import Image

from geotune.data.clean import NEAR_BITS, near_duplicates
from geotune.data.importing.prepare import Look, Prepared, look_at, phash_of, prepare, sha_of
from geotune.data.sources.found import LeftOut, Photo
from geotune.data.sources.why import TRUNCATED

SECRET = b"home of Ada"


def photo(data: bytes, name: str = "a") -> Photo:
    return Photo(name, 0, 0, lambda: data)


def telling_photo(size: tuple[int, int] = (80, 60), kind: str = "JPEG", **more: Any) -> bytes:
    """A photo that says more than it should: position, camera, comment, XMP."""
    exif = Image.Exif()
    exif[0x010F] = SECRET.decode()
    exif[0x8825] = {1: "N", 2: (52.0, 0.0, 0.0), 3: "E", 4: (0.5, 0.0, 0.0)}
    for tag, value in more.items():
        exif[int(tag.removeprefix("tag"), 16)] = value
    picture = Image.new("RGB", size, "red")
    picture.paste("blue", (0, size[1] // 2, size[0], size[1]))
    into = io.BytesIO()
    picture.save(into, kind, exif=exif, comment=SECRET, xmp=b"<x>" + SECRET + b"</x>", quality=95)
    return into.getvalue()


def ready(data: bytes, max_side: int = 512, **given: Any) -> Prepared:
    made = prepare(photo(data), max_side, **given)
    assert isinstance(made, Prepared)
    return made


def picture_of(made: Prepared) -> Image.Image:
    return Image.open(io.BytesIO(made.jpeg))


def test_no_metadata_survives_and_orientation_is_applied() -> None:
    data = telling_photo(tag0112=6)  # turned to the right: the red top comes to the right
    assert SECRET in data
    made = ready(data)
    assert SECRET not in made.jpeg
    for marker in (b"Exif", b"http://ns.adobe.com", b"\xff\xfe", b"\xff\xe1"):
        assert marker not in made.jpeg[:400]
    picture = picture_of(made)
    assert picture.size == (60, 80) == (made.look.width, made.look.height)
    assert not picture.getexif()
    red, _, blue = np.asarray(picture)[40, -5]
    assert red > 200 > blue


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations(orientation: int) -> None:
    upright = Image.new("RGB", (64, 48), "black")
    upright.paste("red", (0, 0, 32, 24))
    upright.paste("lime", (32, 0, 64, 24))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's transpositions: what the camera did to it
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    into = io.BytesIO()
    stored.save(into, "PNG", exif=exif)
    made = ready(into.getvalue())
    assert (made.look.width, made.look.height) == (64, 48)
    pixels = np.asarray(picture_of(made)).astype(int)
    assert pixels[12, 16].argmax() == 0
    assert pixels[12, 48].argmax() == 1
    assert pixels[36].max() < 60


@pytest.mark.parametrize(
    ("size", "stored"), [((1600, 1200), (400, 300)), ((300, 1200), (100, 400)), ((90, 60), (90, 60))]
)
def test_the_longest_side_is_bounded_never_enlarged(size: tuple[int, int], stored: tuple[int, int]) -> None:
    made = ready(telling_photo(size), 400)
    assert picture_of(made).size == stored
    assert (made.look.width, made.look.height) == size  # as found


def test_quality_is_a_setting(jpeg: Callable[..., bytes]) -> None:
    data = jpeg(1, 400, 400)
    small, large = (len(ready(data, 300, quality=quality).jpeg) for quality in (50, 95))
    assert small < large / 1.5


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "LA", "1", "I;16"])
def test_every_kind_of_picture_becomes_rgb(mode: str) -> None:
    into = io.BytesIO()
    white = Image.new("RGB", (64, 48), "white").convert("L" if mode in ("I;16", "LA") else mode).convert(mode)
    white.save(into, "TIFF" if mode == "CMYK" else "PNG")
    assert picture_of(ready(into.getvalue())).mode == "RGB"


@pytest.mark.parametrize("kind", ["HEIF", "AVIF", "WEBP"])
def test_new_formats(kind: str) -> None:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    made = ready(telling_photo((90, 60), kind))
    assert picture_of(made).size == (90, 60)
    assert SECRET not in made.jpeg


def test_what_cannot_be_imported_is_left_out_with_a_reason(tmp_path: Path, jpeg: Callable[..., bytes]) -> None:
    files = {
        "cut.jpg": (jpeg(0, 600, 600)[:900], TRUNCATED),
        "text.jpg": (b"hello", "cannot be decoded"),
        "empty.jpg": (b"", "cannot be decoded"),
        "dot.jpg": (jpeg(0, 8, 8), "smaller than 32 px"),
    }
    for name, (content, reason) in files.items():
        for made in (prepare(photo(content, name)), look_at(photo(content, name))):
            assert made == LeftOut(name, reason)
    gone = prepare(Photo("gone", 0, 0, (tmp_path / "gone.jpg").read_bytes))
    assert gone == LeftOut("gone", "cannot be read (No such file or directory)")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_a_photo_is_whole_or_truncated_never_grey(share: float, jpeg: Callable[..., bytes]) -> None:
    data = (jpeg(3, 900, 1200), telling_photo((1200, 900), "PNG"), telling_photo((1200, 900), "WEBP"))
    for whole in data:
        assert isinstance(prepare(photo(whole[: int(share * len(whole))])), LeftOut)
    whole = data[0]
    kept = int(share * len(whole))
    zeroed = whole[:kept] + bytes(max(2000, len(whole) - kept))  # a download that reserved its place on the disk first
    assert prepare(photo(zeroed)) == LeftOut("a", TRUNCATED)
    assert isinstance(prepare(photo(whole + bytes(5000))), Prepared)  # padding after the end does no harm


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    into = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(into, "PNG")
    made = prepare(photo(into.getvalue()))
    assert isinstance(made, LeftOut)
    assert made.reason.startswith("too many pixels")


def test_large_pictures_are_decoded_one_after_the_other() -> None:
    into = io.BytesIO()
    side = 6000
    Image.new("RGB", (side, side)).save(into, "PNG", compress_level=1)
    script = f"""
import sys
from geotune.data.importing import prepare
from geotune.data.sources.found import Photo
from geotune.data.threads import in_threads, set_lease

data = sys.stdin.buffer.read()
prepare._pixels = prepare.Room({side * side})
set_lease(4)
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1024
prepare.prepare(Photo("small", 0, 0, lambda: data[:100]))
before = peak()
for made in in_threads(prepare.prepare, [Photo(str(i), 0, 0, lambda: data) for i in range(8)]):
    assert isinstance(made, prepare.Prepared)
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", script], input=into.getvalue(), capture_output=True, check=True)
    assert float(done.stdout) < 2.5 * 4 * side * side / 2**20  # MB: one picture of 4 bytes a pixel; it was eight


def test_what_is_seen_of_a_photo(jpeg: Callable[..., bytes]) -> None:
    data = jpeg(5, 300, 400)
    made = ready(data, 100)
    assert made.look == Look(400, 300, sha_of(data), made.look.phash)
    assert len(made.look.sha) == 32
    small = look_at(photo(data))
    assert isinstance(small, Look)
    assert small.sha == made.look.sha
    # hashes do not hang on the size to which a photo was scaled
    assert bin(small.phash ^ made.look.phash).count("1") <= NEAR_BITS


def test_the_hash_is_imagehashs_own_but_for_the_way_it_is_scaled(jpeg: Callable[..., bytes]) -> None:
    differ = []
    for seed in range(20):
        picture = Image.open(io.BytesIO(jpeg(seed, 480, 640)))
        own, theirs = phash_of(picture), int(str(imagehash.phash(picture)), 16)
        assert 0 <= own < 2**64
        differ.append(bin(own ^ theirs).count("1"))
    assert max(differ) <= NEAR_BITS
    assert np.mean(differ) < 2  # and these pictures are almost flat


def test_a_smaller_copy_has_nearly_the_same_hash_another_picture_another() -> None:
    noise = np.random.default_rng(0)
    pictures = [Image.fromarray(noise.integers(0, 256, (12, 16, 3), np.uint8)).resize((640, 480)) for _ in range(30)]
    hashes = [phash_of(picture) for picture in pictures]
    copies = [phash_of(picture.resize((320, 240))) for picture in pictures]
    pairs = near_duplicates(np.array([*hashes, *copies], np.uint64))
    assert {(int(a), int(b)) for a, b in pairs} == {(i, 30 + i) for i in range(30)}


def test_it_may_run_in_any_thread(jpeg: Callable[..., bytes]) -> None:
    data = [jpeg(seed, 200, 200) for seed in range(8)]
    alone = [ready(one) for one in data]
    found: list[Prepared] = []

    def work() -> None:
        found.extend(ready(one) for one in data)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {made.jpeg for made in found} == {made.jpeg for made in alone}
    assert len(found) == 32
