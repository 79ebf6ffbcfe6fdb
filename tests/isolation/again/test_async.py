from tests.runtime.test_async import *  # noqa: F403
