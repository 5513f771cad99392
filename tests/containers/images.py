"""Stand-ins for the images that the project names, from Debian's packages: a made engine may reach no registry."""

import re
import shutil
from pathlib import Path

import yaml
from uv import find_uv_bin

from tests.containers.engine import CERTIFICATES, CHECKOUT, Engine

IMAGES = Path(__file__).parent / "images"


def provide_images(engine: Engine) -> None:
    """Give a made engine every image that Dockerfile and compose file name; a machine's own engine pulls them."""
    if engine.share is None:
        return
    engine.docker("import", str(engine.inside / "debian.tar"), "lethe-tests/debian")
    shutil.copytree(IMAGES, engine.share / "images")
    shutil.copy(find_uv_bin(), engine.share / "images" / "uv")
    shutil.copy(CERTIFICATES, engine.share / "images")
    for name in named_images():
        kind = re.split("[/:]", name)[-2]
        file = f"{kind}.Dockerfile"
        engine.docker("build", "--network=host", "-t", name, "-f", file, ".", folder=engine.inside / "images")


def named_images() -> list[str]:
    """The images of others in Dockerfile and compose file, such as `postgres:17`."""
    dockerfile = (CHECKOUT / "Dockerfile").read_text()
    compose = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())
    found = re.findall(r"(?:^FROM |--from=)(\S+:\S+)", dockerfile, re.MULTILINE)
    return sorted({*found, *(service["image"] for service in compose["services"].values() if "image" in service)})
