"""What a request and a reply mean, as pure functions: no I/O, no loop, no clock.

A request becomes bytes; a status, headers and a body become a Struct or an error.
"""

from __future__ import annotations

from pubrio_async._wire.contacts import past_odd_contacts
from pubrio_async._wire.decoders import data_decoder, job_decoder, query_decoder
from pubrio_async._wire.encoding import encode_body
from pubrio_async._wire.messages import WireReply, WireRequest
from pubrio_async._wire.pieces import query_in_pieces
from pubrio_async._wire.replies import interpret, parse_retry_after, server_time

__all__ = [
    "WireReply",
    "WireRequest",
    "data_decoder",
    "encode_body",
    "interpret",
    "job_decoder",
    "parse_retry_after",
    "past_odd_contacts",
    "query_decoder",
    "query_in_pieces",
    "server_time",
]
