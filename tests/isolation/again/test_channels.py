from tests.values.test_channels import *  # noqa: F403
