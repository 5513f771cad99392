"""Confirming a program that asks for a token."""
