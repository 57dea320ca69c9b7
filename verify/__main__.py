"""``python -m verify`` is ``saddle-escape``."""

from verify.cli import main

if __name__ == "__main__":
    main()
