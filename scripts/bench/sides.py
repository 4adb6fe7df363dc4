"""Both paths over the same photos, as works that `measure` times: the textbook's and geotune's."""

import os
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import ours
import photos
import rival
from measure import cache_pss, cpu_ms

from geotune.data.augment import POLICIES, Augmentation

BATCH = 32
WORKERS = 2


class Bench:
    """The photos in a temporary folder, and the two paths over them as works of `measure`."""

    def __init__(self, folder: Path, policy: str, *, quick: bool) -> None:
        self.folder = folder
        self.light = Augmentation.of(policy)
        self.fused = Augmentation.of(policy, fused=True)
        self.caches = 0
        count, phones = (24, 1) if quick else (512, 8)
        say(f"making {count} photos of 500x375 px and {phones} of 12 megapixels")
        jpegs = list(photos.pictures(count, 500, 375))
        phone = list(photos.pictures(phones, *((1008, 756) if quick else (4032, 3024)), sensor=9, seed=1)) * 4
        self.first, _ = photos.write(made(folder / "first"), jpegs[:8])
        self.dataset, self.plain = photos.write(made(folder / "street"), jpegs)
        self.phones, self.plain_phones = photos.write(made(folder / "phone"), phone)
        sizes = [statistics.mean(map(len, found)) / 1000 for found in (jpegs, phone)]
        say(f"  {sizes[0]:.0f} KB and {sizes[1] / 1000:.1f} MB each on average")
        self.use_cache("shared")
        for size in (224, 96):
            cpu_ms(partial(ours.copied, self.dataset, size, BATCH))

    def use_cache(self, name: str) -> None:
        os.environ["GEOTUNE_CACHE"] = str(self.folder / name)

    def theirs(self, size: int, augmentation: Augmentation | None = None, *, at_once: int = 1) -> float:
        """The second epoch of a process, as geotune's: what is loaded and built once counts for neither."""
        work = partial(rival.epoch, self.plain, augmentation or self.light, size, BATCH, WORKERS)
        return cpu_ms(work, first=work, at_once=at_once)

    def ours(self, size: int, augmentation: Augmentation | None = None, *, at_once: int = 1) -> float:
        work = partial(ours.epoch, self.dataset, augmentation or self.light, size, BATCH)
        return cpu_ms(work, first=partial(work, 1), at_once=at_once)

    def anew(self, dataset: Path, size: int) -> float:
        """An epoch on an empty cache; the first photos of the process, which are others, are not counted."""
        self.caches += 1
        self.use_cache(f"fresh-{self.caches}")
        try:
            first = partial(ours.epoch, self.first, self.light, size, BATCH)
            return cpu_ms(partial(ours.epoch, dataset, self.light, size, BATCH), first=first)
        finally:
            self.use_cache("shared")

    def pss(self) -> float:
        work = partial(ours.seen, self.dataset, self.light, 224, BATCH)
        files = sorted((self.folder / "shared").glob("photos/*-224-*/pixels*"))
        one, four = (cache_pss(work, str(files[0]), processes) for processes in (1, 4))
        say(f"  cache of 224 px: {one:.1f} MB with one process, {four:.1f} MB with four")
        return four / one

    def round(self) -> dict[str, float]:
        """One figure for every key but pss_growth, and the milliseconds that they come from."""
        at224, at96 = self.theirs(224), self.theirs(96)
        small, phone = (
            partial(rival.epoch, photos_, self.light, 256, BATCH, WORKERS, 256)
            for photos_ in (self.plain, self.plain_phones)
        )
        ms = {
            "textbook 224": at224, "geotune 224": self.ours(224), "fused 224": self.ours(224, self.fused),
            "textbook 96": at96, "geotune 96": self.ours(96), "fused 96": self.ours(96, self.fused),
            "textbook four": self.theirs(224, at_once=4), "geotune four": self.ours(224, at_once=4),
            "geotune first": self.anew(self.dataset, 224),
            "textbook phone": cpu_ms(phone, first=small),
            "geotune phone": self.anew(self.phones, 256),
        }  # fmt: skip
        return ms | {
            "px224": at224 / ms["geotune 224"],
            "px96": at96 / ms["geotune 96"],
            "four_trials": ms["textbook four"] / ms["geotune four"],
            "fused224": at224 / ms["fused 224"],
            "fused96": at96 / ms["fused 96"],
            "phone": ms["textbook phone"] / ms["geotune phone"],
            "first_epoch": ms["geotune first"] / at224,
        }

    def steps(self) -> dict[str, dict[str, float]]:
        """Milliseconds a photo after each step, by photo size: the median of three second epochs of a process."""
        plain, dataset = self.plain, self.dataset
        rows: dict[str, Callable[[int], Callable[[], int]]] = {
            f"the textbook, {WORKERS} worker processes": lambda px: partial(
                rival.epoch, plain, self.light, px, BATCH, WORKERS
            ),
            "the same in one process": lambda px: partial(rival.epoch, plain, self.light, px, BATCH, 0),
            "+ squares from the cache, no JPEG": lambda px: partial(ours.float_photos, dataset, self.light, px, BATCH),
            "+ bytes until the whole batch is normalised": lambda px: partial(
                ours.composed, dataset, self.light, px, BATCH
            ),
            "+ albumentations without its Compose: geotune": lambda px: partial(
                ours.epoch, dataset, self.light, px, BATCH
            ),
            "+ one warp, one matrix, one table: input.fused": lambda px: partial(
                ours.epoch, dataset, self.fused, px, BATCH
            ),
            "copy and normalise only: the limit": lambda px: partial(ours.copied, dataset, px, BATCH),
        }

        def measured(work: Callable[[], int]) -> float:
            return statistics.median(cpu_ms(work, first=work) for _ in range(3))

        return {name: {str(px): measured(work(px)) for px in (224, 96)} for name, work in rows.items()}

    def policies(self) -> dict[str, dict[str, float]]:
        """Ratios for every policy that changes anything, in one round each."""
        found: dict[str, dict[str, float]] = {}
        for policy in [name for name in POLICIES if name != "none"]:
            plain, fused = Augmentation.of(policy), Augmentation.of(policy, fused=True)
            theirs = {px: self.theirs(px, plain) for px in (224, 96)}
            found[policy] = {f"px{px}": theirs[px] / self.ours(px, plain) for px in theirs}
            found[policy] |= {f"fused{px}": theirs[px] / self.ours(px, fused) for px in theirs}
        return found


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def say(text: str) -> None:
    print(text, flush=True)
