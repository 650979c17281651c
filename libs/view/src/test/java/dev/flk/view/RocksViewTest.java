// SPDX-License-Identifier: Apache-2.0
package dev.flk.view;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.view.RocksView.Owner;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.LRUCache;
import org.rocksdb.RocksDBException;
import org.rocksdb.Status;
import org.rocksdb.WriteBatch;
import org.slf4j.LoggerFactory;

final class RocksViewTest {
    private static final byte[] KEY = {1};
    private static final long NO_ROOM = Long.MAX_VALUE / 2;

    @TempDir
    Path parent;

    private Path directory;
    private RocksView view;
    private long seconds;
    private int setAside;

    @BeforeEach
    void open() {
        directory = parent.resolve("view");
        view = open(directory, 0);
    }

    @AfterEach
    void close() {
        view.close();
    }

    private RocksView open(Path where, long keepFreeBytes) {
        return RocksView.open(
                where,
                new Owner("the view", "VIEW_DIR", LoggerFactory.getLogger(RocksViewTest.class), () -> setAside++),
                RocksViewTest::tune,
                keepFreeBytes,
                () -> TimeUnit.SECONDS.toNanos(seconds += 3));
    }

    private void reopen(long keepFreeBytes) {
        view.close();
        view = open(directory, keepFreeBytes);
    }

    private static void tune(Tuning tuning) {
        BlockBasedTableConfig tables = tuning.tables(tuning.own(new LRUCache(1 << 20)));
        tuning.family("default", tables);
        tuning.family("second", tables);
    }

    private void put(int value) {
        view.use(open -> {
            try (WriteBatch batch = new WriteBatch()) {
                batch.put(KEY, new byte[] {(byte) value});
                batch.put(open.family(1), KEY, new byte[] {(byte) value});
                open.write(batch);
            }
            return open;
        });
    }

    /** Asserts that both families have a value. */
    private static void assertHas(RocksView view, int value) {
        byte[][] found = view.use(open ->
                new byte[][] {open.rocks().get(KEY), open.rocks().get(open.family(1), KEY)});
        assertThat(found).isDeepEqualTo(new byte[][] {{(byte) value}, {(byte) value}});
    }

    private static void assertEmpty(RocksView view) {
        assertThat(view.<Boolean>use(
                        open -> open.rocks().get(KEY) == null && open.rocks().get(open.family(1), KEY) == null))
                .isTrue();
    }

    private void assertSetAsideHas(int value) {
        try (RocksView aside = open(view.files().setAsidePath(), 0)) {
            assertHas(aside, value);
        }
    }

    private void fail(RocksDBException failure) {
        assertThatThrownBy(() -> view.use(open -> {
                    throw failure;
                }))
                .isInstanceOf(ViewUnavailableException.class)
                .hasMessage("the view failed: " + failure.getMessage());
    }

    private static RocksDBException failure(Status.Code code) {
        return new RocksDBException("it fails", new Status(code, Status.SubCode.None, ""));
    }

    /** Ends the opening because of damage, and opens the files again. */
    private void spoil() {
        fail(failure(Status.Code.Corruption));
        assertThat(view.isSpoiled()).isTrue();
        view.reopenIfNeeded();
    }

    private long number() {
        return view.use(OpenDatabase::number);
    }

    @Test
    void open_afterClose_hasAllFamilies() {
        put(1);
        reopen(0);
        assertHas(view, 1);
        assertThat(directory.resolve("native")).doesNotExist();
    }

    @Test
    void open_directoryInUse_namesItWithAdvice() {
        assertThatThrownBy(() -> open(directory, 0))
                .isInstanceOf(ViewUnavailableException.class)
                .hasMessage("can't open the view in " + directory
                        + ": another process uses it; stop that, or choose another VIEW_DIR");
    }

    @Test
    void use_afterFailure_failsUntilOpenedAgain() {
        put(1);
        long before = number();
        fail(failure(Status.Code.Busy));
        assertThatThrownBy(this::number).hasMessage("the view failed: it fails");

        view.reopenIfNeeded();

        assertHas(view, 1); // RocksDB flushes when it is closed
        long after = number();
        assertThat(after).isNotEqualTo(before);
        view.reopenIfNeeded();
        assertThat(number()).isEqualTo(after);
        assertThat(setAside).isZero();
    }

    @Test
    void use_damaged_isSetAsideAndStartsEmpty() {
        put(1);
        spoil();
        assertEmpty(view);
        assertThat(setAside).isEqualTo(1);
        assertSetAsideHas(1);
    }

    @Test
    void use_bytesInAWrongFormat_areDamage() {
        assertThatThrownBy(() -> view.use(open -> {
                    throw new IllegalArgumentException("3 bytes, not 8");
                }))
                .hasMessage("the view failed: 3 bytes, not 8");
        assertThat(view.isSpoiled()).isTrue();
    }

    @Test
    void use_readsFailInTwoOpenings_isSetAside() {
        for (int i = 0; i < 2; i++) {
            assertThat(view.isSpoiled()).isFalse();
            view.reopenIfNeeded();
            fail(failure(Status.Code.IOError));
        }
        assertThat(view.isSpoiled()).isTrue();
    }

    @Test
    void use_writesFailInTwoOpenings_keepsTheFiles() {
        for (int i = 0; i < 2; i++) {
            view.reopenIfNeeded();
            fail(new OpenDatabase.WriteFailedException(failure(Status.Code.IOError)));
        }
        assertThat(view.isSpoiled()).isFalse();
    }

    @Test
    void spoil_thisOpening_setsAside() {
        view.spoil(number(), "it belongs to another log");
        assertThatThrownBy(this::number).hasMessage("the view failed: it belongs to another log");
        view.reopenIfNeeded();
        assertThat(setAside).isEqualTo(1);
    }

    @Test
    void spoil_openedAgainSince_doesNothing() {
        long before = number();
        fail(failure(Status.Code.Busy));
        view.reopenIfNeeded();
        view.spoil(before, "it belongs to another log");
        assertThat(view.isSpoiled()).isFalse();
    }

    @Test
    void close_useInProgress_waits() throws InterruptedException {
        CountDownLatch used = new CountDownLatch(1);
        CountDownLatch canEnd = new CountDownLatch(1);
        AtomicBoolean ended = new AtomicBoolean();
        Thread user = new Thread(() -> view.use(open -> {
            used.countDown();
            await().until(() -> canEnd.getCount() == 0);
            ended.set(open.rocks().get(KEY) == null);
            return open;
        }));
        user.start();
        used.await();
        Thread closer = new Thread(view::close);
        closer.start();
        await().until(() -> closer.getState() == Thread.State.WAITING);
        canEnd.countDown();
        closer.join();
        user.join();
        assertThat(ended).isTrue();
        assertThatThrownBy(this::number).hasMessage("the view is closed");
        assertThatThrownBy(view::reopenIfNeeded).hasMessage("the view is closed");
    }

    @Test
    void checkpoint_notFlushed_hasWhatWasWritten() {
        put(1);
        Path copy = parent.resolve("copy");
        view.checkpoint(copy);
        put(2);
        try (RocksView opened = open(copy, 0)) {
            assertHas(opened, 1);
        }
        assertHas(view, 2);
    }

    @Test
    void checkpoint_targetExists_failsAndStaysOpen() {
        put(1);
        assertThatThrownBy(() -> view.checkpoint(parent))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("can't copy the view to " + parent);
        assertHas(view, 1);
    }

    @Test
    void setAside_interruptedByACrash_isFinishedByTheNextStart() throws IOException {
        put(41);
        view.close();
        Files.createFile(Files.createDirectories(view.files().setAsidePath()).resolve("moving"));
        Files.move(directory.resolve("CURRENT"), view.files().setAsidePath().resolve("CURRENT"));

        view = open(directory, 0);

        assertEmpty(view);
        assertSetAsideHas(41);
    }

    @Test
    void setAside_keepsOneCopy_orNoneIfSpaceIsShort() {
        put(1);
        spoil();
        put(2);
        spoil();
        assertSetAsideHas(2);
        reopen(NO_ROOM);
        view.dropSetAsideIfShort();
        assertThat(view.files().setAsidePath()).doesNotExist();
        spoil();
        assertThat(view.files().setAsidePath()).doesNotExist();
        assertThat(setAside).isEqualTo(3);
    }

    @Test
    void dropSetAside_filesAreStillToBeMoved_keepsTheOthers() throws IOException {
        reopen(NO_ROOM);
        Path moving = Files.createDirectory(view.files().setAsidePath()).resolve("moving");
        Files.createFile(moving);
        view.dropSetAsideIfShort();
        assertThat(moving).exists();
    }

    /** Simulates a directory that is a mount point and also contains the log. */
    @Test
    void setAside_leavesForeignFilesAlone() throws IOException {
        Path log = Files.createDirectories(directory.resolve("wal")).resolve("inbox-20261120-0000000000000001.wal");
        Files.writeString(log, "a log");
        Files.createDirectory(directory.resolve("lost+found"));
        spoil();
        assertThat(log).hasContent("a log");
        assertThat(directory.resolve("lost+found")).exists();
    }
}
