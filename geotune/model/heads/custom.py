"""A head of the user's own: a class that lives in a package of theirs, named by its path."""

import importlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from numpy.typing import ArrayLike
from pydantic import Field, field_validator

from geotune.config import Settings
from geotune.errors import GeotuneError
from geotune.model.geography import Geography
from geotune.model.heads.base import Fitted, Head

BASE = "geotune.model.heads.custom.CustomHead"


class CustomSettings(Settings):
    """`model.head.*` of a head that is not geotune's."""

    name: Literal["custom"] = "custom"
    """How features become a place"""
    path: str = "package.module:Head"
    """The class, a geotune.model.heads.custom.CustomHead, as package.module:Class"""
    options: str = "{}"
    """Settings of its own, as a JSON object; it finds them in settings.own"""
    hidden: int = Field(0, ge=0, le=16384)
    """Width of a hidden layer; 0 is none"""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the head's inputs dropped in training"""

    @property
    def own(self) -> dict[str, Any]:
        """`options` as a mapping."""
        return dict(json.loads(self.options))

    @property
    def package(self) -> str:
        """The package whose code is run."""
        return self.path.partition(":")[0].partition(".")[0]

    def fit(self, geography: Geography, lat_deg: ArrayLike, lon_deg: ArrayLike, seed: int) -> Fitted:
        """What the head's own `fit` learns from the training places."""
        return _class(self.path).fit(self, geography, lat_deg, lon_deg, seed)

    def build(self, width: int, geography: Geography, fitted: Fitted) -> "CustomHead":
        """The head's module for features of that width."""
        return _class(self.path)(self, width, geography, fitted)

    @field_validator("path")
    @classmethod
    def _path(cls, path: str) -> str:
        module, colon, name = path.partition(":")
        if not colon or not all(part.isidentifier() for part in (*module.split("."), name)):
            raise ValueError("expected package.module:Class, such as my_package.heads:MyHead")
        return path

    @field_validator("options")
    @classmethod
    def _options(cls, options: str) -> str:
        try:
            if isinstance(json.loads(options), dict):
                return options
        except ValueError:
            pass
        raise ValueError('expected a JSON object, such as {"layers": 2}')


class CustomHead(Head):
    """The base of a head of one's own: implement `outputs`, `losses` and `decode`, and `fit` where places are needed.

    A head must pass geotune's contract (tests/model/heads/test_contract.py). `settings` has `hidden`, `dropout` and
    `own`; `fitted` is what `fit` returned, through JSON, so that a model can be loaded without its training set.
    """

    def __init__(self, settings: CustomSettings, width: int, geography: Geography, fitted: Fitted) -> None:
        super().__init__(width, geography)
        self.settings, self.fitted = settings, fitted

    @classmethod
    def fit(
        cls, settings: CustomSettings, geography: Geography, lat_deg: ArrayLike, lon_deg: ArrayLike, seed: int
    ) -> Fitted:
        """Training places (N,) in degrees -> plain data (JSON): nothing, unless overridden."""
        return {}


def check_allowed(head: Mapping[str, Any], allowed: Iterable[str]) -> None:
    """Raises GeotuneError where a model's head, as plain settings, is code of a package that is not among `allowed`.

    A model from elsewhere must not decide what code is run here; who trains with a head has chosen it.
    """
    if head.get("name") != "custom":
        return
    settings = CustomSettings.model_validate(head)
    if settings.package not in {*allowed, *_trained_with}:
        raise GeotuneError(
            f"this model's head is code of {settings.path}, and the package {settings.package} is not allowed to run",
            f"if you trust that package as it is installed here: --allow {settings.package}",
        )


_trained_with: set[str] = set()
"""Packages that this process was told to train with, by its own settings."""


def trust(settings: Any) -> None:
    """Allow the package of a custom head that is to be trained in this process: the user has named it."""
    if isinstance(settings, CustomSettings):
        _trained_with.add(settings.package)


def _class(path: str) -> type[CustomHead]:
    """The class at a path. Raises GeotuneError where there is none, or it is no head."""
    module_name, _, name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise GeotuneError(
            f"model.head.path={path}: {error}", "install the package, or put its folder on PYTHONPATH"
        ) from error
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, CustomHead)):
        own = {key: value for key, value in vars(module).items() if isinstance(value, type)}
        heads = [key for key, value in own.items() if issubclass(value, CustomHead) and value is not CustomHead]
        problem = f"{module_name} has no {name}" if found is None else f"{name} is not derived from {BASE}"
        mend = f"its heads are {', '.join(heads)}" if heads else f"derive one from {BASE}"
        raise GeotuneError(f"model.head.path={path}: {problem}", mend)
    return found
