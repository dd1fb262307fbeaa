"""What the tests' own services listen on."""

from pathlib import Path

from tests.support.ports import free_port


def test_a_free_port_is_not_one_that_the_system_gives_to_connections_meanwhile():
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    given = [free_port() for _ in range(50)]
    assert len(set(given)) == 50 and max(given) < lowest
