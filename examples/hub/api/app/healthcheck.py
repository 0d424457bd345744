"""Exit code 0 once the API says that it is ready. The base image has neither curl nor wget."""

import sys
from http.client import HTTPConnection

try:
    connection = HTTPConnection("127.0.0.1", 8000, timeout=2)
    connection.request("GET", "/healthz")
    sys.exit(connection.getresponse().status != 200)
except OSError as cause:
    sys.exit(f"not ready: {cause}")
