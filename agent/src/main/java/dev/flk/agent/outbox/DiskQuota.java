// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.outbox.CertificateSink.OutboxFull;
import dev.flk.agent.outbox.Outbox.Space;
import dev.flk.wal.FileOps;
import dev.flk.wal.FileOps.OpenFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.LongSupplier;

/**
 * Space: the bytes of the outbox's files, without the {@link Reserve}, of {@code OUTBOX_MAX_BYTES}, and the free space of the disk above
 * {@code OUTBOX_MIN_FREE_BYTES}. Looked up once a second at most; what was taken since is counted. Safe for several threads.
 */
final class DiskQuota {
    /** What a record takes beside its body: its header, and its share of the note that settles it. */
    static final int OVERHEAD_BYTES = 100;

    private static final long LOOK_EVERY_NANOS = Duration.ofSeconds(1).toNanos();

    private final FileOps files;
    private final OutboxOptions options;
    private final LongSupplier nanoTicker;
    private boolean looked;
    private long lookedNanos;
    private long usedBytes;
    private long freeBytes;
    private long arrivingBytes;

    DiskQuota(FileOps files, OutboxOptions options, LongSupplier nanoTicker) {
        this.files = files;
        this.options = options;
        this.nanoTicker = nanoTicker;
    }

    /**
     * Takes room for certificates.
     *
     * @param waitingBytes what waits to be sent, for the message
     * @return how much was taken; {@link #arrived} must follow once they wait to be sent, or were refused
     * @throws OutboxFull if there is none
     */
    synchronized long take(int certificates, long bytes, long waitingBytes) throws IOException {
        lookNowAndThen();
        long needed = bytes + (long) certificates * OVERHEAD_BYTES;
        if (usedBytes + needed > options.maxBytes()) {
            throw new OutboxFull("the outbox " + options.directory() + " is full: its files have " + usedBytes + " of "
                    + options.maxBytes() + " bytes, " + waitingBytes
                    + " wait to be sent; let flk-agent run send them, or raise OUTBOX_MAX_BYTES");
        }
        if (freeBytes - needed < options.minFreeBytes()) {
            throw new OutboxFull("the file system of " + options.directory() + " has " + freeBytes
                    + " bytes left, OUTBOX_MIN_FREE_BYTES keeps " + options.minFreeBytes() + "; make room");
        }
        usedBytes += needed;
        freeBytes -= needed;
        arrivingBytes += needed;
        return needed;
    }

    /** What was taken is on disk, or was refused. */
    synchronized void arrived(long taken) {
        arrivingBytes -= taken;
    }

    /** Bytes that are being appended. */
    synchronized long arrivingBytes() {
        return arrivingBytes;
    }

    /** Whether so little is left that settled segments should be removed whatever their age. */
    synchronized boolean isTight() throws IOException {
        lookNowAndThen();
        return usedBytes > options.maxBytes() - options.maxBytes() / 8 || freeBytes < options.minFreeBytes();
    }

    synchronized Space space() throws IOException {
        lookNowAndThen();
        return lastSpace();
    }

    /** The space that was seen, or computed, last. */
    synchronized Space lastSpace() {
        return new Space(usedBytes, freeBytes);
    }

    private void lookNowAndThen() throws IOException {
        if (!looked || nanoTicker.getAsLong() - lookedNanos >= LOOK_EVERY_NANOS) {
            look();
        }
    }

    /** Looks it up now. */
    synchronized void look() throws IOException {
        Path directory = options.directory();
        usedBytes = used(files, directory);
        freeBytes = files.usableBytes(directory);
        lookedNanos = nanoTicker.getAsLong();
        looked = true;
    }

    /** What the files of a directory take, but for the reserve. */
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
     * A file of a mebibyte that is there to be deleted: on a full disk, compaction needs that space to move entries before it can give
     * space back. One thread at a time.
     */
    static final class Reserve {
        /** Its name in the outbox's directory. */
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

        /** Frees the space; false if there was none. */
        boolean release() throws IOException {
            if (files.status(file).isEmpty()) {
                return false;
            }
            files.delete(file);
            files.forceDirectory(directory);
            return true;
        }

        /** Takes the space, if it was not taken and the disk has twice that; false if it could not be taken. */
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
