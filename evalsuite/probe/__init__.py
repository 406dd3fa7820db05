"""What a velocity field is like, on a fixed bank of (x0, noise, t) and along its own sampling paths.

Every model is asked in one parametrisation, the velocity e - x0 of the rectified flow, and on one axis of time.

    spec.py          what is asked for                     bank.py          what is shown: latents, noise, times
    pictures.py      which pictures, with which captions   subjects.py      who is asked, and what each can tell
    fixed_points.py  estimator A: predictions on the bank  sampling_path.py estimator B: predictions along paths
    measurement.py   all numbers of one model, kept        estimates.py     numbers to estimates with influences
    quantities.py    what each number is                   rows.py, differences.py, report.py: what is shown
"""

from __future__ import annotations
