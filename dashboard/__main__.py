"""``python -m dashboard [PORT]``: serve the dashboard, and say how to sign in."""

import sys

from farm.processes import is_child
from farm.settings import Settings
from farm.tokens import LoginKeys

from .server import DEFAULT_PORT, serve


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_PORT
    if not is_child():
        print(f"Sign in at {LoginKeys(Settings.from_environment().login_keys_dir).link(f'http://127.0.0.1:{port}')}")
    serve(port)


if __name__ == "__main__":
    main()
