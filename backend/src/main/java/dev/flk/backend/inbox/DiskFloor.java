// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import dev.flk.wal.files.FileOps;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A lower limit (floor) of the free disk space. While the free space is below the floor, new submissions are rejected,
 * so that the disk has room to finish the accepted submissions. {@link #isBelow} queries the file system again only if
 * its last query is at least a second old, or if callers have asked to write at least an eighth of the floor since
 * then. Logs one line when the free space falls below the floor, and one line when it is no longer below the floor.
 * Safe for any thread.
 */
final class DiskFloor {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.ingest");
    private static final long ASK_EVERY_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final long ASK_EVERY_PART = 8;

    private final FileOps files;
    private final Path directory;
    private final long minFreeBytes;
    private final LongSupplier nanoTicker;

    // guarded by this
    private long askedNanos;
    private boolean asked;
    private long takenSince;
    private volatile boolean below;
    private volatile long usableBytes;

    /** Creates a floor that keeps {@code minFreeBytes} free on the file system of {@code directory}. */
    DiskFloor(FileOps files, Path directory, long minFreeBytes, LongSupplier nanoTicker) {
        this.files = files;
        this.directory = directory;
        this.minFreeBytes = minFreeBytes;
        this.nanoTicker = nanoTicker;
    }

    /**
     * Returns whether the free space is below the floor.
     *
     * @param bytes the number of bytes that the caller writes if this method returns false
     */
    synchronized boolean isBelow(long bytes) {
        long now = nanoTicker.getAsLong();
        takenSince += bytes;
        if (!asked || now - askedNanos >= ASK_EVERY_NANOS || takenSince >= minFreeBytes / ASK_EVERY_PART) {
            asked = true;
            askedNanos = now;
            takenSince = bytes;
            ask();
        }
        return below;
    }

    /**
     * Returns whether less than twice the floor is left.
     *
     * @throws IOException if the free space can't be read
     */
    boolean isNearlyBelow() throws IOException {
        return files.usableBytes(directory) < 2 * minFreeBytes;
    }

    /** Returns the free space and the floor, as a part of a sentence. */
    String text() {
        return (usableBytes >> 20) + " of " + (minFreeBytes >> 20) + " MiB (WAL_MIN_FREE_BYTES)";
    }

    private void ask() {
        try {
            long usable = files.usableBytes(directory);
            usableBytes = usable;
            boolean nowBelow = usable < minFreeBytes;
            if (nowBelow && !below) {
                LOG.error(
                        "disk full: {} bytes are left for {}, less than WAL_MIN_FREE_BYTES ({}); submissions are"
                                + " refused until space is freed",
                        usable,
                        directory,
                        minFreeBytes);
            } else if (!nowBelow && below) {
                LOG.info("{} bytes are left for {}: submissions are accepted again", usable, directory);
            }
            below = nowBelow;
        } catch (IOException e) {
            LOG.error("can't read the free space of {}: {}", directory, e.getMessage());
        }
    }
}
