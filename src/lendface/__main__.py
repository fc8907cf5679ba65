"""``python -m lendface`` is the ``lendface`` command."""

from .cli import main

main()
