"""A failed allocation raises, and neither crashes the process nor leaves an error queued."""

from __future__ import annotations

from M2Crypto import m2


def test_a_failed_allocation_raises(failing_allocations):
    crashed = [name for name, outcome in failing_allocations.items() if outcome is None]
    assert not crashed
    lacking = {name: each["lacks"] for name, each in failing_allocations.items() if "lacks" in each}
    # The FIPS provider has no scrypt, for example.
    assert not lacking or m2.openssl_fips_enabled()
    assert len(failing_allocations) > 30
    assert sum(each["raised"] for each in failing_allocations.values()) > 1000
    assert not {name: each["wrong"] for name, each in failing_allocations.items() if each["wrong"]}
