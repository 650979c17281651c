// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.outcomes.record.OutcomeChanges.Event;
import dev.flk.backend.outcomes.record.OutcomeChanges.Part;
import dev.flk.backend.outcomes.record.OutcomeRows.ChangesLostException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Tests of {@link OutcomeChanges} while rows are removed. */
final class OutcomeChangesTest {
    private static final Instant NOW = Instant.parse("2026-11-20T10:00:00Z");
    private static final int ROWS = 300;

    private final MemoryRecord record = new MemoryRecord();

    @AfterEach
    void close() {
        record.close();
    }

    /** Returns a record in which all rows except the newest are removed after the first read of changes. */
    private RecordedOutcomes removingAfterTheFirstRead() {
        OutcomeRows rows = record.rows();
        OutcomeRows removing = (OutcomeRows) Proxy.newProxyInstance(
                OutcomeRows.class.getClassLoader(), new Class<?>[] {OutcomeRows.class}, (proxy, method, arguments) -> {
                    try {
                        Object result = method.invoke(rows, arguments);
                        while (method.getName().equals("changes") && rows.sweep(NOW.plusSeconds(ROWS))) {
                            // repeats until nothing is left to remove
                        }
                        return result;
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
        return new RecordedOutcomes(
                removing, true, Optional::empty, () -> false, new ChangedShards(removing, () -> NOW));
    }

    @Test
    void next_rowsAreRemovedMeanwhile_returnsWhatWasRead() throws Exception {
        for (int epoch = 1; epoch <= ROWS; epoch++) {
            record.add("a", epoch, "accepted", "", NOW.plusSeconds(epoch));
        }

        Part part = new OutcomeChanges(removingAfterTheFirstRead(), OutcomeQuery.ALL, "").next(1_000, Long.MAX_VALUE);

        assertThat(part.events()).extracting(Event::kind).hasSize(100).containsOnly("outcome");
        assertThat(part.hasMore()).isTrue();
        assertThatThrownBy(() -> new OutcomeChanges(record.outcomes(), OutcomeQuery.ALL, part.cursor()).next(1, 1))
                .isInstanceOf(ChangesLostException.class)
                .hasMessageContaining("compacted");
        assertThat(new OutcomeChanges(record.outcomes(), OutcomeQuery.ALL, "")
                        .next(1_000, Long.MAX_VALUE)
                        .events())
                .hasSize(1);
    }
}
