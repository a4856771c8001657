"""Put the project's folder on the module search path, so that scripts of this folder run from a clone as they are."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
