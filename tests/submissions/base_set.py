"""Uses each package of the base set, and what of the standard library asks most of the kernel."""

import asyncio
import multiprocessing
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import requests  # noqa: F401
import scipy.optimize
import torch
import torchvision
import tqdm
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from torch.utils.data import DataLoader


def square(x):
    return x * x


def draw_and_tabulate():
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.plot([1, 2])
    plt.savefig("plot.png")
    Image.open("plot.png").convert("RGB").resize((8, 8)).save("small.jpg")
    pd.DataFrame({"a": range(9), "b": list("abcabcabc")}).to_csv("frame.csv")
    assert pd.read_csv("frame.csv").groupby("b").a.sum().sum() == 36


def compute():
    mapped = np.memmap("mapped", dtype=np.float32, mode="w+", shape=(1000,))
    mapped[:] = 1
    mapped.flush()
    x = np.random.rand(60, 4)
    cross_val_score(LogisticRegression(), x, x[:, 0] > 0.5)
    scipy.optimize.minimize(lambda v: (v**2).sum(), np.ones(3))


def talk():
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(square, [1, 2]) == [1, 4]
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(square, [2])) == [4]
    assert subprocess.run(["sh", "-c", "echo $((1 + 1))"], capture_output=True, text=True).stdout == "2\n"
    assert subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, text=True).stdout == "1\n"

    async def wait():
        await asyncio.sleep(0.01)
        return await asyncio.to_thread(square, 3)

    assert asyncio.run(wait()) == 9
    one, other = socket.socketpair()
    one.sendall(b"x")
    assert other.recv(1) == b"x"
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    signal.pause()


def keep_files():
    with sqlite3.connect("base.sqlite") as base:
        base.execute("create table t (a)")
        base.execute("insert into t values (1)")
    shutil.copy2("frame.csv", "again.csv")
    with zipfile.ZipFile("z.zip", "w") as archive:
        archive.write("frame.csv")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a").write_text("b")
        Path(folder, "a").rename(Path(folder, "c"))


def unlearning(net, retain, forget, validation):
    draw_and_tabulate()
    compute()
    talk()
    keep_files()
    torch.save(net.state_dict(), "net.pt")
    torch.load("net.pt", mmap=True)
    torchvision.transforms.RandomHorizontalFlip()(torch.rand(3, 8, 8))
    for workers in (0, 2):
        for _ in tqdm.tqdm(DataLoader(forget.dataset, batch_size=8, num_workers=workers)):
            pass
    return net
