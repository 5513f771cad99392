"""What commit 4f177e3 showed to the outside, and the home that it left behind; differences.md says how to use them."""
