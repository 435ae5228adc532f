"""`python -m quantmind` is the command `quantmind`."""

import sys

from quantmind.cli import main

sys.exit(main())
