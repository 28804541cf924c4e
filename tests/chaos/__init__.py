"""Break things on purpose: `make chaos`, which prints a table of tests, loads and results.

Each scenario runs real processes on the loopback interface: PostgreSQL from the wheel, web servers,
workers and a scripted model. It returns the load and the result, or raises an AssertionError that
says what did not hold. `python -m tests.chaos NAME…` runs some of them.
"""
