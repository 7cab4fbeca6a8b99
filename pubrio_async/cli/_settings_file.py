"""Settings from `[tool.pubrio-async]` of the nearest pyproject.toml that has such a table.

A file that comes with a directory is not the user's own word: neither the key nor the place it is
sent to are read from it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from pubrio_async._config import parse_rates
from pubrio_async._errors import ConfigurationError
from pubrio_async.cli._options import Order, ProgressStyle, parse_types

FILE = "pyproject.toml"
TABLE = "tool.pubrio-async"
_MOST_BYTES = 4_000_000

_WORDS_FOR_A_KEY = {"apikey", "key", "pubrioapikey", "token", "apitoken", "secret", "password"}
_WORDS_FOR_A_PLACE = {"baseurl", "pubriobaseurl", "url", "apiurl", "host"}


class FileSettings(Struct, frozen=True, kw_only=True, rename="kebab"):
    """What the table may hold; each is an option of the same name.

    Attributes:
        types: Contact types, joined by commas or in a list.
        rate: Rate limits in words.
        batch_size: People in one request.
        max_concurrency: Most requests in flight at once.
        max_credits: Most credits a run may cost.
        ask_above: Credits above which a run is asked for on a terminal.
        deadline: Seconds after which a run ends.
        order: What a run is to be quick at.
        progress: How progress is shown.
    """

    types: str | list[str] | UnsetType = UNSET
    rate: str | UnsetType = UNSET
    batch_size: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    max_concurrency: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    max_credits: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    ask_above: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    deadline: Annotated[float, Meta(gt=0)] | UnsetType = UNSET
    order: Order | UnsetType = UNSET
    progress: ProgressStyle | UnsetType = UNSET

    def values(self) -> dict[str, Any]:
        """Those that are set, by the name of the parameter, as the command line would give them."""
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        if isinstance(self.types, list):
            given["types"] = ",".join(self.types)
        return {name: value for name, value in given.items() if value is not UNSET}


class SettingsFile(Struct, frozen=True):
    """What was found.

    Attributes:
        path: The file; None where there is none.
        values: The settings by the name of the parameter.
    """

    path: str | None = None
    values: Mapping[str, Any] = {}


def read_settings_file() -> SettingsFile:
    """Reads the nearest pyproject.toml with a table of ours, from the working directory upwards.

    Files that have no such table are passed over.

    Raises:
        ConfigurationError: It cannot be read, is not TOML, or holds what it must not.
    """
    for path in _candidates():
        table = _table(path)
        if table is not None:
            return SettingsFile(path, _checked(path, table).values())
    return SettingsFile()


def _candidates() -> Iterator[str]:
    try:
        here = Path.cwd()
    except OSError:
        return  # the directory was removed meanwhile
    for folder in (here, *here.parents):
        path = folder / FILE
        # Only a regular file: a pipe of this name would be waited for.
        if path.is_file():
            yield str(path)


def _table(path: str) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"Cannot read {path}: {error.strerror or error}.") from error
    # Most files have nothing to do with us: they are neither parsed nor refused.
    if b"pubrio-async" not in content:
        return None
    if len(content) > _MOST_BYTES:
        raise ConfigurationError(f"{path} is larger than {_MOST_BYTES:,} bytes.")
    # Only here: most have no such file.
    import tomllib  # noqa: PLC0415

    try:
        tool = tomllib.loads(content.decode()).get("tool")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{path}, line {line}: it is not UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}.") from error
    except RecursionError as error:
        raise ConfigurationError(f"{path} is nested too deeply to be read.") from error
    try:
        tables: dict[str, Any] = {} if tool is None else msgspec.convert(tool, dict[str, Any])
        return msgspec.convert(tables.get("pubrio-async"), dict[str, Any] | None)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{path}: {TABLE} must be a table.") from error


def _checked(path: str, table: dict[str, Any]) -> FileSettings:
    names = FileSettings.__struct_encode_fields__
    for name in table:
        if name not in names:
            raise ConfigurationError(f"{path}: [{TABLE}] {_refusal(name, names)}")
    for name, value in table.items():
        try:
            settings = msgspec.convert({name: value}, FileSettings)
            if name == "types":
                parse_types(settings.values()["types"])
            elif name == "rate":
                parse_rates(settings.rate)
        except msgspec.ValidationError as error:
            reason = str(error).split(" - at `")[0]
            raise ConfigurationError(f"{path}: [{TABLE}] {name}: {reason}.") from error
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: [{TABLE}] {name}: {error}") from error
    return msgspec.convert(table, FileSettings)


def _refusal(name: str, names: tuple[str, ...]) -> str:
    """Why a name is not taken. Its value is never shown: it may be the key."""
    word = "".join(filter(str.isalnum, name)).lower()
    if word in _WORDS_FOR_A_KEY:
        return (
            f"holds {name[:40]!r}: the key does not belong in a file that others read and that is "
            "put under version control. Remove it, and set the environment variable "
            "PUBRIO_API_KEY; if the file was shared, have a new key made."
        )
    if word in _WORDS_FOR_A_PLACE:
        return (
            f"holds {name[:40]!r}: where the key is sent is not for a file to say that may have "
            "come with a directory. Set the environment variable PUBRIO_BASE_URL."
        )
    close = difflib.get_close_matches(name.replace("_", "-").lower(), names, n=1, cutoff=0.5)
    meant = f"Did you mean {close[0]}?" if close else f"It may hold {', '.join(names)}."
    return f"has no setting {name[:40]!r}. {meant}"
