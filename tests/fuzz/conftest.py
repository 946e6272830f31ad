"""How many examples the fuzz tests try.

Decorate a fuzz test with ``@settings.get_profile("fuzz")`` above ``@given(...)`` and mark its module with
``pytestmark = pytest.mark.fuzz``. The profile is "ci", the same 200 examples in every run, unless the environment
variable `NCUT_FUZZ_EXAMPLES` gives another number: then it is "long", with that many random examples. `make fuzz` runs
all fuzz tests with 10 000 each.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_EXAMPLES = os.environ.get("NCUT_FUZZ_EXAMPLES")

settings.register_profile(
    "ci",
    max_examples=200,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
        HealthCheck.function_scoped_fixture,
    ],
)
settings.register_profile(
    "long", settings.get_profile("ci"), max_examples=int(_EXAMPLES or 10_000), derandomize=False, print_blob=True
)
# Registered, not loaded: a loaded profile would also apply to the property tests.
settings.register_profile("fuzz", settings.get_profile("long" if _EXAMPLES else "ci"))
