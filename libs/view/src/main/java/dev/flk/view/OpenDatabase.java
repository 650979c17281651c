// SPDX-License-Identifier: Apache-2.0
package dev.flk.view;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.rocksdb.Checkpoint;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.FlushOptions;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;
import org.rocksdb.WriteOptions;

/**
 * An open RocksDB, whose own log is off. Safe for any thread, but must not be used after it is closed: that crashes the
 * process.
 */
public class OpenDatabase implements AutoCloseable {
    private static final AtomicLong OPENINGS = new AtomicLong();

    private final long number = OPENINGS.incrementAndGet();
    private final Tuning tuning = new Tuning();
    private final WriteOptions unlogged = tuning.own(new WriteOptions()).setDisableWAL(true);
    private final FlushOptions waiting = tuning.own(new FlushOptions()).setWaitForFlush(true);
    private final List<ColumnFamilyHandle> families = new ArrayList<>();
    private final RocksDB rocks;

    /** The refusal of a write by the database. It does not show whether the data can be read. */
    static final class WriteFailedException extends RocksDBException {
        private static final long serialVersionUID = 1;

        WriteFailedException(RocksDBException refusal) {
            super(refusal.getMessage(), refusal.getStatus());
            initCause(refusal);
        }
    }

    /**
     * Opens a database, or creates it in a directory that exists. {@link NativeLibrary} must be loaded.
     *
     * @param tune adds the families and changes settings
     * @throws RocksDBException if RocksDB can't be opened, for example because files are missing or damaged
     */
    public OpenDatabase(Path directory, Consumer<Tuning> tune) throws RocksDBException {
        try {
            tune.accept(tuning);
            rocks = RocksDB.open(tuning.database(), directory.toString(), tuning.families(), families);
        } catch (RocksDBException | RuntimeException e) {
            tuning.close();
            throw e;
        }
    }

    public final RocksDB rocks() {
        return rocks;
    }

    /** Returns a family by its place in the order in which the families were added. */
    public final ColumnFamilyHandle family(int index) {
        return families.get(index);
    }

    /** Returns the number of this opening, which no other opening in this process has. */
    public final long number() {
        return number;
    }

    /**
     * Writes a batch, which is on disk after the next flush of its families. The batches of one family reach the disk
     * in the order in which they were written.
     */
    public final void write(WriteBatch batch) throws RocksDBException {
        try {
            rocks.write(unlogged, batch);
        } catch (RocksDBException e) {
            throw new WriteFailedException(e);
        }
    }

    /** Flushes everything that was written, and blocks until it is on disk. */
    public final void flush() throws RocksDBException {
        flush(families);
    }

    /** Flushes everything that was written to these families, and blocks until it is on disk. */
    public final void flush(List<ColumnFamilyHandle> written) throws RocksDBException {
        try {
            rocks.flush(waiting, written);
        } catch (RocksDBException e) {
            throw new WriteFailedException(e);
        }
    }

    /** Copies the database, as it is now, to a directory that does not exist. Uses hard links where possible. */
    public final void checkpoint(Path target) throws RocksDBException {
        try (Checkpoint checkpoint = Checkpoint.create(rocks)) {
            checkpoint.createCheckpoint(target.toString());
        }
    }

    /** Closes the database. RocksDB flushes what was written, unless that fails. */
    @Override
    public void close() {
        families.forEach(ColumnFamilyHandle::close);
        rocks.close();
        tuning.close();
    }
}
