"""`geotune data augment`: what the policies do to a photo, in words or as a picture."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from geotune.errors import GeotuneError

if TYPE_CHECKING:
    from geotune.data.augment import Augmentation

LARGEST_MB = 256


@click.command()
@click.argument("photo", required=False, type=click.Path(path_type=Path))
@click.argument("out", required=False, type=click.Path(path_type=Path))
@click.option("--policy", help="Only this one; named none, light, campus, world or strong.  [default: all]")
@click.option("--strength", default=1.0, show_default=True, type=click.FloatRange(0, 4), help="As input.strength.")
@click.option("--mirror", is_flag=True, help="As input.mirror=true.")
@click.option("--fused", is_flag=True, help="As input.fused=true.")
@click.option("--size", default=160, show_default=True, type=click.IntRange(16, 1024), help="Side of a view in pixels.")
@click.option("--views", default=6, show_default=True, type=click.IntRange(1, 32), help="Views a policy.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Which views are drawn.")
def command(
    photo: Path | None,
    out: Path | None,
    policy: str | None,
    strength: float,
    mirror: bool,
    fused: bool,
    size: int,
    views: int,
    seed: int,
) -> None:
    """List what augmentation does to training photos.

    With PHOTO and OUT.png, draw PHOTO as it is and as each policy changes it.

    \b
    geotune data augment
    geotune data augment street.jpg views.png --policy campus --strength 0.5
    """
    from geotune.data.augment import POLICIES, Augmentation

    names = [policy] if policy else list(POLICIES)
    rows = [(name, Augmentation.of(name, strength, mirror=mirror, fused=fused)) for name in names]
    if photo is None:
        for name, augmentation in rows:
            _describe(name, augmentation)
        click.echo("\nOne of them:         input.augment=campus")
        click.echo("Weaker or stronger:  input.strength=0.5")
        click.echo("One kind of change:  input.rotate=15 (a strength in place of the policy's; 0 switches it off)")
        click.echo("In a space file:     input.strength: {uniform: [0, 2]}")
        return
    if out is None:
        raise GeotuneError("no file is named for the picture", f"geotune data augment {photo} views.png")
    _draw(photo, out, rows, size, views, seed)
    click.echo(f"{out}: the photo itself on the left, beside it {views} views by {policy or 'each policy'}")


def _describe(name: str, augmentation: "Augmentation") -> None:
    from geotune.data.augment import KINDS, POLICIES

    click.echo(f"{name:<8} {POLICIES[name][0]}")
    for kind, about in KINDS.items():
        if strength := getattr(augmentation, kind):
            often = f"; {about.share:.0%} of the photos" if 0 < about.share < 1 else ""
            click.echo(f"           {kind:<12} {strength:<5g} {about.doc}{often}")
    if augmentation.mirror:
        click.echo("           mirror             half of the photos are mirrored")


def _draw(photo: Path, out: Path, rows: "list[tuple[str, Augmentation]]", size: int, views: int, seed: int) -> None:
    import cv2

    from geotune.data.augment.sheet import contact_sheet
    from geotune.data.cache.squares import square
    from geotune.data.remote.copies import write_whole

    if out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise GeotuneError(f"{out}: not the name of a picture", "end it in .png")
    if out.exists():
        raise GeotuneError(f"{out}: exists already", "name another file for the picture; nothing is overwritten")
    try:
        if photo.stat().st_size > LARGEST_MB * 1e6:
            raise GeotuneError(f"{photo}: larger than {LARGEST_MB} MB", "take a photo")
        pixels = square(photo.read_bytes(), size)
    except OSError as error:
        raise GeotuneError(f"{photo}: {error.strerror}", "name a photo: geotune data augment PHOTO OUT.png") from None
    except ValueError as error:
        raise GeotuneError(f"{photo}: {error}", "take a JPEG or PNG") from None
    sheet = contact_sheet(pixels, rows, views, seed)
    done, encoded = cv2.imencode(out.suffix.lower(), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    assert done
    try:
        write_whole(out, encoded.tobytes())
    except OSError as error:
        raise GeotuneError(f"{out}: cannot be written ({error.strerror})", "name another place") from None
