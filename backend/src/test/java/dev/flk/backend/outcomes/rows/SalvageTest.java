// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.record.MemoryRecord;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.PlacedReview;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.Rows;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.Random;
import java.util.stream.IntStream;
import org.duckdb.DuckDBDriver;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the copy of rows from a file that was set aside. */
class SalvageTest {
    private static final Instant START = Instant.parse("2026-11-01T00:00:00Z");
    private static final String LOG = "log-1";
    private static final int MANY = 6_000;

    private static final int HEADER_BYTES = 3 * 4_096;
    private static final int BLOCK_BYTES = 1 << 18;

    @TempDir
    private Path directory;

    private Path file;
    private DuckRows rows;

    @BeforeEach
    void open() {
        file = directory.resolve("record.duckdb");
        rows = new DuckRows(file, null, new Random());
        rows.reopen();
    }

    @AfterEach
    void close() {
        rows.close();
    }

    /** Returns an outcome whose reason can't be compressed. */
    private static Version version(int number, String verdict) {
        byte[] noise = new byte[100];
        new Random(number).nextBytes(noise);
        return MemoryRecord.version(
                "shard-" + number % 5,
                number,
                verdict,
                "r out of bounds: " + HexFormat.of().formatHex(noise),
                START.plusSeconds(number),
                Map.of(),
                "%08x".formatted(number).repeat(8));
    }

    private static List<Version> versions(int from, int to, String verdict) {
        return IntStream.range(from, to)
                .mapToObj(number -> version(number, verdict))
                .toList();
    }

    /** Applies outcomes at the places of their numbers. */
    private void apply(int from, int to, String verdict) {
        List<Placed> placed = new ArrayList<>();
        for (Version each : versions(from, to, verdict)) {
            placed.add(new Placed(each.key().epoch() + 1, each));
        }
        rows.apply(new Group(new Position(LOG, to, ""), placed, List.of(), Map.of()));
    }

    private static Reviewed review(int number, long version) {
        Instant at = START.plusSeconds(number);
        return new Reviewed(
                version(number, "escalated").key(),
                new Review(version, Review.Verdict.FAULT, "note", "author", at.toString()));
    }

    private void apply(long sequence, List<Reviewed> reviews) {
        List<PlacedReview> placed = new ArrayList<>();
        for (Reviewed each : reviews) {
            placed.add(new PlacedReview(sequence + placed.size(), each));
        }
        rows.apply(new Group(new Position(LOG, sequence + placed.size(), ""), List.of(), placed, Map.of()));
    }

    /** Sets the file aside, and opens an empty one. */
    private void setAside() throws IOException {
        rows.close();
        new RowsFile(file).setAside("test");
        rows.reopen();
        assertThat(rows.position(LOG)).isEmpty();
        assertThat(rows.isIncomplete()).isTrue();
    }

    private Path sibling(String end) {
        return directory.resolve("record.duckdb" + end);
    }

    private List<Version> current() {
        List<Version> current = new ArrayList<>();
        OutcomeQuery wanted = OutcomeQuery.ALL.withOrder(Order.OLDEST);
        Rows part = rows.find(wanted);
        while (current.addAll(part.rows()) && part.cursor() != null) {
            part = rows.find(wanted.withCursor(part.cursor()));
        }
        return current;
    }

    @Test
    void goodFile_versionsAndReviewsAreCopied_andItIsRemoved() throws IOException {
        apply(0, 100, "escalated");
        apply(200, 250, "accepted");
        rows.apply(new Group(
                new Position(LOG, 300, ""), List.of(new Placed(300, version(5, "rejected"))), List.of(), Map.of()));
        apply(301, List.of(review(1, 1), review(1, 2), review(2, 1)));
        List<Version> before = current();
        setAside();

        rows.salvage(START, () -> true);

        assertThat(current()).isEqualTo(before);
        assertThat(rows.versions(version(5, "rejected").key(), 9))
                .containsExactly(version(5, "rejected"), version(5, "escalated"));
        assertThat(rows.reviews(review(1, 1).key(), 9))
                .containsExactly(review(1, 2).review(), review(1, 1).review());
        assertThat(rows.waiting(1_000)).hasSize(98);
        assertThat(rows.notes(OutcomeRows.GAPS)).isEmpty();
        assertThat(rows.isIncomplete()).isFalse();
        assertThat(sibling(".damaged")).doesNotExist();
        assertThat(sibling(".unreadable")).doesNotExist();
    }

    /** What the log has led to again stays; outcomes and reviews that are too old are not copied. */
    @Test
    void whatTheLogHasLedToAgain_isNotReplaced_andOldRowsAreNotCopied() throws IOException {
        apply(0, 100, "escalated");
        apply(200, IntStream.range(0, 100).mapToObj(each -> review(each, 1)).toList());
        setAside();
        apply(90, 100, "rejected");
        assertThat(rows.waiting(1_000)).hasSize(10);

        rows.salvage(START.plusSeconds(50), () -> true);

        List<Version> expected = new ArrayList<>(versions(50, 90, "escalated"));
        expected.addAll(versions(90, 100, "rejected"));
        assertThat(current()).isEqualTo(expected);
        assertThat(rows.reviewed(null, 1_000).reviews()).hasSize(50);
        assertThat(rows.waiting(1_000)).isEmpty();
    }

    @Test
    void copyInterruptedOften_isRepeatedWithoutDoubles_andNotGivenUp() throws Exception {
        apply(0, 3_000, "escalated");
        apply(0, 10, "rejected");
        apply(4_000, List.of(review(1, 1), review(1, 2)));
        int before = rows.changes("", 10_000).size();
        setAside();
        for (int i = 0; i < 4; i++) { // more often than a copy may end the process
            int[] parts = {0};
            assertThatThrownBy(() -> rows.salvage(START, () -> parts[0]++ < 1))
                    .isInstanceOf(RecordUnavailableException.class)
                    .hasMessageContaining("will begin again");
            assertThat(rows.isIncomplete()).isTrue();
        }
        rows.salvage(START, () -> true);

        assertThat(rows.changes("", 10_000)).hasSize(before);
        assertThat(rows.isIncomplete()).isFalse();
    }

    @Test
    void blockDamaged_rowsAroundItAreCopied_andTheGapIsNamed() throws Exception {
        apply(0, MANY, "escalated");
        setAside();
        damageReasonOf(MANY / 2, sibling(".damaged"));

        rows.salvage(START, () -> true);

        assertThat(current()).hasSizeBetween(2_000, MANY - 1_000).isSubsetOf(versions(0, MANY, "escalated"));
        assertThat(rows.notes(OutcomeRows.GAPS))
                .containsEntry(
                        OutcomeRows.GAPS + "set-aside/outcomes-2000",
                        "outcomes in the damaged file record.duckdb.damaged, which the log no longer has");
        assertThat(rows.isIncomplete()).isFalse();
        assertThat(sibling(".unreadable")).exists();
    }

    /** Most blocks are not read when a file is opened. */
    @Test
    void blockFoundDamagedByAQuestion_fileIsSetAsideByTheNextOpening() throws Exception {
        apply(0, MANY, "escalated");
        rows.close();
        damageReasonOf(MANY / 2, file);
        rows.reopen();
        assertThat(rows.isIncomplete()).isFalse();

        assertThatThrownBy(this::current).isInstanceOf(RecordUnavailableException.class);
        assertThatThrownBy(rows::sync).isInstanceOf(RecordUnavailableException.class);
        rows.reopen();

        assertThat(rows.isIncomplete()).isTrue();
        assertThat(rows.position(LOG)).isEmpty();
    }

    /** Changes a byte in the block that has the reason of a row. */
    private static void damageReasonOf(int row, Path damaged) throws Exception {
        Long block;
        try (Connection connection = new DuckDBDriver().connect("jdbc:duckdb:" + damaged, new Properties())) {
            block = RowSql.first(
                    connection,
                    "SELECT block_id FROM pragma_storage_info('flk_record_outcomes') WHERE column_name = 'reason'"
                            + " AND segment_type = 'VARCHAR' AND start <= ? AND start + count > ?",
                    found -> found.getLong(1),
                    row,
                    row);
        }
        byte[] bytes = Files.readAllBytes(damaged);
        bytes[HEADER_BYTES + Objects.requireNonNull(block).intValue() * BLOCK_BYTES + BLOCK_BYTES / 2] ^= 0x55;
        Files.write(damaged, bytes);
    }

    @Test
    void fileIsNoDatabase_isAGap_andTheRecordGoesOn() throws IOException {
        apply(0, 100, "accepted");
        setAside();
        Files.writeString(sibling(".damaged"), "garbage");

        rows.salvage(START, () -> true);
        apply(0, 10, "accepted");

        assertThat(current()).hasSize(10);
        assertThat(rows.notes(OutcomeRows.GAPS)).isNotEmpty();
        assertThat(rows.isIncomplete()).isFalse();
        assertThat(sibling(".unreadable")).hasContent("garbage");
    }

    /** As when the library crashes at a block. */
    @Test
    void processEndedThreeTimesWithinTheCopy_isAGap() throws IOException {
        apply(0, 100, "accepted");
        setAside();
        Files.writeString(sibling(".salvaging"), "3");

        rows.salvage(START, () -> true);

        assertThat(rows.notes(OutcomeRows.GAPS)).hasSize(1);
        assertThat(sibling(".salvaging")).doesNotExist();
        assertThat(sibling(".unreadable")).exists();
    }
}
