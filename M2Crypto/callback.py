"""An empty module that programs import. Callbacks belong to their context, connection or call."""
