"""The bundled miniature: facts that its checkpoint does not tell; what made it is in ``model.puppet``."""
