"""``python -m specialize``."""

from specialize.cli.stages import main

main()
