// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.decide.DecisionRules;
import dev.flk.backend.decide.LoggedOutcomes;
import dev.flk.backend.operate.replay.LogReplay.ReplayWorkers;
import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.LogRecord.Position;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class ReplayWorkersTest {
    private static final DecisionRules RULES = new DecisionRules(Policy.defaults(), Duration.ofDays(14));

    /** A number of records that exceeds one chunk. */
    private static final int MANY = 10_000;

    private final List<Long> reported = new ArrayList<>();

    @Test
    void undecidableRecord_onlyEarlierRecordsAreReported() throws IOException {
        try (ReplayWorkers workers = workers()) {
            assertThatThrownBy(() -> {
                        for (long sequence = 1; sequence <= MANY; sequence++) {
                            byte[] body = sequence == 700
                                    ? "no certificate".getBytes(StandardCharsets.UTF_8)
                                    : Pcs.number(sequence).bytes();
                            workers.add(record(sequence, body));
                        }
                        workers.finish();
                    })
                    .isInstanceOf(IOException.class)
                    .hasMessageStartingWith("record 700 of segment inbox-1 can't be decided again: malformed JSON");
        }

        assertThat(reported)
                .containsExactlyElementsOf(
                        LongStream.rangeClosed(1, 699).boxed().toList());
    }

    private ReplayWorkers workers() {
        return new ReplayWorkers(new LoggedOutcomes(), null, (record, given, underOther) -> {
            assertThat(given.verdict().id())
                    .isEqualTo(Pcs.number(record.sequence()).id());
            assertThat(underOther).isNull();
            reported.add(record.sequence());
        });
    }

    private static LogRecord record(long sequence, byte[] body) {
        return new LogRecord(
                sequence, sequence, 1_763_632_800_000L, 's', "k", RULES.context(), body, new Position("inbox-1", 0));
    }
}
