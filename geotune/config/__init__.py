"""One settings language: typed classes, spelt as dotted keys (`model.head.alpha=0.1`) everywhere."""

from geotune.config.explain import unknown
from geotune.config.lines import Loaded, line_of, places
from geotune.config.quantities import Duration, Length, parse_duration, parse_length
from geotune.config.schema import Setting, Settings, Spellings, settings_of
from geotune.config.text import dump_yaml, load_yaml, parse_value
from geotune.config.tree import Flat, applicable, build, flatten, nest
from geotune.config.words import along_with, from_words, parse_overrides, read_words

__all__ = [
    "Duration",
    "Flat",
    "Length",
    "Loaded",
    "Setting",
    "Settings",
    "Spellings",
    "along_with",
    "applicable",
    "build",
    "dump_yaml",
    "flatten",
    "from_words",
    "line_of",
    "load_yaml",
    "nest",
    "parse_duration",
    "parse_length",
    "parse_overrides",
    "parse_value",
    "places",
    "read_words",
    "settings_of",
    "unknown",
]
