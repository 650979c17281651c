// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.embedded.EmbeddedStore;
import dev.flk.backend.outcomes.record.OutcomeRows.Change;
import dev.flk.backend.outcomes.record.OutcomeRows.ChangesLostException;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.PlacedReview;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.view.RocksView;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.rocksdb.WriteBatch;

/** Tests of {@link EmbeddedRows}. */
class EmbeddedRowsTest extends OutcomeRowsContract {
    @TempDir
    private Path directory;

    private final Map<String, RocksView> views = new HashMap<>();

    @Override
    protected OutcomeRows open(String name) {
        RocksView before = views.remove(name);
        if (before != null) {
            before.close();
        }
        RocksView view = EmbeddedStore.openView(directory.resolve(name), 0, System::nanoTime, () -> {});
        views.put(name, view);
        EmbeddedRows rows = new EmbeddedRows(view, new Random());
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
        rows.sync();
    }

    private static List<Long> epochs(List<Change> changes) {
        return changes.stream().map(change -> change.changed().key().epoch()).toList();
    }

    /** Log and rows of a machine are put back to an earlier day, and the same sequences get other certificates. */
    @Test
    void changes_logAndRowsAreOlderCopies_refuseTheCursorOfALostVersion() throws Exception {
        String third = derived("lost", 1, 2, -2).newest();
        List<Change> all = derived("lost-too", 1, 2, -2).changes("", 10);
        OutcomeRows older = derived("older", 1, 2);

        for (String cursor : List.of(third, all.get(2).cursor())) {
            assertThat(older.changes(cursor, 10)).isEmpty();
        }
        add(older, 3, -1, 5);
        OutcomeRows hole = derived("hole", 1, 2);
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

    /** A shard may be compared just after a loss of DEDUP_DIR, or after the last certificate has expired. */
    @Test
    void shapes_noVersionIsLeft_areNone() {
        OutcomeRows empty = open("empty");
        empty.apply(new Group(new Position("log", 1, ""), List.of(), List.of(), Map.of()));
        empty.sync();

        assertThat(empty.shapes("shard", 51)).isEmpty();
    }

    /** After a loss of DEDUP_DIR, a cursor stays valid; a follower only has to wait until the log is read. */
    @Test
    void changes_rowsAreLost_cursorWaitsForTheLog() throws Exception {
        String second = derived("before", 1, -1).newest();
        OutcomeRows empty = open("after");

        assertThatThrownBy(() -> empty.changes(second, 10))
                .isInstanceOf(RecordUnavailableException.class)
                .hasMessageContaining("nothing has been read from the log yet");
        add(empty, 1, 1);
        assertThat(empty.changes(second, 10)).isEmpty();
        add(empty, 2, -1, 3);
        assertThat(epochs(empty.changes(second, 10))).containsExactly(3L);
    }

    /** Rows of an earlier format are derived from the log again; what shares the database with them stays. */
    @ParameterizedTest
    @ValueSource(ints = {0, 1})
    void reopen_rowsOfAnEarlierFormat_areRemoved_andTheIdsStay(int format) throws Exception {
        byte[] id = new byte[32];
        derived("earlier", 1, 2);
        byte[] meta = new byte[36 + format];
        meta[0] = (byte) format;
        overwriteMeta(views.get("earlier"), meta, id);
        OutcomeRows before = open("earlier");

        assertThat(before.position("log")).isEmpty();
        assertThat(before.shards("", null, 9)).isEmpty();
        assertThat(views.get("earlier").<byte[]>use(opened -> opened.rocks().get(id)))
                .isNotNull();
        add(before, 1, 1, 2);
        assertThat(before.changes("", 10)).hasSize(2);
    }

    @Test
    void rowsOfALaterFormat_areRefused_andNothingIsSetAside() throws Exception {
        derived("later", 1);
        byte[] meta = new byte[37];
        meta[0] = 3;
        overwriteMeta(views.get("later"), meta, new byte[32]);
        OutcomeRows later = open("later");

        assertThatThrownBy(() -> later.position("log"))
                .isInstanceOf(RecordUnavailableException.class)
                .hasMessageContaining("format 3, not 2: a later version has written them; start that version");
        assertThat(views.get("later").isSpoiled()).isFalse();
    }

    private static void overwriteMeta(RocksView view, byte[] meta, byte[] id) {
        view.use(opened -> {
            try (WriteBatch batch = new WriteBatch()) {
                batch.put(opened.family(1), RowFormat.META_KEY, meta);
                batch.put(id, new byte[] {1});
                opened.write(batch);
            }
            return opened;
        });
    }

    @AfterEach
    void closeViews() {
        views.values().forEach(RocksView::close);
    }
}
