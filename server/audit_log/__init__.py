"""The log of hosts' and operators' actions."""
