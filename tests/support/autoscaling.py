"""A Ray with its own fake multi-node autoscaler: nodes of one CPU on this machine, which come and go.

Ray's ``AutoscalingCluster`` ends every Ray of the machine first, others' too; this does not.
"""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from farm.joining.raylet import OBJECT_STORE_BYTES, Raylet
from farm.processes import SCRATCH, remove_with_users

HEAD_ID = "f" * 51 + "00000"
HEAD_TYPE = "ray.head.default"
"""What Ray's fake provider takes the head's node and its type to be called."""
IDLE_MINUTES = 0.1


def configuration(address: str, machines: int) -> dict[str, Any]:
    """Of the autoscaler: up to so many nodes of one CPU."""
    return {
        "cluster_name": "fake",
        "max_workers": machines,
        "upscaling_speed": 100.0,
        "idle_timeout_minutes": IDLE_MINUTES,
        "provider": {
            "type": "fake_multinode",
            "gcs_address": address,
            "head_node_id": HEAD_ID,
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
            "foreground_node_launch": True,
            "worker_rpc_drain": True,
            "worker_liveness_check": False,
        },
        "head_node_type": HEAD_TYPE,
        "available_node_types": {
            HEAD_TYPE: {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "slot": {
                "resources": {"CPU": 1, "object_store_memory": OBJECT_STORE_BYTES},
                "node_config": {},
                "min_workers": 0,
                "max_workers": machines,
            },
        },
        **{name: {} for name in ("auth", "docker", "file_mounts")},
        **{name: [] for name in ("cluster_synced_files", "rsync_exclude", "rsync_filter", "initialization_commands")},
        **{f"{each}setup_commands": [] for each in ("", "head_", "worker_")},
        **{f"{each}_start_ray_commands": [] for each in ("head", "worker")},
        "file_mounts_sync_continuously": False,
    }


@contextmanager
def autoscaling_ray(port: int, machines: int, environment: Mapping[str, str]) -> Iterator[Path]:
    """A head without CPUs at ``port`` of this machine, and its autoscaler; gives the folder of its logs."""
    folder = Path(tempfile.mkdtemp(prefix=f"{SCRATCH}{os.getpid()}-", dir="/tmp"))
    address = f"127.0.0.1:{port}"
    (folder / "autoscaler.json").write_text(json.dumps(configuration(address, machines)))
    options = [
        "--head",
        f"--port={port}",
        f"--temp-dir={folder}",
        f"--autoscaling-config={folder / 'autoscaler.json'}",
        "--node-ip-address=127.0.0.1",
        "--num-cpus=0",
        f"--object-store-memory={OBJECT_STORE_BYTES}",
        "--dashboard-agent-listen-port=0",
        "--include-dashboard=false",
        "--include-log-monitor=false",
        "--disable-usage-stats",
    ]
    fake = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1", "AUTOSCALER_METRIC_PORT": "-1"}
    try:
        with Raylet(options, {**fake, **environment}, folder / "ray.log"):
            yield folder / "session_latest" / "logs"
    finally:
        remove_with_users(folder)
