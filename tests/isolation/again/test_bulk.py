from tests.values.test_bulk import *  # noqa: F403
