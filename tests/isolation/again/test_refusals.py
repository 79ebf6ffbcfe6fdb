from tests.values.test_refusals import *  # noqa: F403
