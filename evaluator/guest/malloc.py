"""How malloc treats the memory that training frees at every step."""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGEST_BYTES = 1 << 25  # the most that every glibc takes
_KEPT_BYTES = 1 << 30


def keep_freed_memory() -> None:
    """Let malloc keep freed memory: else activations and gradients need fresh pages from the kernel at every step, some
    thousand for ResNet-18.
    """
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_BYTES)
    libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def give_freed_memory_back() -> None:
    """Return freed memory to the kernel."""
    ctypes.CDLL(None).malloc_trim(0)
