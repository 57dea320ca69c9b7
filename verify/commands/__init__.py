"""The verbs of the command line, one file each: ``NAME.py`` exports the click command ``command``."""
