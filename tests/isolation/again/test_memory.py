from tests.runtime.test_memory import *  # noqa: F403
