from tests.values.test_repr import *  # noqa: F403
