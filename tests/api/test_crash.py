"""kill -9 at each phase of a prompt's life, 200 times each; what must be left is said in crash_driver.py."""
import shutil, tempfile

import pytest

from crash_driver import PHASES, CrashRun, memory_folder, run_phases

KILLS = 200


@pytest.mark.crash
def test_nothing_is_lost_or_published_twice_at_any_phase():
    with tempfile.TemporaryDirectory(dir=memory_folder()) as base:
        result = run_phases(base, KILLS)
    assert set(result) == set(PHASES)
    assert all(kills >= KILLS for kills, _ in result.values()), result


class Forgetful(CrashRun):
    """Loses the notes of what was published whenever it starts."""

    def start(self, plan=None):
        shutil.rmtree(self.server.base / "user/easel.db.publications", ignore_errors=True)
        return super().start(plan)


@pytest.mark.crash
def test_the_check_would_notice(tmp_path):
    with pytest.raises(AssertionError, match="not listed"):
        Forgetful(tmp_path / "forgetful", "history", 12).run()
