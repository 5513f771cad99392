"""A typed Python client of the REST API; the command line uses nothing else.

from server.client import connect

with connect() as client:                      # the stored login, or LETHE_SERVER and LETHE_TOKEN
    mine = client.submit("demo", Path("my_method.py"))
    print(client.wait(mine.id).score)
"""

from server.client.api import Client
from server.client.errors import ApiError
from server.client.login import DEFAULT_SERVER, StoredLogin, connect

__all__ = ["DEFAULT_SERVER", "ApiError", "Client", "StoredLogin", "connect"]
