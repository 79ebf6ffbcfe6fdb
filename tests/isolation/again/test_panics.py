from tests.runtime.test_panics import *  # noqa: F403
