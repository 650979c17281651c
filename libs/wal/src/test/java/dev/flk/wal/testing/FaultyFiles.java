// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.testing;

import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.files.DiskFullException;
import dev.flk.wal.files.ForwardingFiles;
import dev.flk.wal.files.TooManyFilesException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** The real disk, with faults that a test switches on and off from any thread. */
public class FaultyFiles extends ForwardingFiles {
    private volatile boolean holding;
    private final Semaphore permits = new Semaphore(0);
    private final Semaphore arrived = new Semaphore(0);
    private final AtomicInteger failures = new AtomicInteger();
    private volatile boolean diskFull;
    private volatile boolean createFails;
    private volatile boolean filesExhausted;
    private volatile long usableBytes = -1;
    private volatile @Nullable Unreadable unreadable;
    private final AtomicInteger writes = new AtomicInteger();
    private final AtomicInteger readFailures = new AtomicInteger();
    private final AtomicReference<@Nullable Error> onWrite = new AtomicReference<>();
    private final AtomicReference<@Nullable RuntimeException> onList = new AtomicReference<>();
    private final List<String> forced = new CopyOnWriteArrayList<>();

    private record Unreadable(String name, long from, long end) {}

    public FaultyFiles() {
        super(new DiskFiles());
    }

    /** Makes the next {@code count} reads of these bytes of a file fail. */
    public void failReads(String name, long from, long end, int count) {
        readFailures.set(count);
        unreadable = new Unreadable(name, from, end);
    }

    /** Returns the number of reads that are still to fail. */
    public int readFailuresLeft() {
        return readFailures.get();
    }

    /** Blocks every force until {@link #release} is called. */
    public void hold() {
        holding = true;
    }

    /** Blocks until a force is held. */
    public void awaitHeld() {
        arrived.acquireUninterruptibly();
    }

    /** Lets every force continue. */
    public void release() {
        holding = false;
        permits.release(1_000);
    }

    /** Makes the next {@code count} forces fail. */
    public void failForces(int count) {
        failures.set(count);
    }

    /** Makes every write fail while {@code full} is set. */
    public void setDiskFull(boolean full) {
        diskFull = full;
    }

    /** Makes every creation of a file fail while {@code fails} is set. */
    public void setCreateFails(boolean fails) {
        createFails = fails;
    }

    /** Makes every creation of a file fail as if too many files were open, while {@code exhausted} is set. */
    public void setFilesExhausted(boolean exhausted) {
        filesExhausted = exhausted;
    }

    /** Makes the next write throw {@code error}. */
    public void throwOnWrite(Error error) {
        onWrite.set(error);
    }

    /** Makes the next listing of a directory throw {@code error}. */
    public void throwOnList(RuntimeException error) {
        onList.set(error);
    }

    /** Returns whether no error of {@link #throwOnList} is pending. */
    public boolean hasThrownOnList() {
        return onList.get() == null;
    }

    /** Returns the number of successful writes. */
    public int writes() {
        return writes.get();
    }

    /** Returns the names of the files that were forced since the last call. */
    public List<String> takeForced() {
        List<String> taken = List.copyOf(forced);
        forced.clear();
        return taken;
    }

    @Override
    public List<String> list(Path directory) throws IOException {
        RuntimeException error = onList.getAndSet(null);
        if (error != null) {
            throw error;
        }
        return super.list(directory);
    }

    @Override
    public OpenFile create(Path file) throws IOException {
        if (filesExhausted) {
            throw TooManyFilesException.or(file, new FileSystemException(file.toString(), null, "Too many open files"));
        }
        if (createFails) {
            throw new IOException("injected: Input/output error");
        }
        return new Faulty(file, super.create(file));
    }

    @Override
    public OpenFile openForWriting(Path file) throws IOException {
        return new Faulty(file, super.openForWriting(file));
    }

    @Override
    public OpenFile openForReading(Path file) throws IOException {
        return new Faulty(file, super.openForReading(file));
    }

    @Override
    public long usableBytes(Path directory) throws IOException {
        return usableBytes < 0 ? super.usableBytes(directory) : usableBytes;
    }

    /** Sets the free space that the disk reports; a negative value restores the actual one. */
    public void setUsableBytes(long bytes) {
        usableBytes = bytes;
    }

    private final class Faulty extends ForwardingFile {
        private final Path path;

        Faulty(Path path, OpenFile file) {
            super(file);
            this.path = path;
        }

        @Override
        public int read(ByteBuffer target, long position) throws IOException {
            Unreadable bad = unreadable;
            if (bad != null
                    && path.endsWith(bad.name())
                    && position < bad.end()
                    && position + target.remaining() > bad.from()
                    && readFailures.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
                throw new IOException("injected: Input/output error");
            }
            return super.read(target, position);
        }

        @Override
        public void write(ByteBuffer source, long position) throws IOException {
            Error error = onWrite.getAndSet(null);
            if (error != null) {
                throw error;
            }
            if (diskFull) {
                throw new DiskFullException(path, new IOException("injected"));
            }
            super.write(source, position);
            writes.incrementAndGet();
        }

        @Override
        public void force() throws IOException {
            if (holding) {
                arrived.release();
                permits.acquireUninterruptibly();
            }
            if (failures.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
                throw new IOException("injected: Input/output error");
            }
            super.force();
            forced.add(String.valueOf(path.getFileName()));
        }
    }
}
