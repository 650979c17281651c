// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.embedded.EmbeddedStore;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.PlacedReview;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.view.RocksView;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of rows whose files are damaged. */
class RowSalvageTest {
    private static final Instant START = Instant.parse("2026-11-01T00:00:00Z");
    private static final String LOG = "log-1";

    @TempDir
    private Path directory;

    private RocksView view;
    private EmbeddedRows rows;

    @BeforeEach
    void openNew() {
        open();
        rows.reopen();
    }

    private void open() {
        view = EmbeddedStore.openView(directory, 0, System::nanoTime, () -> {});
        rows = new EmbeddedRows(view, new Random());
    }

    @AfterEach
    void close() {
        view.close();
    }

    private static Version version(int number, String verdict) {
        return OutcomeRowsContract.outcome("shard-" + number % 5, number)
                .with(verdict)
                .received(START.plusSeconds(number))
                .version();
    }

    /** Applies outcomes at the places of their numbers, and writes them as one table. */
    private void apply(int from, int to, String verdict) {
        List<Placed> placed = IntStream.range(from, to)
                .mapToObj(number -> new Placed(number + 1, version(number, verdict)))
                .toList();
        rows.apply(new Group(new Position(LOG, to, ""), placed, List.of(), Map.of()));
        rows.sync();
    }

    /** Returns the first file that has this in its name. */
    private Path file(String part) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.sorted()
                    .filter(file -> String.valueOf(file.getFileName()).contains(part))
                    .findFirst()
                    .orElseThrow();
        }
    }

    /** Damages a file, and uses the rows until they are set aside. */
    private void damage(Path file) throws IOException {
        view.close();
        byte[] bytes = Files.readAllBytes(file);
        for (int at = 0; at < bytes.length; at += 64) {
            bytes[at] ^= 0x55;
        }
        Files.write(file, bytes);
        open();
        assertThatThrownBy(this::everything).isInstanceOf(RecordUnavailableException.class);
        rows.reopen();
        assertThat(rows.position(LOG)).isEmpty();
        assertThat(rows.isIncomplete()).isTrue();
    }

    private List<Version> everything() {
        List<Version> all = new ArrayList<>();
        for (int number = 0; number < 600; number++) {
            all.addAll(rows.versions(version(number, "accepted").key(), 10));
        }
        return all;
    }

    @Test
    void manifestDamaged_allRowsAreCopied() throws IOException {
        apply(0, 300, "accepted");
        apply(300, 500, "rejected");
        List<Version> before = everything();
        damage(file("MANIFEST"));

        rows.salvage(START, () -> true);

        assertThat(everything()).isEqualTo(before);
        assertThat(rows.notes(OutcomeRows.GAPS)).isEmpty();
        assertThat(rows.isIncomplete()).isFalse();
        assertThat(view.setAsidePath())
                .satisfiesAnyOf(
                        path -> assertThat(path).doesNotExist(),
                        path -> assertThat(view.isSetAsideKept()).isFalse());
    }

    @Test
    void tableDamaged_theOthersAreCopied_andTheGapIsNamed() throws IOException {
        apply(0, 300, "accepted");
        Path damaged = file(".sst");
        apply(300, 500, "accepted");
        damage(damaged);

        rows.salvage(START, () -> true);

        assertThat(everything())
                .containsExactlyElementsOf(IntStream.range(300, 500)
                        .mapToObj(number -> version(number, "accepted"))
                        .toList());
        assertThat(rows.notes(OutcomeRows.GAPS))
                .hasSize(1)
                .allSatisfy((name, text) -> assertThat(text).contains("damaged table " + damaged.getFileName()));
    }

    /** What the log has led to again stays; outcomes that are too old are not copied. */
    @Test
    void rowsOfTheLogAndOldRows_areNotCopied() throws IOException {
        apply(0, 100, "accepted");
        damage(file("MANIFEST"));
        apply(90, 100, "escalated");

        rows.salvage(START.plusSeconds(50), () -> true);

        assertThat(everything())
                .containsExactlyElementsOf(IntStream.range(50, 100)
                        .mapToObj(number -> version(number, number < 90 ? "accepted" : "escalated"))
                        .toList());
    }

    /** Reviews are copied unless they are too old, also those whose rows the log has led to again. */
    @Test
    void reviews_areCopied() throws IOException {
        apply(0, 100, "escalated");
        List<Reviewed> reviews = IntStream.range(0, 100)
                .mapToObj(number -> new Reviewed(
                        version(number, "escalated").key(),
                        new Review(
                                1,
                                Review.Verdict.FAULT,
                                "",
                                "",
                                START.plusSeconds(number).toString())))
                .toList();
        rows.apply(new Group(
                new Position(LOG, 200, ""),
                List.of(),
                IntStream.range(0, 100)
                        .mapToObj(number -> new PlacedReview(number + 101, reviews.get(number)))
                        .toList(),
                Map.of()));
        rows.sync();
        damage(file("MANIFEST"));
        apply(90, 100, "escalated");
        assertThat(rows.waiting(1_000)).hasSize(10);

        rows.salvage(START.plusSeconds(50), () -> true);

        assertThat(rows.reviewed(null, 1_000).reviews()).containsExactlyInAnyOrderElementsOf(reviews.subList(50, 100));
        assertThat(rows.waiting(1_000)).isEmpty();
    }

    /** As when a dedup store that shares the files has met a failure first. */
    @Test
    void filesOpenedAgainByAnotherUser_writesFailUntilThePositionIsRead() {
        apply(0, 100, "accepted");
        List<Placed> next = List.of(new Placed(101, version(100, "accepted")));
        rows.apply(new Group(new Position(LOG, 200, ""), next, List.of(), Map.of()));
        view.use(opened -> {
            view.spoil(opened.number(), "test");
            return true;
        });
        view.reopenIfNeeded();

        assertThatThrownBy(() -> apply(200, 300, "accepted")).isInstanceOf(RecordUnavailableException.class);
        assertThatThrownBy(rows::sync).isInstanceOf(RecordUnavailableException.class);
        assertThatThrownBy(() -> rows.sweep(START)).isInstanceOf(RecordUnavailableException.class);

        rows.reopen();
        assertThat(rows.position(LOG)).isEmpty();
        apply(0, 100, "accepted");
        assertThat(everything()).hasSize(100);
    }

    /** A copy that was interrupted is made again. */
    @Test
    void salvage_repeated_changesNothing() throws IOException {
        apply(0, 100, "accepted");
        List<Placed> later = IntStream.range(0, 100)
                .mapToObj(number -> new Placed(number + 101, version(number, "rejected")))
                .toList();
        rows.apply(new Group(new Position(LOG, 200, ""), later, List.of(), Map.of()));
        rows.sync();
        List<Version> before = everything();
        damage(file("MANIFEST"));

        new RowSalvage(rows, START, () -> true).copy(view.setAsidePath());
        new RowSalvage(rows, START, () -> true).copy(view.setAsidePath());
        assertThatThrownBy(() -> rows.salvage(START, () -> false)).isInstanceOf(RecordUnavailableException.class);

        assertThat(everything()).isEqualTo(before);
    }
}
