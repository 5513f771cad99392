"""A typed Python client of the REST API; the command line uses nothing else.

from lethe.server.client import connect

with connect() as client:                      # the stored login, or LETHE_SERVER and LETHE_TOKEN
    mine = client.submit("demo", Path("my_method.py"))
    print(client.wait(mine.id).score)
"""

from lethe.server.client.api import Client
from lethe.server.client.errors import ApiError
from lethe.server.client.login import DEFAULT_SERVER, StoredLogin, connect

__all__ = ["DEFAULT_SERVER", "ApiError", "Client", "StoredLogin", "connect"]
