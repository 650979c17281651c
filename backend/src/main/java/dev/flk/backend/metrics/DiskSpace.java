// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.metrics;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * What a directory of few files takes, and what its file system has left, looked up now and then by a thread of its own: asking
 * for them costs nothing, and never waits for a disk. While the disk does not answer, they are as old as its last answer.
 */
public final class DiskSpace implements AutoCloseable {
    private static final Duration EVERY = Duration.ofSeconds(5);

    private final Path directory;
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(task -> {
        Thread thread = new Thread(task, "disk-space");
        thread.setDaemon(true);
        return thread;
    });
    private volatile double usedBytes;
    private volatile double freeBytes;

    private DiskSpace(Path directory) {
        this.directory = directory;
    }

    /** Looks at {@code directory}, without what is below it: once at once, then by itself until it is closed. */
    public static DiskSpace watch(Path directory) {
        DiskSpace space = new DiskSpace(directory);
        space.look();
        Future<?> unused =
                space.timer.scheduleWithFixedDelay(space::look, EVERY.toNanos(), EVERY.toNanos(), TimeUnit.NANOSECONDS);
        return space;
    }

    /** Bytes of all files; NaN if they can't be listed. */
    public double usedBytes() {
        return usedBytes;
    }

    /** Bytes that can still be written; NaN if the file system does not say. */
    public double freeBytes() {
        return freeBytes;
    }

    /** One look at the disk. */
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
            return 0; // renamed or removed since it was listed
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

    /** Does not wait: a look that the disk does not answer must not keep the program from its end. */
    @Override
    public void close() {
        timer.shutdown();
    }
}
