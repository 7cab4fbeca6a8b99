"""The async Python SDK for the Pubrio B2B data API."""

from pubrio_async._errors import (
    AuthenticationError,
    BadRequestError,
    BudgetExhaustedError,
    ConfigurationError,
    DecodeError,
    InsufficientCreditsError,
    JobError,
    JournalError,
    NotFoundError,
    NotSentError,
    PermissionDeniedError,
    PubrioError,
    RateLimitedError,
    ResponseError,
    ResponseLostError,
    ServerError,
    TransportError,
)
from pubrio_async._observe import BatchEvent, Observer, RequestEvent
from pubrio_async._version import __version__
from pubrio_async.client import AsyncPubrio
from pubrio_async.models import Contact, Outcome, OutcomeStatus, RunReport, RunStatistics
from pubrio_async.scheduler import Journal, MemoryJournal, Run

__all__ = [
    "AsyncPubrio",
    "AuthenticationError",
    "BadRequestError",
    "BatchEvent",
    "BudgetExhaustedError",
    "ConfigurationError",
    "Contact",
    "DecodeError",
    "InsufficientCreditsError",
    "JobError",
    "Journal",
    "JournalError",
    "MemoryJournal",
    "NotFoundError",
    "NotSentError",
    "Observer",
    "Outcome",
    "OutcomeStatus",
    "PermissionDeniedError",
    "PubrioError",
    "RateLimitedError",
    "RequestEvent",
    "ResponseError",
    "ResponseLostError",
    "Run",
    "RunReport",
    "RunStatistics",
    "ServerError",
    "TransportError",
    "__version__",
]
