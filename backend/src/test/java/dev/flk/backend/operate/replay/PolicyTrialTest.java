// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.replay;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.decide.LoggedOutcomes.ReplayedOutcome;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verdict.Recomputed;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.LogRecord.Position;
import java.time.Instant;
import org.junit.jupiter.api.Test;

class PolicyTrialTest {
    @Test
    void shards_beyondTheLimit_areComparedTogether() {
        Recomputed recomputed = new Recomputed(1, 0.26, Regime.MIXED);
        Verdict verdict = new Verdict(Pcs.number(1).id(), 1, Verdict.Kind.ACCEPTED, recomputed, null, "");
        PolicyTrial trial = new PolicyTrial(Policy.defaults(), Instant.EPOCH, 0);
        for (int i = 0; i < PolicyTrial.MOST_SHARDS + 5; i++) {
            ReplayedOutcome accepted = new ReplayedOutcome("s" + i, verdict, "", false);
            trial.submission(
                    new LogRecord(i, i, 0, 's', "k", "", new byte[0], new Position("inbox-1", 0)), accepted, accepted);
        }

        assertThat(trial.shards(2)).hasSize(2);
        assertThat(trial.otherShards(2)).isEqualTo(new PolicyTrial.Shard(null, 9_999L, true, 10_003, 0, 0, 0, 0));
    }
}
