// SPDX-License-Identifier: Apache-2.0
package dev.flk.view;

import dev.flk.view.RocksFailures.Failure;
import dev.flk.view.RocksFailures.Problem;
import dev.flk.wal.files.DiskFiles.OwnerOnly;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksDBException;
import org.slf4j.Logger;

/**
 * A RocksDB of our own that can be built again from a log. RocksDB's own log is off, so a write is durable only once its
 * family has been flushed.
 *
 * <p>After any failure, every use fails until {@link #reopenIfNeeded}, which opens the files again. If the files are
 * damaged, could not be read twice within a minute, or were {@linkplain #spoil spoiled}, it first sets them aside
 * ({@link RocksDirectory}) and then opens an empty database. Several users may share a view: each of them {@linkplain
 * #requireOpening names} the opening that it knows, and so notices that another one has opened the files again.
 *
 * <p>Safe for any thread.
 */
public final class RocksView implements AutoCloseable {
    private final RocksDirectory directory;
    private final Owner owner;
    private final Consumer<Tuning> tune;
    private final RocksFailures failures;

    /**
     * The lock of the database. Every use of the database holds the read lock. Opening and closing hold the write lock,
     * because a use after the close would crash the process.
     */
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();

    // guarded by the lock
    private @Nullable OpenDatabase open;
    /** Whether the directory exists and has no traces of an interrupted move or restore. */
    private boolean isPrepared;

    private boolean closed;

    /** A use of the open database, which must not be used after this call. */
    public interface Use<T> {
        /**
         * Uses the database.
         *
         * @throws RocksDBException if the database fails
         * @throws IllegalArgumentException if bytes that were read are not in the expected format: they are damaged
         */
        T with(OpenDatabase open) throws RocksDBException;
    }

    /**
     * The feature that a view belongs to.
     *
     * @param name the name of the view in messages, with an article
     * @param setting the name of the setting that chooses the directory
     * @param log the logger for messages about the files
     * @param whenSetAside called on any thread whenever files were set aside
     */
    public record Owner(String name, String setting, Logger log, Runnable whenSetAside) {}

    private RocksView(RocksDirectory directory, Owner owner, Consumer<Tuning> tune, LongSupplier nanoTicker) {
        this.directory = directory;
        this.owner = owner;
        this.tune = tune;
        this.failures = new RocksFailures(nanoTicker);
    }

    /**
     * Opens or creates the view in a directory that no other process uses. Unreadable files are not an error: the next
     * {@link #reopenIfNeeded} opens them again or sets them aside.
     *
     * @param tune adds the families and changes settings, whenever the files are opened
     * @param keepFreeBytes the free disk space below which no copy of files that were set aside is kept
     * @param nanoTicker monotonic time
     * @throws ViewUnavailableException if the view can't be opened for a reason other than unreadable files, for
     *     example because another process uses it; the message names the directory and the problem
     */
    public static RocksView open(
            Path directory, Owner owner, Consumer<Tuning> tune, long keepFreeBytes, LongSupplier nanoTicker) {
        RocksView view = unopened(directory, owner, tune, keepFreeBytes, nanoTicker);
        view.openFirst();
        return view;
    }

    /** Returns a view that the first {@link #reopenIfNeeded} opens or creates; otherwise like {@link #open}. */
    public static RocksView unopened(
            Path directory, Owner owner, Consumer<Tuning> tune, long keepFreeBytes, LongSupplier nanoTicker) {
        return new RocksView(new RocksDirectory(directory, keepFreeBytes, owner), owner, tune, nanoTicker);
    }

    private void openFirst() {
        Path path = directory.path();
        String failure = "can't open " + owner.name() + " in " + path + ": ";
        try {
            Files.createDirectories(path, OwnerOnly.directory(path));
            NativeLibrary.load(path.resolve(NativeLibrary.DIRECTORY));
            if (directory.isBeingRestored()) {
                throw new ViewUnavailableException(
                        failure + "a restore was interrupted; run it again, or remove the directory", null);
            }
            if (directory.isHeadless()) {
                setAsideUnlessInUse("its file CURRENT is missing");
            }
            isPrepared = true;
            open = new OpenDatabase(path, tune);
            directory.deleteCheckpoint();
        } catch (RocksDBException e) {
            Failure meaning = Failure.of(e);
            Problem met = failures.note(e, meaning);
            if (meaning == Failure.ELSEWHERE) {
                String reason = met.what().contains("/LOCK: ")
                        ? "another process uses it; stop that, or choose another " + owner.setting()
                        : met.what();
                throw new ViewUnavailableException(failure + reason, e);
            }
            owner.log().error("{} in {} can't be opened: {}", owner.name(), path, met.what());
        } catch (IOException | UnsatisfiedLinkError e) {
            throw new ViewUnavailableException(failure + e, e);
        }
    }

    /**
     * Sets the files aside. Does nothing if another process has locked the files, or if the file CURRENT exists by now.
     * Must be called before this process opens the files, because opening the files locks them.
     */
    private void setAsideUnlessInUse(String why) throws IOException {
        try (FileChannel file = FileChannel.open(
                        directory.path().resolve("LOCK"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock locked = file.tryLock()) {
            if (locked != null && directory.isHeadless()) {
                setAside(why);
            }
        }
    }

    private void setAside(String why) throws IOException {
        String fate = directory.setAside();
        owner.whenSetAside().run();
        failures.setAside();
        owner.log()
                .error(
                        "{} in {} can't be used any more: {}. {} A new store is built from the log",
                        owner.name(),
                        directory.path(),
                        why,
                        fate);
    }

    /**
     * Uses the database. Blocks while the files are being opened. A failure ends this opening.
     *
     * @throws ViewUnavailableException if the database is not open or fails
     */
    public <T> T use(Use<T> use) {
        lock.readLock().lock();
        try {
            Problem met = failures.problem();
            OpenDatabase used = open;
            if (closed || met != null || used == null) {
                throw closed ? isClosed() : unavailable(met == null ? "it is not open" : met.what(), null);
            }
            return use.with(used);
        } catch (RocksDBException | IllegalArgumentException e) {
            throw unavailable(failures.note(e, Failure.of(e)).what(), e);
        } finally {
            lock.readLock().unlock();
        }
    }

    /**
     * Checks in a use that this is the opening with this number. What was written to an earlier opening may be missing
     * in a later one, because it was not flushed.
     *
     * @throws ViewUnavailableException if the files were opened again since
     */
    public void requireOpening(long number, OpenDatabase used) {
        if (used.number() != number) {
            throw unavailable("its files were opened again", null);
        }
    }

    private ViewUnavailableException isClosed() {
        return new ViewUnavailableException(owner.name() + " is closed", null);
    }

    private ViewUnavailableException unavailable(String what, @Nullable Exception cause) {
        return new ViewUnavailableException(owner.name() + " failed: " + what, cause);
    }

    /**
     * Opens the files again after a failure; does nothing if they are open. If the files must no longer be used, first
     * sets them aside; if that fails, the next call tries again. Waits until all uses have ended, so it must not be
     * called by a use.
     *
     * @throws ViewUnavailableException if the files can't be opened or set aside
     */
    public void reopenIfNeeded() {
        lock.writeLock().lock();
        try {
            if (closed) {
                throw isClosed();
            }
            if (!isPrepared) {
                openFirst();
            }
            Problem met = failures.problem();
            if (met == null && open != null) {
                return;
            }
            closeFiles();
            if (met != null && met.isSpoiled()) {
                setAside(met.what());
            }
            failures.reconnecting();
            open = new OpenDatabase(directory.path(), tune);
        } catch (RocksDBException e) {
            throw unavailable(failures.note(e, Failure.of(e)).what(), e);
        } catch (IOException e) {
            throw new ViewUnavailableException(
                    owner.name() + " could not be set aside in " + directory.path() + ": " + e, e);
        } finally {
            lock.writeLock().unlock();
        }
    }

    private void closeFiles() {
        if (open != null) {
            open.close();
            open = null;
        }
    }

    /**
     * Ends an opening whose files must no longer be used, for example because they belong to another log. Does nothing
     * if the files were opened again since.
     *
     * @param number the number of the opening
     */
    public void spoil(long number, String why) {
        lock.readLock().lock();
        try {
            if (open != null && open.number() == number) {
                failures.end(why, true);
            }
        } finally {
            lock.readLock().unlock();
        }
    }

    /** Flushes all families, and blocks until they are on disk. */
    public void flush() {
        use(used -> {
            used.flush();
            return used;
        });
    }

    /**
     * Copies the open database to a directory that does not exist. A copy that fails does not end the opening.
     *
     * @throws UncheckedIOException if the copy fails
     */
    public void checkpoint(Path target) {
        use(used -> {
            try {
                used.checkpoint(target);
                return target;
            } catch (RocksDBException e) {
                throw new UncheckedIOException(
                        new IOException("can't copy " + owner.name() + " to " + target + ": " + e.getMessage(), e));
            }
        });
    }

    /** Returns the directory of the database. */
    public Path path() {
        return directory.path();
    }

    RocksDirectory files() {
        return directory;
    }

    /** Returns whether the next {@link #reopenIfNeeded} sets the files aside. */
    public boolean isSpoiled() {
        Problem met = failures.problem();
        return met != null && met.isSpoiled();
    }

    /** Deletes the files that were set aside, if the disk is nearly full. */
    public void dropSetAsideIfShort() {
        directory.dropSetAsideIfShort();
    }

    /**
     * Waits until all uses have ended, flushes all families unless the opening has failed, and closes the files.
     * Idempotent.
     *
     * @throws ViewUnavailableException if the flush fails; the files are closed nevertheless
     */
    @Override
    public void close() {
        lock.writeLock().lock();
        try {
            closed = true;
            if (open != null && failures.problem() == null) {
                open.flush();
            }
        } catch (RocksDBException e) {
            throw unavailable(String.valueOf(e.getMessage()), e);
        } finally {
            closeFiles();
            lock.writeLock().unlock();
        }
    }
}
