"""Photos of iPhones and other new phones: HEIC through the extra `heic`, AVIF through Pillow itself."""

from functools import cache

from geotune.data.sources.why import NO_AVIF, NO_HEIC

HEIC_SUFFIXES = {".heic", ".heif", ".hif"}
AVIF_SUFFIXES = {".avif"}


def format_fault(suffix: str) -> str:
    """Why files of a lower-case suffix cannot be decoded on this machine, or ""."""
    if suffix in HEIC_SUFFIXES and not reads_heic():
        return NO_HEIC
    return NO_AVIF if suffix in AVIF_SUFFIXES and not _reads_avif() else ""


@cache
def reads_heic() -> bool:
    """Teach Pillow HEIC, once a process; False where the extra is not installed."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


@cache
def _reads_avif() -> bool:
    from PIL import Image

    Image.init()
    return ".avif" in Image.EXTENSION
