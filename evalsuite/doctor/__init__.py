"""Whether what evalsuite rests on is sound: this machine, and the metrics themselves."""
