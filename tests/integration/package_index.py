"""A package index in a folder, with packages that the tests make up."""

import base64
import hashlib
import io
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Index:
    """A package index in a folder."""

    root: Path

    @property
    def url(self) -> str:
        return f"file://{self.root}/simple"

    def add_wheel(self, name: str, version: str, files: dict[str, str | bytes], *, requires: str = "") -> None:
        """A wheel with `files`, whatever they are."""
        stem = f"{name.replace('-', '_')}-{version}"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        metadata += f"Requires-Dist: {requires}\n" if requires else ""
        wheel = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        content = {**files, f"{stem}.dist-info/METADATA": metadata, f"{stem}.dist-info/WHEEL": wheel}
        record = []
        with zipfile.ZipFile(self._folder(name) / f"{stem}-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
            for path, text in content.items():
                data = text.encode() if isinstance(text, str) else text
                archive.writestr(path, data)
                digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                record.append(f"{path},sha256={digest},{len(data)}")
            archive.writestr(f"{stem}.dist-info/RECORD", "\n".join([*record, f"{stem}.dist-info/RECORD,,", ""]))
        self._list(name)

    def add_source(self, name: str, version: str, setup: str) -> None:
        """A source package whose build runs `setup`."""
        stem = f"{name}-{version}"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        with tarfile.open(self._folder(name) / f"{stem}.tar.gz", "w:gz") as archive:
            for path, text in {"setup.py": setup, "PKG-INFO": metadata}.items():
                entry = tarfile.TarInfo(f"{stem}/{path}")
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text.encode()))
        self._list(name)

    def _folder(self, name: str) -> Path:
        folder = self.root / "simple" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _list(self, name: str) -> None:
        folder = self._folder(name)
        links = [f'<a href="{path.name}">{path.name}</a>' for path in folder.iterdir() if path.name != "index.html"]
        (folder / "index.html").write_text(f"<html><body>{' '.join(links)}</body></html>", encoding="utf-8")


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every uid can read; pytest's own are closed."""
    folder = Path(tempfile.mkdtemp(prefix="lethe-layers-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
