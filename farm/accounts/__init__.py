"""Who may do what: people with a token each and a role, and the farm's own token, which may do everything."""
