import pytest


@pytest.fixture(autouse=True)
def _real_threads(transactional_db, model):
    """Turns are taken on a thread of their own, which sees what is committed."""
