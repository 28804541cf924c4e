"""From a Letta V1 database: what is read there, how it reads here, and where it goes."""
