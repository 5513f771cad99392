"""The account: registering, logging in and out, and what an account has."""
