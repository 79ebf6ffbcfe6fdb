from tests.values.test_scalars import *  # noqa: F403
