// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.same;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.wal.SimulatedLog.Recorded;
import dev.flk.wal.segment.LogRecord;
import java.util.List;

/** Checks of the records that are read from a log against the entries that were appended. */
final class Audit {
    private Audit() {}

    /** Checks that no sequence is missing, each acknowledged entry has its sequence, and every record was appended. */
    static void acknowledgedIsThere(List<LogRecord> records, List<Recorded> appends) {
        for (int i = 0; i < records.size(); i++) {
            LogRecord record = records.get(i);
            assertThat(record.sequence()).isEqualTo(i + 1);
            assertThat(appends)
                    .as("record %s was appended by somebody", record)
                    .anyMatch(append -> append.entries.stream().anyMatch(entry -> same(record, entry)));
        }
        for (Recorded append : appends) {
            if (append.acknowledged()) {
                for (int i = 0; i < append.entries.size(); i++) {
                    int at = (int) append.firstSequence - 1 + i;
                    assertThat(records).as("acknowledged record %d", at + 1).hasSizeGreaterThan(at);
                    assertThat(same(records.get(at), append.entries.get(i)))
                            .as("acknowledged record %d unchanged", at + 1)
                            .isTrue();
                }
            }
        }
    }
}
