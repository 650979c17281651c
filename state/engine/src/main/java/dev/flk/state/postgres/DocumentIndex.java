// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.postgres;

import dev.flk.backend.stores.postgres.Database;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * A thread that moves new entries of the document index from their pending list into the index itself, on a connection
 * of its own. Otherwise, Postgres would move the entries within a commit; for large arrays, this takes seconds and
 * blocks all other commits.
 */
final class DocumentIndex implements AutoCloseable {
    private static final long MOVE_AFTER_BYTES = 1 << 20;
    private static final int MOST_MILLIS = 600_000;

    private final Database database;
    private final AtomicLong addedBytes = new AtomicLong();
    private final AtomicBoolean isUnderWay = new AtomicBoolean();
    private final ExecutorService thread = Executors.newSingleThreadExecutor(task -> {
        Thread thread = new Thread(task, "state-index");
        thread.setDaemon(true);
        return thread;
    });
    // guarded by this
    private @Nullable Connection used;
    private boolean isClosed;

    DocumentIndex(Database database) {
        this.database = database;
    }

    /**
     * Adds the size of committed documents to a total. Once the total is large enough, the thread moves the pending
     * entries into the index. Returns at once.
     */
    synchronized void added(long bytes) {
        if (!isClosed && addedBytes.addAndGet(bytes) >= MOVE_AFTER_BYTES && isUnderWay.compareAndSet(false, true)) {
            thread.execute(this::move);
        }
    }

    private void move() {
        while (addedBytes.getAndSet(0) >= MOVE_AFTER_BYTES) {
            try (Connection connection = database.ownConnection()) {
                if (!begin(connection)) {
                    return;
                }
                connection.setNetworkTimeout(Runnable::run, MOST_MILLIS);
                Jdbc.execute(connection, Sql.MOVE_PENDING);
            } catch (SQLException | RuntimeException e) {
                // the thread tries again after more commits; by then, autovacuum or a commit may have moved the entries
                break;
            } finally {
                begin(null);
            }
        }
        isUnderWay.set(false);
    }

    /** Records the connection in use, null for none; returns false if {@link #close} was called. */
    private synchronized boolean begin(@Nullable Connection connection) {
        used = connection;
        return !isClosed;
    }

    @Override
    public synchronized void close() {
        isClosed = true;
        thread.shutdown();
        if (used != null) {
            try {
                used.abort(Runnable::run);
            } catch (SQLException e) {
                // the connection was closed already
            }
        }
    }
}
