"""All of a farm's API as one client."""

from .catalog import Catalog
from .jobs import Jobs
from .machines import Machines
from .operation import Operation
from .results import Results


class FarmClient(Jobs, Results, Catalog, Machines, Operation):
    """Talks to one farm. Thread-safe; usable as a context manager.

    Answers are the API's JSON as dicts; ``/docs`` of a running farm describes them. Every method raises ClusterError
    when no farm answers at ``base_url``, AuthError when the token is wrong, and otherwise the FarmError that the farm
    answered with.
    """
