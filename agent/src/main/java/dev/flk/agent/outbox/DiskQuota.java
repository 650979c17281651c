// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.outbox.Outbox.Space;
import dev.flk.agent.outbox.certificate.CertificateSink.OutboxFull;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.FileOps.OpenFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.LongSupplier;

/**
 * The two limits on new certificates: the outbox's files, without the {@link Reserve}, may have at most {@code
 * OUTBOX_MAX_BYTES}, and at least {@code OUTBOX_MIN_FREE_BYTES} of the disk must stay free. Sizes that are older than
 * one second are read from the file system again; between two readings, the sizes are adjusted for the bytes of new
 * certificates. Safe for several threads.
 */
final class DiskQuota {
    /**
     * The bytes that an entry needs in addition to its certificate: the header of its record, and its share of the
     * record that settles it.
     */
    static final int OVERHEAD_BYTES = 100;

    private static final long REFRESH_NANOS = Duration.ofSeconds(1).toNanos();

    private final FileOps files;
    private final OutboxOptions options;
    private final LongSupplier nanoTicker;
    private boolean isRead;
    private long readNanos;
    private long usedBytes;
    private long freeBytes;
    private long arrivingBytes;
    private boolean hasRefused;

    DiskQuota(FileOps files, OutboxOptions options, LongSupplier nanoTicker) {
        this.files = files;
        this.options = options;
        this.nanoTicker = nanoTicker;
    }

    /**
     * Reserves space for certificates.
     *
     * @param bytes the total length of the bodies of the certificates' records
     * @param waitingBytes the bytes of all certificates that wait to be sent; used only in the message of the exception
     * @return the number of reserved bytes; the caller must pass it to {@link #arrived} once the certificates are on
     *     disk or were rejected
     * @throws OutboxFull if there is not enough space
     */
    synchronized long take(int certificates, long bytes, long waitingBytes) throws IOException {
        refreshIfOld();
        long needed = bytes + (long) certificates * OVERHEAD_BYTES;
        boolean isFull = usedBytes + needed > options.maxBytes();
        boolean isDiskFull = freeBytes - needed < options.minFreeBytes();
        hasRefused |= isFull || isDiskFull;
        if (isFull) {
            throw new OutboxFull("the outbox " + options.directory() + " is full: its files use " + usedBytes + " of "
                    + options.maxBytes() + " bytes, and " + waitingBytes
                    + " bytes of certificates wait to be sent; let flk-agent run send them, or raise OUTBOX_MAX_BYTES");
        }
        if (isDiskFull) {
            throw new OutboxFull("the file system of " + options.directory() + " has " + freeBytes
                    + " bytes left, and " + needed
                    + " bytes of certificates would leave less than OUTBOX_MIN_FREE_BYTES ("
                    + options.minFreeBytes() + "); free space");
        }
        usedBytes += needed;
        freeBytes -= needed;
        arrivingBytes += needed;
        return needed;
    }

    /** Ends a reservation of {@code taken} bytes, after its certificates are on disk or were rejected. */
    synchronized void arrived(long taken) {
        arrivingBytes -= taken;
    }

    /** Returns the reserved bytes of certificates that are neither on disk nor rejected yet. */
    synchronized long arrivingBytes() {
        return arrivingBytes;
    }

    /**
     * Returns whether the outbox should be compacted regardless of the age of its segments: more than seven eighths of
     * {@code OUTBOX_MAX_BYTES} are used, less than {@code OUTBOX_MIN_FREE_BYTES} are free, or certificates were refused
     * since the last call.
     */
    synchronized boolean needsRoom() throws IOException {
        refreshIfOld();
        boolean wasRefused = hasRefused;
        hasRefused = false;
        return wasRefused
                || usedBytes > options.maxBytes() - options.maxBytes() / 8
                || freeBytes < options.minFreeBytes();
    }

    synchronized Space space() throws IOException {
        refreshIfOld();
        return lastSpace();
    }

    /**
     * Returns the space as last read from the file system, adjusted for the certificates that were added after that
     * reading. Does not access the file system.
     */
    synchronized Space lastSpace() {
        return new Space(usedBytes, freeBytes);
    }

    private void refreshIfOld() throws IOException {
        if (!isRead || nanoTicker.getAsLong() - readNanos >= REFRESH_NANOS) {
            refresh();
        }
    }

    /** Reads the sizes from the file system now. */
    synchronized void refresh() throws IOException {
        Path directory = options.directory();
        usedBytes = used(files, directory);
        freeBytes = files.usableBytes(directory);
        readNanos = nanoTicker.getAsLong();
        isRead = true;
    }

    /** Returns the total size of the files in a directory in bytes, without the {@link Reserve}. */
    static long used(FileOps files, Path directory) throws IOException {
        long used = 0;
        for (String name : files.list(directory)) {
            if (!name.equals(Reserve.FILE)) {
                used += files.status(directory.resolve(name))
                        .map(FileOps.FileStatus::bytes)
                        .orElse(0L);
            }
        }
        return used;
    }

    /**
     * A file of one mebibyte of zeros, which reserves space. If the disk is full, compaction deletes the file and uses
     * the freed space to append pending entries again, so that the segments with their old records can be removed. For
     * one thread at a time.
     */
    static final class Reserve {
        /** The name of the file in the outbox's directory. */
        static final String FILE = "reserve";

        static final int BYTES = 1 << 20;

        private final FileOps files;
        private final Path directory;
        private final Path file;

        Reserve(FileOps files, Path directory) {
            this.files = files;
            this.directory = directory;
            this.file = directory.resolve(FILE);
        }

        /** Deletes the file; returns false if it did not exist. */
        boolean release() throws IOException {
            if (files.status(file).isEmpty()) {
                return false;
            }
            files.delete(file);
            files.forceDirectory(directory);
            return true;
        }

        /**
         * Creates the file if it is missing or has another size than {@link #BYTES}. If less than twice this size is
         * free on the disk, returns false without creating the file.
         */
        boolean restore() throws IOException {
            if (files.status(file).map(FileOps.FileStatus::bytes).orElse(0L) == BYTES) {
                return true;
            }
            if (files.usableBytes(directory) < 2L * BYTES) {
                return false;
            }
            release();
            try (OpenFile created = files.create(file)) {
                created.write(ByteBuffer.allocate(BYTES), 0);
                created.force();
            }
            files.forceDirectory(directory);
            return true;
        }
    }
}
