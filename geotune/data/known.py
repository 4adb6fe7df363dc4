"""Names that a dataset holds as numbers alone, for photos that are added later: their hashes, never they themselves."""

import secrets
from collections.abc import Iterable
from hashlib import blake2b

from pydantic import BaseModel


class Known(BaseModel):
    """Salted hashes of names, each with the number that stands for it in the dataset."""

    salt: str = ""
    """Drawn with the first name: a dataset without any is the same bytes whenever it is made."""
    cameras: dict[str, int] = {}
    places: dict[str, int] = {}

    def camera(self, name: str, free: int) -> int:
        """The number of a camera: the one that it has, or from now on the `free` one; 0 for an unknown camera."""
        return self.cameras.setdefault(self._hash(name), free) if name else 0

    def place(self, name: str) -> int:
        """The number of a place that has photos in the dataset, or -1."""
        return self.places.get(self._hash(name), -1) if name else -1

    def learn_places(self, named: Iterable[tuple[str, int]]) -> None:
        """Remember the numbers of places by their names; those without a name are passed over."""
        self.places.update((self._hash(name), int(number)) for name, number in named if name)

    def _hash(self, name: str) -> str:
        self.salt = self.salt or secrets.token_hex(16)
        return blake2b(name.encode("utf-8", "replace"), key=self.salt.encode()[:64], digest_size=8).hexdigest()
