"""Published weight files: named, found, fetched when asked for, verified, and kept as safetensors."""
