// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.outcomes.embedded.EmbeddedStore;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.testkit.DirectoryTree;
import dev.flk.view.RocksView;
import dev.flk.view.ViewUnavailableException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.MutableColumnFamilyOptions;
import org.rocksdb.MutableDBOptions;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.Status;
import org.rocksdb.Status.Code;
import org.rocksdb.Status.SubCode;
import org.rocksdb.WriteBatch;

final class EmbeddedStoreTest extends DedupStoreContract {
    private static final String LOG_ID = "0123456789abcdef0123456789abcdef";
    private static final int OUTCOMES = 500;

    private long seconds;
    private int setAside;

    @Override
    DedupStore open() {
        return open(directory.resolve("dedup"), LOG_ID);
    }

    /** Returns a monotonic time that advances by 3 s per call, so that failures are some seconds apart. */
    private long nanos() {
        return TimeUnit.SECONDS.toNanos(seconds += 3);
    }

    private EmbeddedStore open(Path where, String logId) {
        return open(EmbeddedStore.openView(where, 0, this::nanos, () -> setAside++), logId);
    }

    private EmbeddedStore open(RocksView view, String logId) {
        EmbeddedStore opened = new EmbeddedStore(view);
        opened.belongsTo(logId, false, this::now);
        return opened;
    }

    @Test
    void closed_isDurableWithItsPosition() {
        put(41, recorded(1, "first"));
        store.close();
        store.close();
        store = open();
        assertThat(connect()).hasValue(41);
        assertThat(get(id(1))).containsExactly(Optional.of(recorded(1, "first")));
    }

    @Test
    void killed_keepsOutcomesAndPositionTogether() throws IOException {
        put(1, recorded(1, "flushed"));
        store.sync();
        put(2, recorded(2, "not flushed"));
        try (DedupStore survivor = killed(LOG_ID)) {
            assertThat(survivor.connect().toCompletableFuture().join()).hasValue(1);
            assertThat(survivor.get(List.of(id(1), id(2))).toCompletableFuture().join())
                    .containsExactly(Optional.of(recorded(1, "flushed")), Optional.empty());
        }
    }

    @Test
    void killedBeforeAnyFlush_knowsItsLog_andHasNoPosition() throws IOException {
        put(1, recorded(1, "not flushed"));
        try (EmbeddedStore survivor = killed(LOG_ID)) {
            assertThat(survivor.logId()).hasValue(LOG_ID);
            assertThat(survivor.connect().toCompletableFuture().join()).isEmpty();
        }
    }

    @Test
    void killedAfterASetAside_knowsItsLog() throws IOException {
        put(41, recorded(1, "theirs"));
        store.close();
        String other = "f".repeat(32);
        store = open(directory.resolve("dedup"), other);
        assertThat(connect()).isEmpty();
        put(1, recorded(1, "not flushed"));
        try (EmbeddedStore survivor = killed(other)) {
            assertThat(survivor.logId()).hasValue(other);
            assertThat(survivor.connect().toCompletableFuture().join()).isEmpty();
        }
        assertThat(setAside).isEqualTo(1);
    }

    /** Simulates a kill with a copy of the files, which has the content that a killed process would leave. */
    private EmbeddedStore killed(String logId) throws IOException {
        Path copy = directory.resolve("killed");
        DirectoryTree.copy(directory.resolve("dedup"), copy);
        return open(copy, logId);
    }

    @Test
    void emptyNewLog_takesTheStoreOverWithItsOutcomes() throws IOException {
        put(41, recorded(1, "first"));
        store.close();
        String other = "f".repeat(32);
        EmbeddedStore taken =
                new EmbeddedStore(EmbeddedStore.openView(directory.resolve("dedup"), 0, this::nanos, () -> setAside++));
        taken.belongsTo(other, true, this::now);
        store = taken;

        assertThat(connect()).isEmpty();
        assertThat(get(id(1))).containsExactly(Optional.of(recorded(1, "first")));
        try (EmbeddedStore survivor = killed(other)) {
            assertThat(survivor.connect().toCompletableFuture().join())
                    .as("not the position in the other log")
                    .isEmpty();
            assertThat(survivor.get(List.of(id(1))).toCompletableFuture().join())
                    .containsExactly(Optional.of(recorded(1, "first")));
        }
        put(3, recorded(2, "second"));
        store.close();
        store = open(directory.resolve("dedup"), other);

        assertThat(connect()).hasValue(3);
        assertThat(get(id(1))).containsExactly(Optional.of(recorded(1, "first")));
        assertThat(setAside).isZero();
    }

    @Test
    void position_canGoBack() {
        put(50, recorded(1, "first"));
        put(7);
        assertThat(connect()).hasValue(7);
        assertThat(get(id(1))).containsExactly(Optional.of(recorded(1, "first")));
    }

    @Test
    void sweep_repeatedly_removesExpired() {
        for (int i = 0; i < 100; i++) {
            put(i, recorded(i, "body", nowMillis + (i % 2 == 0 ? 10 : 1_000)));
        }
        EmbeddedStore embedded = (EmbeddedStore) store;
        assertThat(embedded.sweep(1_000)).isZero();
        nowMillis += 10;
        int removed = 0;
        for (int i = 0; i < 6; i++) {
            removed += embedded.sweep(20);
        }
        assertThat(removed).isEqualTo(50);
        assertThat(get(id(1))).isNotEqualTo(List.of(Optional.empty()));
        assertThat(connect()).hasValue(99);
    }

    @Test
    void open_directoryInUse_namesItWithAdvice() {
        assertThatThrownBy(this::open)
                .isInstanceOf(StoreUnavailableException.class)
                .hasMessageContaining("can't open the embedded store in " + directory.resolve("dedup"))
                .hasMessageEndingWith("another process uses it; stop that, or choose another DEDUP_DIR");
    }

    @Test
    void used_afterClose_failsInsteadOfCrashing() {
        store.close();
        assertThat(store.get(List.of(id(1)))).isCompletedExceptionally();
        assertThat(store.putIfAbsent(List.of(recorded(1, "a")), 1)).isCompletedExceptionally();
        store = open();
    }

    @Test
    void storeOfAnotherLog_isSetAsideAndReplaced() {
        put(41, recorded(1, "theirs"));
        store.close();

        store = open(directory.resolve("dedup"), "f".repeat(32));

        assertThat(((EmbeddedStore) store).logId()).hasValue(LOG_ID);
        assertThat(connect()).isEmpty();
        assertThat(get(id(1))).containsExactly(Optional.empty());
        assertThat(directory.resolve("dedup/set-aside/CURRENT")).exists();
        put(1, recorded(1, "ours"));
        store.close();
        store = open(directory.resolve("dedup"), "f".repeat(32));
        assertThat(connect()).hasValue(1);
        assertThat(setAside).isEqualTo(1);
    }

    /** Opens a store of an earlier version, which wrote no log id, so that the position has only 8 bytes. */
    @Test
    void storeWithoutAnId_getsTheIdOfTheLog() throws RocksDBException {
        store.close();
        Path older = directory.resolve("older");
        try (Options options = new Options().setCreateIfMissing(true);
                RocksDB db = RocksDB.open(options, older.toString())) {
            db.put(new byte[] {0}, ByteBuffer.allocate(8).putLong(41).array());
            db.put(id(1).toBytes(), recorded(1, "first").encode());
        }
        store = open(older, LOG_ID);

        assertThat(((EmbeddedStore) store).logId()).isEmpty();
        assertThat(connect()).hasValue(41);
        assertThat(get(id(1))).containsExactly(Optional.of(recorded(1, "first")));
        put(42);
        store.close();
        store = open(older, LOG_ID);
        assertThat(((EmbeddedStore) store).logId()).hasValue(LOG_ID);
    }

    @Test
    void sweepStretch_diskNearlyFull_deletesTheCopyThatWasSetAside() {
        put(1);
        store.close();
        store = open(directory.resolve("dedup"), "f".repeat(32));
        assertThat(connect()).isEmpty();
        assertThat(directory.resolve("dedup/set-aside")).exists();
        store.close();
        EmbeddedStore without = open(
                EmbeddedStore.openView(directory.resolve("dedup"), Long.MAX_VALUE / 2, this::nanos, () -> setAside++),
                "f".repeat(32));
        store = without;
        without.sweepStretch(() -> false);
        assertThat(directory.resolve("dedup/set-aside")).doesNotExist();
    }

    @Test
    void rows_farBehindWithCompactions_doNotStallTheIds() {
        store.close();
        RocksView view = EmbeddedStore.openView(directory.resolve("dedup"), 0, this::nanos, () -> setAside++);
        store = open(view, LOG_ID);
        connect();
        view.use(open -> {
            ColumnFamilyHandle rows = open.family(1);
            open.rocks()
                    .setOptions(
                            rows,
                            MutableColumnFamilyOptions.builder()
                                    .setLevel0FileNumCompactionTrigger(1_000)
                                    .build());
            for (int file = 0; file < 30; file++) { // RocksDB slows down writes at 20 files by default
                try (WriteBatch batch = new WriteBatch()) {
                    batch.put(rows, new byte[] {(byte) file}, new byte[100]);
                    open.write(batch);
                }
                open.flush(List.of(rows));
            }
            assertThat(open.rocks().getLongProperty("rocksdb.actual-delayed-write-rate"))
                    .isZero();
            return open;
        });
        put(1, recorded(1, "not stalled"));
        assertThat(get(id(1))).containsExactly(Optional.of(recorded(1, "not stalled")));
    }

    /** A put that continued would store a position above outcomes that were lost when the files were opened again. */
    @Test
    void putIfAbsent_otherUserOpenedTheFilesAgain_failsUntilConnected() {
        store.close();
        Path dedup = directory.resolve("dedup");
        RocksView view = EmbeddedStore.openView(dedup, 0, this::nanos, () -> setAside++);
        store = open(view, LOG_ID);
        connect();
        put(1, recorded(1, "durable"));
        store.sync();
        put(2, recorded(2, "lost"));
        assertThatThrownBy(() -> view.use(other -> {
                    other.rocks()
                            .setDBOptions(MutableDBOptions.builder()
                                    .setAvoidFlushDuringShutdown(
                                            true) // loses what was not flushed, as a failing disk does
                                    .build());
                    throw new RocksDBException("the other user fails", new Status(Code.Busy, SubCode.None, ""));
                }))
                .isInstanceOf(ViewUnavailableException.class);
        view.reopenIfNeeded();

        assertThatThrownBy(() -> put(3, recorded(3, "next")))
                .hasCauseInstanceOf(StoreUnavailableException.class)
                .hasMessageEndingWith("the embedded store failed: its files were opened again");
        assertThatThrownBy(() -> get(id(1))).hasCauseInstanceOf(StoreUnavailableException.class);
        assertThatThrownBy(store::sync).isInstanceOf(StoreUnavailableException.class);
        assertThat(connect()).hasValue(1);
        assertThat(get(id(1), id(2), id(3)))
                .containsExactly(Optional.of(recorded(1, "durable")), Optional.empty(), Optional.empty());
        put(3, recorded(3, "next"));
        assertThat(connect()).hasValue(3);
    }

    /**
     * Flips one bit of a random byte of the store's files: every look-up must be correct or fail, and the store must
     * repair itself.
     */
    @Test
    void flippedByte_neverChangesAnAnswer() throws IOException {
        List<StoredOutcome> outcomes = new ArrayList<>();
        for (int i = 0; i < OUTCOMES; i++) {
            outcomes.add(recorded(i, "body " + i + " " + Long.toHexString(new Random(i).nextLong())));
            if (i % 100 == 99) {
                put(i, outcomes.subList(i - 99, i + 1).toArray(StoredOutcome[]::new));
                store.sync(); // creates one of five files
            }
        }
        store.close();
        Path complete = directory.resolve("dedup");
        List<Path> files = storeFiles(complete);
        long seed = Long.getLong("flk.seed", System.nanoTime());
        System.out.println("bytes are flipped with -Dflk.seed=" + seed);
        Random random = new Random(seed);
        long bytes = 0;
        for (Path file : files) {
            bytes += Files.size(file);
        }
        int flips = Integer.getInteger("flk.flips", 100);
        int[] ended = new int[3];
        for (int flip = 0; flip < flips; flip++) {
            Path copy = directory.resolve("flip");
            DirectoryTree.copy(complete, copy);
            long at = random.nextLong(bytes);
            int bit = 1 << random.nextInt(8);
            String where = flip(copy, files, at, bit);
            ended[lookUpAll(copy, outcomes, "flip " + flip + ", bit " + bit + " of " + where)]++;
            DirectoryTree.remove(copy);
        }
        System.out.println(
                ended[0] + " did not matter, " + ended[1] + " were met by a look-up, " + ended[2] + " at the start");
        assertThat(ended[1]).isPositive();
        assertThat(ended[2]).isPositive();
        store = open();
    }

    private static String flip(Path copy, List<Path> files, long at, int bit) throws IOException {
        long left = at;
        for (Path file : files) {
            long size = Files.size(file);
            if (left < size) {
                Path there = copy.resolve(file.getFileName());
                byte[] content = Files.readAllBytes(there);
                content[(int) left] ^= (byte) bit;
                Files.write(there, content);
                return "byte " + left + " of " + size + " of " + there.getFileName();
            }
            left -= size;
        }
        throw new AssertionError("no such byte");
    }

    /**
     * @return 0 if all outcomes exist, 1 if a look-up failed, 2 if the store was empty or at an older position after
     *     the start
     */
    private int lookUpAll(Path where, List<StoredOutcome> outcomes, String what) {
        try (EmbeddedStore damaged = open(where, LOG_ID)) {
            OptionalLong position = reconnected(damaged);
            boolean complete = position.isPresent() && position.getAsLong() >= OUTCOMES - 1;
            assertThat(position.orElse(0)).as(what).isLessThan(OUTCOMES);
            boolean failed = false;
            for (StoredOutcome outcome : outcomes) {
                try {
                    Optional<StoredOutcome> found = damaged.get(List.of(outcome.id()))
                            .toCompletableFuture()
                            .join()
                            .get(0);
                    if (complete) {
                        assertThat(found).as(what).hasValue(outcome);
                    }
                } catch (CompletionException e) {
                    failed = true;
                    complete = complete && reconnected(damaged).orElse(0) >= OUTCOMES - 1;
                }
            }
            if (failed || !complete) {
                reconnected(damaged);
                List<StoredOutcome> existing = damaged.putIfAbsent(outcomes, OUTCOMES)
                        .toCompletableFuture()
                        .join();
                assertThat(existing).as(what).isEqualTo(outcomes);
                damaged.sync();
            }
            return failed ? 1 : complete ? 0 : 2;
        }
    }

    /** Connects, and retries after a failure as a guarded store does. */
    private static OptionalLong reconnected(EmbeddedStore store) {
        for (int tries = 0; ; tries++) {
            try {
                return store.connect().toCompletableFuture().join();
            } catch (CompletionException e) {
                assertThat(tries).as("tries: " + e).isLessThan(3);
            }
        }
    }

    private static List<Path> storeFiles(Path where) throws IOException {
        try (Stream<Path> files = Files.list(where)) {
            return files.filter(Files::isRegularFile)
                    .filter(file -> !file.endsWith("LOCK"))
                    .filter(file -> !file.getFileName().toString().startsWith("LOG"))
                    .sorted()
                    .toList();
        }
    }
}
