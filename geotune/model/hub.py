"""timm's hub: the weights that timm publishes for a backbone, found in this machine's caches or fetched once."""

import math
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from geotune.errors import GeotuneError
from geotune.model.weights_folder import HUB_FILES

T = TypeVar("T")
CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Published:
    """Weights as timm publishes them."""

    tag: str
    """`resnet18.a1_in1k@7d8a7bd2`; without the commit where they are not here yet."""
    licence: str
    path: Path | None
    missing_mb: float = 0.0
    """Megabytes to fetch; NaN where the hub does not tell."""


def published(backbone: str, offline: str, *, fetch: bool) -> Published:
    """The weights of a backbone, fetched where this machine lacks them, or (not `fetch`) only asked for.

    Raises GeotuneError, within seconds, where they are nowhere to be had: it names every place that was sought;
    `offline` is a mend that needs no connection.
    """
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(backbone)
    if config is None or not (config.hf_hub_id or config.url):
        raise unpublished(backbone)
    name, licence = full_name(config), config.license or "unknown"
    try:
        if not config.hf_hub_id:
            return _at_url(name, config.url, licence, fetch)
        files = (config.hf_hub_filename,) if config.hf_hub_filename else HUB_FILES
        path = _in_hub_cache(config.hf_hub_id, files)
        if path is None and not fetch:
            return Published(name, licence, None, _hub_megabytes(config.hf_hub_id, files))
        path = path or _download(config.hf_hub_id, files)
        return Published(f"{name}@{path.parent.name[:8]}", licence, path)
    except _NotThereError as error:
        raise GeotuneError(
            f"model.backbone={backbone}: the weights {name} were not found in {error.sought} ({error.reason})",
            f"connect once to fetch them, {offline}, give model.weights=FILE_OR_FOLDER, or model.weights=none (random)",
        ) from None


def full_name(config: Any) -> str:
    """Of timm's resolved config: `resnet18.a1_in1k`."""
    return f"{config.architecture}.{config.tag}" if config.tag else str(config.architecture)


def unpublished(backbone: str) -> GeotuneError:
    return GeotuneError(
        f"model.backbone={backbone}: nobody has published weights of it through timm",
        "set model.weights=none to start from random ones, or model.weights=FILE",
    )


class _NotThereError(Exception):
    """Places that were sought, and why nothing came of it."""

    def __init__(self, sought: str, reason: str) -> None:
        super().__init__(sought, reason)
        self.sought, self.reason = sought, reason


def _in_hub_cache(repository: str, files: tuple[str, ...]) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = (try_to_load_from_cache(repository, file) for file in files)
    return next((Path(path) for path in found if isinstance(path, str)), None)


def _download(repository: str, files: tuple[str, ...]) -> Path:
    from huggingface_hub import hf_hub_download

    return _first(repository, files, lambda file: Path(hf_hub_download(repository, file, etag_timeout=CONNECT_SECONDS)))


def _hub_megabytes(repository: str, files: tuple[str, ...]) -> float:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    def megabytes(file: str) -> float:
        size = get_hf_file_metadata(hf_hub_url(repository, file), timeout=CONNECT_SECONDS).size
        return math.nan if size is None else size / 1e6

    return _first(repository, files, megabytes)


def _first(repository: str, files: tuple[str, ...], ask: Callable[[str], T]) -> T:
    """What the hub answers of the first of the files that it has."""
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    reason = _offline()
    for file in () if reason else files:
        try:
            return ask(file)
        except LocalEntryNotFoundError as error:  # is an EntryNotFoundError too, but means: no connection
            reason = str(error).splitlines()[0]
            break
        except EntryNotFoundError:
            reason = f"no {' or '.join(files)} there"
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            break
    raise _NotThereError(_hub_places(repository), reason)


def _hub_places(repository: str) -> str:
    from huggingface_hub import constants

    return f"{constants.HF_HUB_CACHE} and {constants.ENDPOINT}/{repository}"


def _offline() -> str:
    """Why the hub cannot be asked, or ""."""
    from huggingface_hub import constants

    return "HF_HUB_OFFLINE is set" if constants.is_offline_mode() else _ask(constants.ENDPOINT)[0]


def _at_url(name: str, url: str, licence: str, fetch: bool) -> Published:
    import torch

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    path = folder / url.rpartition("/")[2]
    if not path.exists():
        reason, size = _ask(url)
        if not reason and not fetch:
            return Published(name, licence, None, size / 1e6)
        if not reason:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                torch.hub.download_url_to_file(url, str(path))
            except OSError as error:
                reason = str(error)
        if reason:
            raise _NotThereError(f"{path} and {url}", reason)
    return Published(name, licence, path)


def _ask(address: str) -> tuple[str, float]:
    """Why a web address cannot be reached, or "", and its bytes. The hub's own client would try for 20 seconds."""
    try:
        request = urllib.request.Request(address, method="HEAD")
        with urllib.request.urlopen(request, timeout=CONNECT_SECONDS) as answer:
            return "", float(answer.headers.get("Content-Length") or math.nan)
    except urllib.error.HTTPError:
        return "", math.nan  # it answered
    except OSError as error:
        return f"no connection: {getattr(error, 'reason', error)}", math.nan
