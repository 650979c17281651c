// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.OutcomeRows.Change;
import dev.flk.backend.outcomes.record.OutcomeRows.ChangesLostException;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.PlacedReview;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRowsContract;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of {@link DuckRows}. */
class DuckRowsTest extends OutcomeRowsContract {
    @TempDir
    private Path directory;

    @Override
    protected OutcomeRows open(String name) {
        DuckRows rows = new DuckRows(directory.resolve(name + ".duckdb"), null, new Random());
        rows.reopen();
        return rows;
    }

    /**
     * Returns rows of which each outcome has the next sequence in the log, beginning at 1; -1 is a review of outcome 1.
     */
    private OutcomeRows derived(String name, int... numbers) {
        OutcomeRows derived = open(name);
        add(derived, 1, numbers);
        return derived;
    }

    private static void add(OutcomeRows rows, long sequence, int... numbers) {
        for (int i = 0; i < numbers.length; i++) {
            long each = sequence + i;
            Outcome outcome = outcome("shard", Math.abs(numbers[i]));
            rows.apply(new Group(
                    new Position("log", each, ""),
                    numbers[i] < 0 ? List.of() : List.of(new Placed(each, outcome.version())),
                    numbers[i] < 0
                            ? List.of(new PlacedReview(each, review(outcome.row(), each, Review.Verdict.FAULT)))
                            : List.of(),
                    Map.of()));
        }
    }

    private static List<Long> epochs(List<Change> changes) {
        return changes.stream().map(change -> change.changed().key().epoch()).toList();
    }

    /** Log and rows of a machine are put back to an earlier day, and the same sequences get other certificates. */
    @Test
    void changes_logAndRowsAreOlderCopies_refuseTheCursorOfALostVersion() throws Exception {
        List<Change> all;
        String third;
        try (OutcomeRows lost = derived("lost", 1, 2, -2)) {
            third = lost.newest();
            all = lost.changes("", 10);
        }
        try (OutcomeRows older = derived("older", 1, 2);
                OutcomeRows hole = derived("hole", 1, 2)) {
            for (String cursor : List.of(third, all.get(2).cursor())) {
                assertThat(older.changes(cursor, 10)).isEmpty();
            }
            add(older, 3, -1, 5);
            add(hole, 4, 4); // the third record of the log led to no version
            for (String cursor : List.of(third, all.get(2).cursor())) {
                for (OutcomeRows rows : List.of(older, hole)) {
                    assertThatThrownBy(() -> rows.changes(cursor, 10))
                            .isInstanceOf(ChangesLostException.class)
                            .hasMessageContaining("history changed");
                }
            }
            assertThat(epochs(older.changes(all.get(1).cursor(), 10))).containsExactly(1L, 5L);
        }
    }

    /** After a loss of DEDUP_DIR, a cursor stays valid; a follower only has to wait until the log is read. */
    @Test
    void changes_rowsAreLost_cursorWaitsForTheLog() throws Exception {
        String second;
        try (OutcomeRows before = derived("before", 1, -1)) {
            second = before.newest();
        }
        try (OutcomeRows empty = open("after")) {
            assertThatThrownBy(() -> empty.changes(second, 10))
                    .isInstanceOf(RecordUnavailableException.class)
                    .hasMessageContaining("nothing has been read from the log yet");
            add(empty, 1, 1);
            assertThat(empty.changes(second, 10)).isEmpty();
            add(empty, 2, -1, 3);
            assertThat(epochs(empty.changes(second, 10))).containsExactly(3L);
        }
    }

    /** A shard may be compared just after a loss of DEDUP_DIR, or after the last certificate has expired. */
    @Test
    void shapes_noVersionIsLeft_areNone() {
        try (OutcomeRows empty = derived("empty")) {
            assertThat(empty.shapes(List.of("shard"), 51)).isEqualTo(Map.of("shard", List.of()));
        }
    }

    /** As when a question meets a failure of the disk: the next group must not be added to what may be missing. */
    @Test
    void rows_afterTheyWereClosed_failUntilTheyAreOpenedAgain() {
        OutcomeRows rows = derived("closed", 1);
        rows.add(new Group(
                new Position("log", 2, ""),
                List.of(new Placed(2, outcome("shard", 2).version())),
                List.of(),
                Map.of()));
        rows.close();

        assertThatThrownBy(() -> add(rows, 3, 3)).isInstanceOf(RecordUnavailableException.class);
        assertThatThrownBy(rows::sync).isInstanceOf(RecordUnavailableException.class);
        assertThatThrownBy(() -> rows.shards("", null, 9)).isInstanceOf(RecordUnavailableException.class);
        rows.reopen();
        assertThat(rows.position("log")).contains(new Position("log", 1, ""));
        rows.close();
    }

    /** The filter of ids is made anew from all rows, while some of them are not committed. */
    @Test
    void add_moreRowsThanTheFilterOfIdsHasRoomFor_areAdded() {
        int groups = 50;
        int size = 500;
        try (OutcomeRows rows = open("many")) {
            for (int first = 1; first <= groups * size; first += size) {
                List<Placed> placed = IntStream.range(first, first + size)
                        .mapToObj(
                                each -> new Placed(each, outcome("shard", each).version()))
                        .toList();
                rows.add(new Group(new Position("log", first + size - 1, ""), placed, List.of(), Map.of()));
            }
            rows.sync();

            long[] ever = {0, Long.MAX_VALUE};
            assertThat(rows.count(OutcomeQuery.ALL, ever).total()).isEqualTo((long) groups * size);
        }
    }
}
