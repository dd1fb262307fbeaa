"""The Ray that a farm runs on: its own, on this machine alone or open to others that join it, or one that is there."""

import logging
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, suppress

from farm.errors import ClusterError
from farm.files import written_aside
from farm.joining.card import SECTION, section_path
from farm.joining.ports import Ports
from farm.processes import module_command
from farm.settings import Settings

from .local_ray import LocalRay, keep_logs, local_ray, open_ray
from .ray_environment import joined_ray
from .state import ServiceOptions

SECTION_SECONDS = 300.0


log = logging.getLogger(__name__)


class CannotJoinError(ClusterError):
    """The Ray cluster that was named is not there, or refuses; asking again would not help."""


def _note_section(settings: Settings) -> None:
    """Have the digest of a section of this machine for those that join; made once for each code and processor."""
    path = section_path(settings)
    if path.exists():
        return
    command = module_command("farm.joining.section")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECTION_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("no section of this machine is there to compare others with: %s", error)
        return
    for old in path.parent.glob(f"{SECTION}*"):
        old.unlink(missing_ok=True)
    with written_aside(path) as aside:
        aside.write_text(done.stdout.strip())


@contextmanager
def chosen_ray(
    settings: Settings, options: ServiceOptions, on_wait: Callable[[str], None]
) -> Iterator[tuple[str, LocalRay | None]]:
    """The Ray to run on: its address and, if it is our own, itself. That one ends here, and its logs are kept.

    ``on_wait`` is told why it takes long.

    Raises:
        ClusterError: it does not start, or can't be joined.
    """
    if options.open_at:
        ports = Ports(options.ray_port)
        with open_ray(settings, options.open_at, ports, options.replicas, on_wait, _imports) as own:
            threading.Thread(target=_note_section, args=(settings,), name="a section", daemon=True).start()
            try:
                yield own.address, own
            finally:
                keep_logs(own.folder / "session_latest" / "logs", settings.logs_dir / "ray")
        return
    if not options.address:
        with local_ray(settings, options.replicas, on_wait) as own:
            try:
                yield own.address, own
            finally:
                keep_logs(own.folder / "session_latest" / "logs", settings.logs_dir / "ray")
        return
    joined_ray()
    import ray

    try:
        host, _, port = options.address.rpartition(":")
        if port.isdecimal():  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), timeout=5).close()
        with chdir(settings.logs_dir):  # as in local_ray
            ray.init(address=options.address, log_to_driver=False, logging_level="ERROR")
    except Exception as error:  # Ray raises plain ConnectionErrors and others
        raise CannotJoinError(f"can't join the Ray cluster at {options.address}: {_reason(error)}") from error
    try:
        yield options.address, None
    finally:
        ray.shutdown()


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())[:300]
    if "auth" in text.lower():
        text += " Set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH to the cluster's token."
    return text


def leave_cluster(settings: Settings) -> None:
    """End this farm's API, coordinator and replicas on a cluster that goes on without us."""
    import ray

    from farm.api.serve import leave
    from farm.cluster.calls import COORDINATOR, NAMESPACE, REPLICA_PREFIX

    leave(settings)
    for actor in ray.util.list_named_actors(all_namespaces=True):
        name = actor["name"]
        if actor["namespace"] == NAMESPACE and (name == COORDINATOR or name.startswith(REPLICA_PREFIX)):
            with suppress(ValueError):
                ray.kill(ray.get_actor(name, namespace=NAMESPACE))


def _imports() -> None:
    """Load what will be needed, while there is nothing else to do."""
    import farm.api.early
    import farm.api.serve
    import farm.cluster.coordinator  # noqa: F401
