"""A page that shows a run while it goes on, in the browser of this machine; holds counts only."""

from pubrio_async.dashboard._dashboard import Dashboard

__all__ = ["Dashboard"]
