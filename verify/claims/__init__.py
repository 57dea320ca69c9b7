"""The catalogue: one file per subject, each exporting ``CLAIMS``, a tuple of frozen claims."""
