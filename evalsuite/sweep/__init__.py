"""`evalsuite sweep`: the same run at many settings, one metric against what an image costs, and the setting to take."""
