#!/usr/bin/env python3
"""`make demo`: record, store and replay a robot, and show that nothing was lost or changed."""

import sys

from twinsight_demo.main import main

if __name__ == '__main__':
    sys.exit(main())
