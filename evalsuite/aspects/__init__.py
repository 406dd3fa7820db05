"""How a model's numbers change with the aspect ratio: drops, asymmetry, the scorer's own bias, object counts."""
