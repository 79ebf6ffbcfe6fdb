from tests.values.test_json import *  # noqa: F403
