// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.outcomes.record.OutcomeRows.Changed;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.PlacedReview;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.PriorityQueue;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.rocksdb.Options;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDBException;
import org.rocksdb.SstFileReader;
import org.rocksdb.SstFileReaderIterator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Copies rows from files that were set aside because they were damaged. Reads the tables themselves, each on its own, so
 * that the damage of one file hides nothing in the others. Copies each version in its order; what the log has led to
 * again is not replaced. A copy that is repeated changes nothing.
 */
final class RowSalvage {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.record");
    private static final int COPIED_AT_ONCE = 500;
    private static final byte[] FIRST = RowFormat.rowKey(0);

    private final OutcomeRows rows;
    private final Instant oldest;
    private final BooleanSupplier continues;
    private final Map<String, String> gaps = new LinkedHashMap<>();
    private final List<Placed> batch = new ArrayList<>();
    private final List<PlacedReview> reviews = new ArrayList<>();
    private long copied;

    /**
     * @param oldest the arrival of the oldest outcome that is still kept
     * @param continues asked before each part; the copy ends if it returns false
     */
    RowSalvage(OutcomeRows rows, Instant oldest, BooleanSupplier continues) {
        this.rows = rows;
        this.oldest = oldest;
        this.continues = continues;
    }

    /** Copies all rows that can be read. Names each file that can't be read completely as a gap. */
    void copy(Path aside) throws IOException {
        List<Path> tables;
        try (Stream<Path> files = Files.list(aside)) {
            tables = files.filter(file -> file.toString().endsWith(".sst"))
                    .sorted()
                    .toList();
        }
        PriorityQueue<Table> open = new PriorityQueue<>(Comparator.comparing(Table::key, Arrays::compareUnsigned));
        try (Options options = new Options()) {
            for (Path file : tables) {
                advance(new Table(file, options), open);
            }
            while (!open.isEmpty()) {
                Table table = open.remove();
                add(table);
                advance(table, open);
            }
        } finally {
            open.forEach(Table::close);
        }
        apply();
        LOG.warn(
                "{} versions of outcomes and reviews were copied from {} to the record; {}",
                copied,
                aside,
                gaps.isEmpty() ? "all its tables could be read" : gaps.size() + " of its tables could not be read");
    }

    /** Moves a table to its next version, and adds it to the open ones if it has one. */
    private void advance(Table table, PriorityQueue<Table> open) {
        boolean isFound = false;
        try {
            isFound = table.advance();
        } catch (RocksDBException e) {
            cantRead(table, e);
        }
        if (isFound) {
            open.add(table);
        } else {
            table.close();
        }
    }

    private void cantRead(Table table, Exception e) {
        String name = String.valueOf(table.file.getFileName());
        gaps.put(
                OutcomeRows.GAPS + "set-aside/" + name,
                "outcomes in the damaged table " + name + ", which the log no longer has");
        LOG.error("outcomes in {} can't be read, and may be missing from the record: {}", table.file, e.toString());
    }

    private void add(Table table) {
        Changed changed;
        try {
            changed = RowFormat.decode(table.value());
        } catch (IllegalArgumentException e) {
            cantRead(table, e);
            return;
        }
        if (changed instanceof Version version && version.outcome().receivedMillis() >= oldest.toEpochMilli()) {
            batch.add(new Placed(0, version));
        } else if (changed instanceof Reviewed review && review.atMillis() >= oldest.toEpochMilli()) {
            reviews.add(new PlacedReview(0, review));
        }
        if (batch.size() + reviews.size() == COPIED_AT_ONCE) {
            apply();
        }
    }

    private void apply() {
        if (!continues.getAsBoolean()) {
            throw new RecordUnavailableException(
                    "the copy of the files that were set aside is interrupted, and will begin again", null);
        }
        rows.apply(new Group(null, List.copyOf(batch), List.copyOf(reviews), gaps));
        copied += batch.size() + reviews.size();
        batch.clear();
        reviews.clear();
    }

    /** The versions in one table. A table of another family has none. */
    private static final class Table implements AutoCloseable {
        private final Path file;
        private final SstFileReader reader;
        private final ReadOptions checked = new ReadOptions().setVerifyChecksums(true);
        private @Nullable SstFileReaderIterator iterator;

        Table(Path file, Options options) {
            this.file = file;
            this.reader = new SstFileReader(options);
        }

        /** Moves to the next version; returns whether there is one. */
        boolean advance() throws RocksDBException {
            SstFileReaderIterator open = iterator;
            if (open == null) {
                reader.open(file.toString());
                open = reader.newIterator(checked);
                iterator = open;
                open.seek(FIRST);
            } else {
                open.next();
            }
            while (open.isValid() && open.key()[0] == 'r' && open.key().length != FIRST.length) {
                open.next(); // an id of the dedup store
            }
            open.status();
            return open.isValid() && open.key()[0] == 'r';
        }

        private SstFileReaderIterator current() {
            return Objects.requireNonNull(iterator, "advanced");
        }

        byte[] key() {
            return current().key();
        }

        byte[] value() {
            return current().value();
        }

        @Override
        public void close() {
            if (iterator != null) {
                iterator.close();
            }
            checked.close();
            reader.close();
        }
    }
}
