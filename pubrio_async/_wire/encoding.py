"""From the fields of a request to its body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from pubrio_async._errors import ConfigurationError


def encode_body(fields: Mapping[str, Any]) -> bytes:
    """The JSON body of a request.

    Args:
        fields: The fields by name; those that are `msgspec.UNSET` are left out.

    Returns:
        The body; `{}` if there are no fields.

    Raises:
        ConfigurationError: A value cannot be written as JSON.
    """
    present = {name: value for name, value in fields.items() if value is not UNSET}
    try:
        return msgspec.json.encode(present)
    except UnicodeEncodeError as error:
        reason = error.reason  # alone: the error itself carries the text, perhaps personal data
    except (TypeError, ValueError, RecursionError) as error:
        reason = str(error)
    msg = f"The request cannot be written as JSON: {reason}. Nothing was sent."
    raise ConfigurationError(msg)
