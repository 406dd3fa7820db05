"""What evalsuite finds by the entry points of this package."""
