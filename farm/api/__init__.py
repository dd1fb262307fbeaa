"""The HTTP API: ``app`` builds it, ``serve`` runs it on Ray Serve."""
