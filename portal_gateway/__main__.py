"""`python -m portal_gateway`."""

from __future__ import annotations

import sys

from portal_gateway.cli import main

sys.exit(main())
