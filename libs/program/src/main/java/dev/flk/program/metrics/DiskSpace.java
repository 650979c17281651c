// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.metrics;

import dev.flk.program.time.DaemonThreads;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * The size of a directory with few files and the free space of its file system. After a first measurement, a separate
 * thread measures both every five seconds, so that readers never wait for the disk. While the disk hangs, the values of
 * the last measurement remain.
 */
public final class DiskSpace implements AutoCloseable {
    private static final Duration EVERY = Duration.ofSeconds(5);

    private final Path directory;
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(DaemonThreads.named("disk-space"));
    private volatile double usedBytes;
    private volatile double freeBytes;

    private DiskSpace(Path directory) {
        this.directory = directory;
    }

    /**
     * Measures {@code directory}, without its subdirectories, at once and then every five seconds until the returned
     * object is closed.
     */
    public static DiskSpace watch(Path directory) {
        DiskSpace space = new DiskSpace(directory);
        space.look();
        space.timer.scheduleWithFixedDelay(space::look, EVERY.toNanos(), EVERY.toNanos(), TimeUnit.NANOSECONDS);
        return space;
    }

    /** Returns the size of all files in bytes; NaN if the size can't be determined. */
    public double usedBytes() {
        return usedBytes;
    }

    /** Returns the number of free bytes; NaN if the file system does not report them. */
    public double freeBytes() {
        return freeBytes;
    }

    void look() {
        usedBytes = used();
        freeBytes = free();
    }

    private double used() {
        try (Stream<Path> files = Files.list(directory)) {
            return files.mapToLong(DiskSpace::size).sum();
        } catch (IOException | UncheckedIOException e) {
            return Double.NaN;
        }
    }

    private static long size(Path file) {
        try {
            return Files.size(file);
        } catch (NoSuchFileException e) {
            return 0; // renamed or removed after it was listed
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private double free() {
        try {
            return Files.getFileStore(directory).getUsableSpace();
        } catch (IOException e) {
            return Double.NaN;
        }
    }

    /** Stops the thread without waiting for it, because a hanging disk must not prevent the program from ending. */
    @Override
    public void close() {
        timer.shutdown();
    }
}
