"""The agent's real code in a modelled site and in virtual time: random histories that must break no property."""
