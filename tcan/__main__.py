import sys

from tcan.cli import main

sys.exit(main())
